"""Every setting once, from the environment, refused at start if wrong. Defaults suit one person on his own machine."""

import contextlib
import os
import secrets
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from sseweb import queue_settings

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("SSEWEB_DATA_DIR", BASE_DIR / "data")).resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True)
NEW_KEY = "python -c 'import secrets; print(secrets.token_urlsafe(50))'"


def _flag(name: str, default: str) -> bool:
    value = os.environ.get(name, default)
    if value not in ("0", "1"):
        raise ImproperlyConfigured(f"{name} must be 0 or 1, not {value!r}")
    return value == "1"


def _whole_number(name: str, default: int, low: int) -> int:
    value = os.environ.get(name, str(default))
    if not value.isdigit() or int(value) < low:
        raise ImproperlyConfigured(f"{name} must be a whole number of at least {low}, not {value!r}")
    return int(value)


def _cores() -> int:
    """Those that this process may use; fewer where somebody says so. More would only wait for each other."""
    there = len(os.sched_getaffinity(0))
    wanted = _whole_number("SSEWEB_CORES", there, 1)
    if wanted > there:
        raise ImproperlyConfigured(f"SSEWEB_CORES is {wanted}, but there are {there} here: give at most {there}, or leave it out.")
    return wanted


def _is_public(names: list[str]) -> bool:
    return bool(set(names) - {"localhost", "127.0.0.1", "[::1]", "testserver"})


def _secret_key() -> str:
    """From the environment; on one's own machine made once for this data folder and readable by its owner alone."""
    if given := os.environ.get("SECRET_KEY"):
        return given
    path = DATA_DIR / "secret_key"
    if _is_public(ALLOWED_HOSTS):
        found = f"the one that was used so far is in {path}" if path.exists() else NEW_KEY
        raise ImproperlyConfigured(f"SECRET_KEY must be set in the environment where other names than localhost are served: {found}")
    if not path.exists():
        _make_secret_key(path)
    if path.stat().st_mode & 0o077:
        raise ImproperlyConfigured(f"{path} can be read by others: chmod 600 {path}")
    if not (key := path.read_text().strip()):
        raise ImproperlyConfigured(f"{path} is empty: remove it, and another key is made (everybody signs in again).")
    return key


def _make_secret_key(path: Path) -> None:
    """Whole or not at all, and never over that of another process."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(secrets.token_urlsafe(50))
        stream.flush()
        os.fsync(stream.fileno())
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(part)
    part.unlink()


def _database(url: str) -> dict[str, dict[str, Any]] | None:
    """The PostgreSQL of a URL. Connections live on, and are looked at before they are used again."""
    if not url:
        return None
    if not url.startswith(("postgres://", "postgresql://")):
        raise ImproperlyConfigured("DATABASE_URL must be postgres://user:password@host:port/name (or be left out: a SQLite file serves)")
    if find_spec("psycopg") is None:
        raise ImproperlyConfigured("DATABASE_URL needs the driver of PostgreSQL: pip install -e '.[postgres]'")
    database: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=600, conn_health_checks=True))
    # A worker that froze or was cut off in mid-transaction must not keep its locks; one whose server is gone must notice.
    kept = {
        "options": "-c idle_in_transaction_session_timeout=30000",
        "connect_timeout": 10,
        "keepalives_idle": 20,
        "keepalives_interval": 5,
    }
    database["OPTIONS"] = kept | database.get("OPTIONS", {})
    return {"default": database}


DEBUG = _flag("DEBUG", "0")
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost 127.0.0.1 [::1]").split()
SECRET_KEY = _secret_key()
CSRF_TRUSTED_ORIGINS = os.environ.get("CSRF_TRUSTED_ORIGINS", "").split()

# Cores that all engines together may use on this machine.
ENGINE_CORES = _cores()
# A claim on a stage that is not renewed for so long belongs to nobody.
STAGE_LEASE_S = _whole_number("SSEWEB_STAGE_LEASE_S", 20, 2)
# An engine that writes nothing for so long hangs.
STAGE_SILENCE_S = _whole_number("SSEWEB_STAGE_SILENCE_S", 3600, 1)
# Tries of a stage whose failure may pass by itself.
STAGE_MAX_TRIES = _whole_number("SSEWEB_STAGE_MAX_TRIES", 3, 1)
# Below this much room on the disk of the data folder no stage is begun.
MIN_FREE_BYTES = _whole_number("SSEWEB_MIN_FREE_MB", 200, 0) * 1_000_000
# How often the queue of a cluster is asked about a job.
CLUSTER_POLL_S = _whole_number("SSEWEB_CLUSTER_POLL_S", 30, 1)
# The module that does each kind of stage, run as `python -m MODULE FOLDER`.
STAGE_MODULES = {
    kind: f"campaigns.engines.{kind}" for kind in ("prepare", "s0", "train", "probe", "explore", "label", "evaluate", "check")
} | {"relabel": "campaigns.engines.label", "judge": "analysis.engines.judge"}
# Queues of stages, those that this host works on, and which kinds of stages are not in `cpu`.
QUEUES = queue_settings.QUEUES
WORKER_QUEUES = queue_settings.of_this_host("SSEWEB_WORKER_QUEUES")
STAGE_QUEUES = queue_settings.of_stages("SSEWEB_STAGE_QUEUES", STAGE_MODULES)

BROKER_URL = os.environ.get("BROKER_URL", "")  # empty: the embedded Valkey that `manage.py up` starts

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.admin",
    "django_htmx",
    "csp",
    "axes",
    "rest_framework",
    "django_filters",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "campaigns",
    "analysis",
    "sseweb",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "sseweb.bodies.BoundedBodies",  # before the CSRF check, which reads the body
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "sseweb.sessions.SessionLimits",
    "sseweb.middleware.BackToTheForm",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "sseweb.middleware.MachineTrouble",
    "axes.middleware.AxesMiddleware",  # last: it answers for a sign-in that was locked
]
ROOT_URLCONF = "sseweb.urls"
WSGI_APPLICATION = "sseweb.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "sseweb.middleware.storage_trouble",
            ]
        },
    }
]

_SQLITE = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "sseweb.sqlite3",
        # A file, not memory: the tests start real workers that must see the same rows.
        "TEST": {"NAME": DATA_DIR / "test.sqlite3"},
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON",
        },
    }
}
# One file serves one machine; DATABASE_URL=postgres://user:password@host/name several.
DATABASES = _database(os.environ.get("DATABASE_URL", "")) or _SQLITE
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
# Guessing passwords: ten wrong ones for one account from one address, then a quarter of an hour of quiet for both together; many for all
# accounts, then for that address (sseweb/sign_in.py).
AXES_HANDLER = "sseweb.sign_in.Guesses"
AXES_CLIENT_IP_CALLABLE = "sseweb.sign_in.client_address"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # who tries on does not prolong it for others behind his address
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"
AXES_VERBOSE = False
PASSWORD_RESET_TIMEOUT = 7 * 24 * 3600  # seconds: how long a link for a password is good, if it is not used
LOGIN_URL = "login"
CSRF_FAILURE_VIEW = "sseweb.errors.csrf_failure"
LOGIN_REDIRECT_URL = "campaign-list"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
# BokehJS of the installed release: the same version as the Python that writes the documents, and no CDN.
_BOKEH = Path(str(find_spec("bokeh").origin)).parent / "server" / "static" / "js"
STATICFILES_DIRS = [BASE_DIR / "static", ("bokeh", _BOKEH)]
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600

# CIFs are small text; data sets may be large and go to disk. Larger ones are refused before they are read.
MAX_CIF_BYTES = 1_000_000
MAX_DATA_SET_BYTES = _whole_number("SSEWEB_MAX_DATA_SET_MB", 512, 1) * 1_000_000
MAX_ARCHIVE_BYTES = _whole_number("SSEWEB_MAX_ARCHIVE_MB", 20_000, 1) * 1_000_000  # unpacked
MAX_TRAJECTORY_BYTES = 500_000_000
# What any address takes (sseweb/bodies.py), kept in memory; a view that takes files says how much more.
DATA_UPLOAD_MAX_MEMORY_SIZE = FILE_UPLOAD_MAX_MEMORY_SIZE = 2_500_000
FILE_UPLOAD_TEMP_DIR = None

# What one account may keep and do.
QUOTA_BYTES = _whole_number("SSEWEB_QUOTA_GB", 20, 1) * 10**9
QUOTA_CAMPAIGNS = _whole_number("SSEWEB_QUOTA_CAMPAIGNS", 500, 1)
QUOTA_RUNNING = _whole_number("SSEWEB_QUOTA_RUNNING", 20, 1)
QUOTA_MATERIALS = _whole_number("SSEWEB_QUOTA_MATERIALS", 1000, 1)
QUOTA_TRAJECTORIES = _whole_number("SSEWEB_QUOTA_TRAJECTORIES", 500, 1)

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        # BokehJS and 3Dmol.js set styles on the elements they make.
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
# Programs sign in with a token, of which only a digest is kept, or with the session of a browser. Answers are JSON alone.
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["knox.auth.TokenAuthentication", "rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "campaigns.api.errors.answer",
    # Of one account. A program that asks more often is told to wait (429).
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.UserRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"user": f"{_whole_number('SSEWEB_API_PER_MINUTE', 600, 1)}/min"},
    "URL_FORMAT_OVERRIDE": None,  # ?format= is that of a data set
}
REST_KNOX = {"TOKEN_TTL": timedelta(days=365), "AUTO_REFRESH": False}
SPECTACULAR_SETTINGS = {
    "TITLE": "sseweb",
    "DESCRIPTION": "From a crystal structure to the ionic conductivity of a solid electrolyte. Units are in the names of the fields.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "CampaignState": "campaigns.enums.CampaignState",
        "StageState": "campaigns.enums.StageState",
        "Verdict": "campaigns.enums.Verdict",
        "AnalysisState": "analysis.models.trajectory.AnalysisState",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "campaigns.api.schema.document_refusals",
    ],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_AGE = 4 * 86400  # since anything was last done: a long weekend (sseweb/sessions.py)
SESSION_MAX_S = 14 * 86400
HTTPS, PLAIN_HTTP = _flag("HTTPS", "0"), _flag("SSEWEB_PLAIN_HTTP", "0")
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 31536000
    # A browser takes cookies of these names over TLS and from this very host alone.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-session", "__Host-csrf"
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^metrics$"]  # asked on the machine itself, without TLS
    # Whether other names below this one speak TLS, and whether browsers should have a list of it, is for their owner to say.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]


def _refuse_insecure() -> None:
    """Settings that would give the installation away are refused at start, with what to set."""
    names = set(ALLOWED_HOSTS)
    is_public = _is_public(ALLOWED_HOSTS)
    if any(name.startswith(("*", ".")) for name in names):
        raise ImproperlyConfigured("ALLOWED_HOSTS must name each host: a wildcard lets anybody choose the address in links.")
    if os.environ.get("SECRET_KEY") and (len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 5 or SECRET_KEY.startswith("django-insecure")):
        raise ImproperlyConfigured(f"SECRET_KEY must be at least 50 random characters: {NEW_KEY}")
    if is_public and DEBUG:
        raise ImproperlyConfigured("DEBUG=1 shows everybody the program's inside: not with other names than localhost in ALLOWED_HOSTS.")
    if is_public and not HTTPS and not PLAIN_HTTP:
        raise ImproperlyConfigured(
            "Passwords would cross the network unencrypted: put a server with TLS in front and set HTTPS=1 (docs/deployment.md), "
            "or, in a network that you trust, SSEWEB_PLAIN_HTTP=1."
        )


_refuse_insecure()

LOG_FORMAT = os.environ.get("LOG_FORMAT", "line")
if LOG_FORMAT not in ("line", "json"):
    raise ImproperlyConfigured(f"LOG_FORMAT must be line or json, not {LOG_FORMAT!r}")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
        "json": {"()": "sseweb.logs.JsonFormatter"},
    },
    "filters": {"tokens": {"()": "sseweb.logs.HideTokens"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["tokens"]}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("LOG_LEVEL", "INFO")},
}

"""Data sets that a user gives as S0: stored under a token, looked at before they are accepted."""

import re
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.files.uploadedfile import UploadedFile

from campaigns.engines import bounded
from campaigns.engines.upload_formats import FORMATS, READ_CPU_S
from campaigns.services import quotas, reading
from campaigns.services.errors import BadInput, Busy

_TOKEN = re.compile(r"[0-9a-f]{32}")


def store_upload(owner: AbstractBaseUser, file: UploadedFile) -> str:
    """Keep an uploaded file; returns its token. The name on disk is ours: of the user's only a known ending is taken."""
    if file.size > settings.MAX_DATA_SET_BYTES:
        raise BadInput(f"The file has {file.size / 1e6:.0f} MB; at most {settings.MAX_DATA_SET_BYTES / 1e6:.0f} MB are accepted.")
    quotas.check_bytes(owner, file.size)
    token = secrets.token_hex(16)
    path = _folder(owner) / (token + _ending(file.name))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("xb") as stream:
            for chunk in file.chunks():
                stream.write(chunk)
    except OSError as error:  # half a file is no use to anybody
        path.unlink(missing_ok=True)
        raise BadInput(
            f"The file could not be stored ({error.strerror}): free some space on the server's disk, then upload it again."
        ) from error
    return token


def forget(owner: AbstractBaseUser, token: str) -> None:
    """Remove an upload that cannot be used."""
    (settings.DATA_DIR / stored_path(owner, token)).unlink(missing_ok=True)


def _folder(owner: AbstractBaseUser) -> Path:
    return settings.DATA_DIR / "uploads" / str(owner.pk)


def _ending(name: str) -> str:
    known = (".tar.gz", ".tgz", ".tar", ".zip", ".xyz", ".extxyz", ".xml", ".json", ".npz")
    return next((ending for ending in known if name.lower().endswith(ending)), "")


def stored_path(owner: AbstractBaseUser, token: str) -> str:
    """Where an upload of this user lies, relative to DATA_DIR."""
    found = list(_folder(owner).glob(token + "*")) if _TOKEN.fullmatch(token) else []
    if not found:
        raise BadInput("The uploaded data set is not there (any more): upload it again.", {"s0_upload": "upload it again"})
    return str(found[0].relative_to(settings.DATA_DIR))


def token_of(path: str) -> str:
    """The token under which a stored upload was given; the reverse of `stored_path`."""
    return Path(path).name.partition(".")[0]


def inspect_upload(
    owner: AbstractBaseUser, token: str, upload_format: str, elements: list[str], name: str = "the data set"
) -> dict[str, Any]:
    """What is in an uploaded data set, read in a bounded child process. `problems` is empty where it can be used. `name` is the user's."""
    return _inspect_as(name, stored_path(owner, token), upload_format, elements)


def _inspect(path: str, upload_format: str, elements: list[str]) -> dict[str, Any]:
    arguments = [str(settings.DATA_DIR / path), upload_format, *elements]
    try:
        with reading.place():
            return bounded.run_json("campaigns.engines.upload", arguments, cpu_s=READ_CPU_S)
    except bounded.ChildBusy as error:
        raise Busy(f"The data set was not read. {error}", {"s0_upload": str(error)}) from error
    except bounded.ChildRefused as error:
        raise BadInput(f"The data set cannot be used: {error}", {"s0_upload": str(error)}) from error


def _inspect_as(name: str, path: str, upload_format: str, elements: list[str]) -> dict[str, Any]:
    """What is said of it calls the file as the user does: the name on disk is ours."""
    ours = Path(path).name
    try:
        found = _inspect(path, upload_format, elements)
    except BadInput as error:
        raise BadInput(str(error).replace(ours, name), {field: text.replace(ours, name) for field, text in error.fields.items()}) from error
    return found | {"problems": [text.replace(ours, name) for text in found["problems"]]}


def require_usable(path: str, upload_format: str, elements: list[str], name: str) -> None:
    """Raises BadInput where the stored set cannot be the S0 of a campaign with these elements, with all that is wrong with it."""
    if upload_format not in FORMATS:
        raise BadInput(
            f"There is no data set format {upload_format!r}; known are {', '.join(FORMATS)}.",
            {"s0_upload_format": f"must be one of {', '.join(FORMATS)}"},
        )
    problems = _inspect_as(name, path, upload_format, elements)["problems"]
    if problems:
        raise BadInput(f"The data set cannot be used: {' '.join(problems)}", {"s0_upload": " ".join(problems)})

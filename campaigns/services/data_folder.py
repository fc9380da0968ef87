"""Whether the data folder and the database belong together: both hold the key of one installation.

A database that was migrated anew, or is another's, knows none of the campaigns whose folders lie here, and would take them for nobody's;
a host that has not mounted the folder would work in an empty one.
"""

import contextlib
import os
import uuid
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model

from campaigns.models import Campaign, Installation
from campaigns.services.errors import ServiceError

FILE = "installation"


class WrongFolder(ServiceError):
    code = "wrong_folder"


def check() -> None:
    """Raises WrongFolder where database and data folder are of two installations. A first start, or that of an earlier release's data,
    makes them one."""
    row, is_new = Installation.objects.get_or_create(pk=1, defaults={"key": uuid.uuid4().hex})
    path = settings.DATA_DIR / FILE
    said = _read(path)
    if not said and is_new and _knows_what_is_here():
        _write(path, row.key)
        said = _read(path)  # of another process that was first
    if said and is_new and said != row.key and _knows_what_is_here():  # a snapshot from before there were keys was put back
        row.key = said
        row.save()
    if said != row.key:
        raise WrongFolder(
            f"{settings.DATA_DIR} is not the data folder of this database: nothing is started or removed. Set SSEWEB_DATA_DIR and "
            f"DATABASE_URL as they were (is the folder mounted?). If the two do belong together, say so: echo {row.key} > {path}"
        )


def join() -> None:
    """They belong together from now on: a restore has brought both."""
    row, _ = Installation.objects.get_or_create(pk=1, defaults={"key": uuid.uuid4().hex})
    (settings.DATA_DIR / FILE).unlink(missing_ok=True)
    _write(settings.DATA_DIR / FILE, row.key)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


def _write(path: Path, key: str) -> None:
    """Whole or not at all, and never over another's."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with part.open("w") as stream:
        stream.write(f"{key}\n")
        stream.flush()
        os.fsync(stream.fileno())
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(part)
    part.unlink()


def _knows_what_is_here() -> bool:
    keys = {int(folder.name) for folder in (settings.DATA_DIR / "campaigns").glob("*") if folder.name.isdigit()}
    if keys:
        return any(key in keys for key in Campaign.objects.values_list("pk", flat=True))
    others = any(any((settings.DATA_DIR / name).glob("*")) for name in ("analyses", "uploads"))
    return not others or get_user_model().objects.exists()

"""Potential files that a user gives for a classical reference method: small texts, kept under the sum of their content."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser

from campaigns.engines.labellers.lammps_text import FILE_NAME
from campaigns.services import quotas
from campaigns.services.errors import BadInput

MAX_BYTES = 5_000_000
MAX_NAME = 100
_TOKEN = re.compile(r"[0-9a-f]{64}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f]")


@dataclass(frozen=True)
class PotentialFile:
    token: str
    name: str
    content: str


def store(owner: AbstractBaseUser, name: str, content: bytes) -> PotentialFile:
    """Keep a text under its name. The same name and text twice is the same file. Raises BadInput."""
    if not FILE_NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise BadInput(f"{name!r} is not a plain file name: use letters, digits and . _ + - only.")
    if len(content) > MAX_BYTES:
        raise BadInput(f"{name} has {len(content) / 1e6:.1f} MB; at most {MAX_BYTES / 1e6:.0f} MB are accepted.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{name} is not a text file.") from error
    if not text.strip() or _CONTROL.search(text):
        raise BadInput(f"{name} is {'not a text file' if text.strip() else 'empty'}.")
    token = hashlib.sha256(name.encode() + b"\0" + text.encode()).hexdigest()
    quotas.check_bytes(owner, len(content))
    path = _folder(owner) / token / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return PotentialFile(token, name, text)


def _folder(owner: AbstractBaseUser) -> Path:
    return settings.DATA_DIR / "uploads" / str(owner.pk) / "potentials"


def read(owner: AbstractBaseUser, token: str) -> PotentialFile:
    """A file that this user gave. Raises BadInput."""
    found = list((_folder(owner) / token).glob("*")) if _TOKEN.fullmatch(token) else []
    if not found:
        raise BadInput("A potential file is not there (any more): attach it again.")
    return PotentialFile(token, found[0].name, found[0].read_bytes().decode())

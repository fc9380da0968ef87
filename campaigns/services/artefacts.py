"""Files of a finished stage become rows: hashed before the transaction, registered within it."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from campaigns.models import Artefact


@dataclass(frozen=True)
class FileFacts:
    path: str  # relative to DATA_DIR
    sha256: str
    n_bytes: int


def hash_file(path: Path) -> FileFacts:
    """Hash a file and make sure that it is on the disk, not only in memory, before a row says so."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        os.fsync(stream.fileno())
        n_bytes = stream.tell()
    return FileFacts(str(path.relative_to(settings.DATA_DIR)), digest, n_bytes)


def hash_outputs(folder: Path, result: dict[str, Any]) -> dict[str, FileFacts]:
    """Every file that a result names (fields ending in `_file` or `_files`), by its name in the result."""
    names: list[str] = []
    for key, value in result.items():
        if key.endswith("_file") and value:
            names.append(value)
        elif key.endswith("_files"):
            names.extend(value)
    return {name: hash_file(folder / name) for name in names}


def register(facts: FileFacts) -> Artefact:
    artefact, _ = Artefact.objects.update_or_create(path=facts.path, defaults={"sha256": facts.sha256, "n_bytes": facts.n_bytes})
    return artefact

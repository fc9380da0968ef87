"""Files of a finished stage become rows: hashed before the transaction, registered within it."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from campaigns.engines import outputs
from campaigns.models import Artefact

LOST = "output_lost"


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


class OutputsLost(Exception):
    """Files that a result names are missing, empty or not whole: a power cut, a file system that lost them."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(", ".join(names))
        self.names = names


def hash_outputs(folder: Path, result: dict[str, Any]) -> dict[str, FileFacts]:
    """Every file that a result names, by its name in the result. Raises OutputsLost."""
    names = outputs.names(result)
    if lost := outputs.lost(folder, names):
        raise OutputsLost(lost)
    return {name: hash_file(folder / name) for name in names}


def set_aside(folder: Path, lost: list[str]) -> dict[str, Any]:
    """Put a result away with what of its files cannot be used, so that the engine makes them again. Returns the failure."""
    for name in (*lost, "result.json"):
        path = folder / name
        if path.exists():
            path.replace(path.with_name(f"{path.name}.unreadable"))
    files = f"{', '.join(lost[:3])}{' and others' if len(lost) > 3 else ''}"
    message = f"Lost or not whole: {files} (a power cut, a failing disk?). The result is set aside and made again from what is whole."
    return {"message": message, "cause": LOST, "permanent": False}


def register(facts: FileFacts) -> Artefact:
    artefact, _ = Artefact.objects.update_or_create(path=facts.path, defaults={"sha256": facts.sha256, "n_bytes": facts.n_bytes})
    return artefact

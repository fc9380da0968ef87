"""The labels that are kept for whoever asks the same again (`engines/labellers/known.py`): how many there are, and how they are freed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings


@dataclass(frozen=True)
class Store:
    labels: int
    n_bytes: int


def folder() -> Path:
    """Where they lie; made where it is not there yet."""
    found = settings.DATA_DIR / "labels"
    found.mkdir(exist_ok=True)
    return found


def _labels() -> Iterator[Path]:
    return folder().glob("*/*.json")


def store() -> Store:
    sizes = [path.stat().st_size for path in _labels()]
    return Store(len(sizes), sum(sizes))


def free() -> int:
    """Remove every label; returns how many. Folders stay: an engine may be about to write into one."""
    gone = 0
    for path in _labels():
        path.unlink(missing_ok=True)
        gone += 1
    return gone

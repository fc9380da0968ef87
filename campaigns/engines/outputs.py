"""The files that a result names: they are on the disk before the result is, and whole when they are registered."""

import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def names(result: Mapping[str, Any]) -> list[str]:
    """Of the fields that end in `_file` or `_files`."""
    found: list[str] = []
    for key, value in result.items():
        if key.endswith("_file") and value:
            found.append(value)
        elif key.endswith("_files"):
            found.extend(value)
    return found


def make_durable(folder: Path, files: Iterable[str]) -> None:
    """A power cut after this loses none of them."""
    paths = [folder / name for name in files]
    for path in (*paths, *sorted({path.parent for path in paths})):
        sync(path)


def sync(path: Path) -> None:
    """Put a file's content, or a folder's names, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lost(folder: Path, files: Iterable[str]) -> list[str]:
    """Those that are missing, empty, or an archive that is not whole."""
    return [name for name in files if not _is_whole(folder / name)]


def _is_whole(path: Path) -> bool:
    if not path.is_file() or path.stat().st_size == 0:
        return False
    if path.suffix != ".npz":
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, EOFError):
        return False

"""A file of finished pieces of work, one JSON line each, on the disk before the next piece is begun: what a kill must not lose.

A kill in the middle of a write leaves half a line; it is cut off when the journal is opened again.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol


class Append(Protocol):
    def __call__(self, entry: dict[str, Any]) -> None: ...


def read(path: Path) -> list[dict[str, Any]]:
    """The whole entries, oldest first; none where there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in _whole_lines(path.read_bytes())]


@contextmanager
def append_to(path: Path) -> Iterator[Append]:
    """`append(entry)` returns when the entry is on the disk. Floats keep every bit."""
    if path.exists():
        whole = sum(len(line) + 1 for line in _whole_lines(path.read_bytes()))
        os.truncate(path, whole)
    with path.open("a", encoding="utf-8") as stream:

        def append(entry: dict[str, Any]) -> None:
            stream.write(json.dumps(entry, allow_nan=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

        yield append


def rewrite(path: Path, entries: list[dict[str, Any]]) -> None:
    """Keep these entries alone: the old file or the new one, never a half."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with append_to(temporary) as append:
        for entry in entries:
            append(entry)
    os.replace(temporary, path)


def _whole_lines(content: bytes) -> list[bytes]:
    """Lines up to the first that is not whole JSON (a power cut can leave a stretch of zeros behind the last line that was synced)."""
    lines = []
    for line in content.split(b"\n")[:-1]:
        try:
            json.loads(line)
        except ValueError:
            break
        lines.append(line)
    return lines

"""Log files that do not grow for ever."""

import contextlib
import os
import shutil
from pathlib import Path

MAX_BYTES = 20_000_000
KEPT = 3  # older ones: web.log.1 is the newest of them


def rotate(log: Path) -> None:
    """Copied aside and emptied, where it is large: who writes into it appends, and goes on."""
    if not log.exists() or log.stat().st_size < MAX_BYTES:
        return
    older = [log.with_name(f"{log.name}.{number}") for number in range(1, KEPT + 1)]
    with contextlib.suppress(OSError):  # the disk is full: emptying it is what helps
        for newer, old in zip(older[-2::-1], older[:0:-1], strict=True):
            if newer.exists():
                os.replace(newer, old)
        shutil.copyfile(log, older[0])
    os.truncate(log, 0)

"""The order of the files of one run: as their steps or times say, else as a reader would put their names, 9 before 10."""

import gzip
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

DUMP_HEADER = "ITEM: TIMESTEP"
ASE_HEADER = b"- of UlmASE-Trajectory"
CLOCK_KEYS = ("step", "Step", "time", "Time", "frame")  # what programs write beside a frame of extended XYZ
COUNTED = re.compile(rf"(?<!\S)(?:{'|'.join(CLOCK_KEYS)})=\"?([-+.\deE]+)")


def natural(name: str) -> list[tuple[bool, int, str]]:
    """A key to sort by that takes digits as numbers."""
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", name) if part]


def of_names(names: Sequence[str]) -> list[str]:
    """Names in the order of a pattern such as run_*, which a shell expands by the alphabet, by their numbers; any other order was meant."""
    return sorted(names, key=natural) if list(names) == sorted(names) else list(names)


def by_first_frame(files: list[Path], names: list[str]) -> tuple[list[Path], list[str]]:
    """Files and their names in the order of the step or time of their first frames, where each says another; else as they are."""
    counts = [_first_count(path) for path in files] if len(files) > 1 else []
    if not counts or None in counts or len(set(counts)) < len(counts):
        return files, names
    order = sorted(range(len(files)), key=counts.__getitem__)
    return [files[index] for index in order], [names[index] for index in order]


def _first_count(path: Path) -> float | None:
    """What the second line of a dump or of extended XYZ counts; None where it does not, or cannot be read: the reader says why."""
    try:
        with opened(path) as stream:
            first, second = stream.readline(), stream.readline()
        found = second if first.startswith(DUMP_HEADER) else COUNTED.search(second)[1]
        return float(found)
    except (OSError, EOFError, zlib.error, ValueError, TypeError):
        return None


def is_ase_trajectory(path: Path) -> bool:
    """ase's own .traj. Its older kind is a pickle, which begins otherwise and is not read."""
    with path.open("rb") as raw:
        return raw.read(len(ASE_HEADER)) == ASE_HEADER


def opened(path: Path) -> TextIO:
    """As text, unpacked where it is packed by gzip."""
    with path.open("rb") as raw:
        is_gzip = raw.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rt") if is_gzip else path.open()

"""Reads a trajectory that other programs wrote: LAMMPS dumps, XDATCAR, extended XYZ and what else ase reads, compressed by gzip or not.

Several files are one run, in the order given. Frames go to a file of float32 one by one, so that a long run is never in memory.
"""

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, TextIO

import ase.io
import numpy as np
from numpy.typing import NDArray

from analysis.engines import continuity, file_order
from analysis.engines.file_order import CLOCK_KEYS, DUMP_HEADER, opened

Floats = NDArray[np.floating]

CELL_TOLERANCE = 1e-4  # relative; a cell that changes more belongs to dynamics at constant pressure
XDATCAR_NUMBER = re.compile(r"Direct configuration=\s*(\d+)")
TIME_KEY = "Time"  # in fs, as GPUMD and QUIP write it
GIVE_ELEMENTS = "give the elements of the types in their order (in a shell --elements Li,P,S)"
MOST_NAMES = 3  # that a sentence lists
UNEVEN = 1e-3  # relative; times are written with few digits


class TrajectoryRefused(ValueError):
    """The files hold no run that can be analysed. The text says why and what to do."""


@dataclass(frozen=True)
class Frame:
    """One stored step. `symbols` are elements, or LAMMPS's type numbers as words; `step` is None where the file does not say it.

    `clock` is a step or a time in whatever unit, counted within one file: it tells a gap. `time_fs` is `Time` of extended XYZ.
    `is_unwrapped` where the file itself says so: xu yu zu, or image flags.
    """

    symbols: tuple[str, ...]
    positions_A: Floats  # (n_atoms, 3)
    cell_A: Floats  # (3, 3), rows are lattice vectors
    step: int | None
    clock: float | None = None
    time_fs: float | None = None
    is_unwrapped: bool = False


@dataclass(frozen=True)
class Trajectory:
    """`positions_A` (n_frames, n_atoms, 3) float32 lies in a file. `steps` is empty, `interval_fs` None where files do not say them.

    `joins` are the frames after which another file begins; `is_unwrapped` where every frame says so.
    """

    symbols: NDArray[np.str_]
    positions_A: Floats
    cell_A: Floats
    steps: NDArray[np.integer]
    flags: list[str]
    interval_fs: float | None = None
    joins: NDArray[np.integer] = field(default_factory=lambda: np.zeros(0, dtype=int))
    is_unwrapped: bool = False


@dataclass
class _Sequence:
    """What has been read so far, to notice frames that are there twice and frames that are not there."""

    first: Frame | None = None
    last: Frame | None = None
    n_repeated: int = 0
    steps: list[int] = field(default_factory=list)
    places: dict[bytes, str] = field(default_factory=dict)  # of every frame without a step, by its positions
    kept: list[tuple[str, int, bool]] = field(default_factory=list)  # file, number in it, whether it is counted, of every new frame
    spacing: float | None = None  # of the clock
    interval_fs: float | None = None  # between the first two frames, by their time
    is_unwrapped: bool = True
    first_step: int | None = None  # of the file, as it stands there
    offset: int = 0  # of the file's steps, where they begin anew
    anew: list[str] = field(default_factory=list)  # such files

    @property
    def n_frames(self) -> int:
        return len(self.kept)

    @property
    def joins(self) -> NDArray[np.integer]:
        """Frames after which another file begins."""
        places = [(name, number) for name, number, _ in self.kept]
        return np.array([at for at, (one, other) in enumerate(pairwise(places)) if one[0] != other[0] or other[1] < one[1]], dtype=int)

    def is_new(self, frame: Frame, name: str, number: int) -> bool:
        """False for a frame that repeats the one before. Raises TrajectoryRefused for what is no next frame of the same run."""
        where = f"{name}, frame {number}"
        frame = self._counted_on(frame, name, number)
        self.first = self.first or frame
        _check(frame, self.first, where)
        if self.last is not None and _repeats(frame, self.last):
            self.n_repeated += 1
            return False
        self._refuse_seen(frame, where)
        if number > 1:
            self._refuse_gap(frame, where)
        if frame.step is not None:
            self.steps.append(frame.step)
        if self.n_frames == 1 and self.last and None not in (frame.time_fs, self.last.time_fs):
            self.interval_fs = frame.time_fs - self.last.time_fs
        self.is_unwrapped = self.is_unwrapped and frame.is_unwrapped
        self.kept.append((name, number, frame.step is not None or frame.clock is not None))
        self.last = frame
        return True

    def _counted_on(self, frame: Frame, name: str, number: int) -> Frame:
        """Steps of a file that begin anew (reset_timestep) go on from those of the file before; whether it joins there, its atoms tell."""
        if frame.step is None:
            return frame
        if number == 1:
            self.offset, began, self.first_step = 0, self.first_step, frame.step
            if began is not None and len(self.steps) > 1 and frame.step <= began:
                is_repeated = self.last is not None and np.array_equal(frame.positions_A, self.last.positions_A)
                self.offset = self.steps[-1] - frame.step + (0 if is_repeated else self.steps[-1] - self.steps[-2])
                self.anew.append(name)
        return replace(frame, step=frame.step + self.offset)

    def _refuse_seen(self, frame: Frame, where: str) -> None:
        if frame.step is not None and not self.anew:
            return  # the order of the steps tells
        seen = self.places.setdefault(hashlib.blake2b(frame.positions_A.tobytes(), digest_size=16).digest(), where)
        if seen != where:
            raise TrajectoryRefused(f"{where} is the same as {seen}: files overlap, are given twice or in another order than that of the "
                                    "run. Give every frame once.")  # fmt: skip

    def _refuse_gap(self, frame: Frame, where: str) -> None:
        if frame.clock is None or self.last is None or self.last.clock is None:
            return
        spacing = frame.clock - self.last.clock
        self.spacing = self.spacing or spacing
        if spacing <= 0 or abs(spacing - self.spacing) > UNEVEN * self.spacing:
            raise TrajectoryRefused(f"{where}: the file counts {self.last.clock:g} and then {frame.clock:g}, elsewhere frames are "
                                    f"{self.spacing:g} apart. Frames are missing: analyse a part without a gap.")  # fmt: skip


def read(files: list[Path], names: list[str], elements: list[str], scratch: Path) -> Trajectory:
    """The frames of all files as one run. `names` is what their owner calls them; `elements`: of LAMMPS's types in their order, where the
    dump has no element column.

    `scratch` is a file to keep positions in. Raises TrajectoryRefused.
    """
    sequence, flags, cut = _Sequence(), [], []
    with scratch.open("wb") as stream:
        for path, name in zip(files, names, strict=True):
            for number, frame in enumerate(_frames(path, name, cut), start=1):
                frame = _named(frame, elements)
                if sequence.is_new(frame, name, number):
                    frame.positions_A.astype(np.float32).tofile(stream)
    first, n_frames, n_repeated, steps = sequence.first, sequence.n_frames, sequence.n_repeated, sequence.steps
    if first is None or n_frames < 2:
        raise TrajectoryRefused(f"{_listed(names)} hold{'s' if len(files) == 1 else ''} {n_frames} frame{'' if n_frames == 1 else 's'}: "
                                "a displacement needs at least two, a diffusion coefficient some hundreds.")  # fmt: skip
    if cut:
        flags.append(f"the last frame of {_listed(cut)} was cut short and is left out")
    if sequence.anew:
        flags.append(f"the MD steps of {_listed(sequence.anew)} begin anew: the frames were taken to follow those of the file before")
    if n_repeated:
        flags.append(f"{n_repeated} repeated frame{'' if n_repeated == 1 else 's'} left out")
    positions_A = np.memmap(scratch, dtype=np.float32, mode="r", shape=(n_frames, len(first.symbols), 3))
    known = np.array(steps if len(steps) == n_frames else [], dtype=int)
    interval_fs = sequence.interval_fs if (sequence.interval_fs or 0.0) > 0 else None
    symbols = np.array(_elements(first.symbols, elements))
    _refuse_breaks(continuity.breaks(positions_A, first.cell_A, symbols), sequence.kept)
    return Trajectory(symbols, positions_A, first.cell_A, known, flags, interval_fs, sequence.joins, sequence.is_unwrapped)


def _refuse_breaks(breaks: list[continuity.Break], kept: list[tuple[str, int, bool]]) -> None:
    """Within a file whose frames are counted none is missing, however far the atoms jump."""
    for one in breaks:
        (name, number, _), (next_name, next_number, is_counted) = kept[one.index : one.index + 2]
        far = f"atoms move by {one.jump_A:.2g} Å (root mean square), between other frames by at most {one.elsewhere_A:.2g} Å"
        if next_name != name or next_number < number:
            raise TrajectoryRefused(f"{next_name} does not go on where {name} ends: from the one to the other {far}. Give the files of one "
                                    "run in its order, without a gap between them.")  # fmt: skip
        if not is_counted:
            raise TrajectoryRefused(f"{name}: frames are missing between frames {number} and {next_number}, where {far}. Analyse a part "
                                    "without a gap.")  # fmt: skip


def _listed(names: list[str]) -> str:
    """a, b, c and 17 more files."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more file{'' if more == 1 else 's'}" if more > 0 else "")


def _check(frame: Frame, first: Frame, where: str) -> None:
    if len(frame.symbols) != len(first.symbols):
        raise TrajectoryRefused(f"{where} has {len(frame.symbols)} atoms, the first frame {len(first.symbols)}: is it another run?")
    if _is_by_type(frame) != _is_by_type(first):
        raise TrajectoryRefused(
            f"{where} and the first frame name their atoms in two ways, by LAMMPS's types and by elements: {GIVE_ELEMENTS}."
        )
    if frame.symbols != first.symbols:
        raise TrajectoryRefused(f"{where}: the atoms are in another order than in the first frame, so they cannot be followed.")
    if not (np.isfinite(frame.positions_A).all() and np.isfinite(frame.cell_A).all()):
        raise TrajectoryRefused(f"{where} holds a coordinate that is no number: leave out what comes after the run blew up.")
    if abs(np.linalg.det(frame.cell_A)) < 1e-6:
        raise TrajectoryRefused(f'{where} has no cell: write the lattice into the file (extended XYZ: Lattice="...").')
    if np.abs(frame.cell_A - first.cell_A).max() > CELL_TOLERANCE * np.abs(first.cell_A).max():
        raise TrajectoryRefused(f"{where}: the cell is not that of the first frame. D is defined here for a fixed cell: "
                                "analyse a run at constant volume (NVE or NVT).")  # fmt: skip


def _repeats(frame: Frame, last: Frame) -> bool:
    """The last frame of one file is often the first of the next."""
    if frame.step is not None and last.step is not None:
        return frame.step == last.step
    return bool(np.array_equal(frame.positions_A, last.positions_A))


def _is_by_type(frame: Frame) -> bool:
    return bool(frame.symbols) and frame.symbols[0].isdigit()


def _named(frame: Frame, elements: list[str]) -> Frame:
    """With elements instead of LAMMPS's types, where they are given: another file of the run may hold names."""
    return replace(frame, symbols=tuple(_elements(frame.symbols, elements))) if elements and _is_by_type(frame) else frame


def _elements(symbols: tuple[str, ...], elements: list[str]) -> list[str]:
    """LAMMPS's types as elements."""
    if not symbols[0].isdigit():
        return list(symbols)
    n_types = max(int(symbol) for symbol in symbols)
    if len(elements) < n_types:
        raise TrajectoryRefused(f"The dump names its atoms by types 1 to {n_types}: {GIVE_ELEMENTS}.")
    return [elements[int(symbol) - 1] for symbol in symbols]


def _frames(path: Path, name: str, cut: list[str]) -> Iterator[Frame]:
    """Those of one file; its name goes to `cut` where its last frame is not whole."""
    if not path.is_file():
        raise TrajectoryRefused(f"{name} is not a file.")
    try:
        if file_order.is_ase_trajectory(path):
            yield from _by_ase(path, name, "traj")
            return
        with opened(path) as stream:
            is_dump = stream.readline().startswith(DUMP_HEADER)
        if is_dump:
            with opened(path) as stream:
                yield from _dump(stream, name, cut)
        else:
            yield from _by_ase(path, name, _format(path))
    except (gzip.BadGzipFile, zlib.error, EOFError, UnicodeDecodeError) as error:
        raise TrajectoryRefused(f"{name} cannot be read ({error}): is it truncated, or another kind of file?") from error


def _format(path: Path) -> str | None:
    """ase's name of it; None where ase shall find out."""
    lower = path.name.removesuffix(".gz").lower()
    return "vasp-xdatcar" if "xdatcar" in lower else "extxyz" if lower.endswith(("xyz", "extxyz")) else None


def _by_ase(path: Path, name: str, known: str | None) -> Iterator[Frame]:
    try:
        numbers = _xdatcar_numbers(path) if known == "vasp-xdatcar" else []
        for index, atoms in enumerate(ase.io.iread(path, index=":", format=known)):
            clock = numbers[index] if index < len(numbers) else _clock(atoms.info, CLOCK_KEYS)
            time_fs = _clock(atoms.info, (TIME_KEY,))
            yield Frame(tuple(atoms.get_chemical_symbols()), atoms.positions, atoms.cell.array, None, clock, time_fs)
    except TrajectoryRefused:
        raise
    except Exception as error:  # each of ase's readers fails in its own way
        why = f"{type(error).__name__}: {error}".replace(str(path), name).replace(path.name, name)
        raise TrajectoryRefused(f"{name} cannot be read ({why}). LAMMPS dumps, XDATCAR and extended XYZ are understood, and what else "
                                "ase.io reads.") from error  # fmt: skip


def _xdatcar_numbers(path: Path) -> list[float]:
    """`Direct configuration= N`, which ase leaves out."""
    with opened(path) as stream:
        return [float(found[1]) for line in stream if (found := XDATCAR_NUMBER.match(line))]


def _clock(info: dict[str, Any], keys: tuple[str, ...]) -> float | None:
    value = next((info[key] for key in keys if key in info), None)
    return float(value) if isinstance(value, int | float | np.number) and np.isfinite(value) else None


def _dump(stream: TextIO, name: str, cut: list[str]) -> Iterator[Frame]:
    """Frames of a LAMMPS text dump, sorted by atom id; image flags are used where they are. A last frame that was cut is left out."""
    while line := stream.readline():
        if not line.startswith(DUMP_HEADER):
            raise TrajectoryRefused(f"{name}: “{line.strip()[:60]}” stands where a frame should begin.")
        try:
            step = int(stream.readline())
            stream.readline()
            n_atoms = int(stream.readline())
            cell_A, origin_A = _box(stream.readline(), [stream.readline() for _ in range(3)])
            columns = stream.readline().split()[2:]
            lines = [stream.readline() for _ in range(n_atoms)]
            if not lines[-1].endswith("\n"):  # the run was stopped while it wrote, perhaps within a number
                cut.append(name)
                return
            table = np.array([row.split() for row in lines])
            yield _dump_frame({column: table[:, index] for index, column in enumerate(columns)}, cell_A, origin_A, step, name)
        except (ValueError, IndexError) as error:
            if isinstance(error, TrajectoryRefused):
                raise
            raise TrajectoryRefused(f"{name} is not a LAMMPS text dump that can be understood ({error}).") from error


def _box(header: str, lines: list[str]) -> tuple[Floats, Floats]:
    """Lattice vectors and origin; of a tilted box LAMMPS writes the bounds of the box around it."""
    rows = [[float(word) for word in line.split()] for line in lines]
    (x_low, x_high, *xy), (y_low, y_high, *xz), (z_low, z_high, *yz) = rows
    if "xy xz yz" not in header:
        return np.diag([x_high - x_low, y_high - y_low, z_high - z_low]), np.array([x_low, y_low, z_low])
    tilt_xy, tilt_xz, tilt_yz = xy[0], xz[0], yz[0]
    x_low, x_high = x_low - min(0.0, tilt_xy, tilt_xz, tilt_xy + tilt_xz), x_high - max(0.0, tilt_xy, tilt_xz, tilt_xy + tilt_xz)
    y_low, y_high = y_low - min(0.0, tilt_yz), y_high - max(0.0, tilt_yz)
    cell_A = np.array([[x_high - x_low, 0, 0], [tilt_xy, y_high - y_low, 0], [tilt_xz, tilt_yz, z_high - z_low]])
    return cell_A, np.array([x_low, y_low, z_low])


def _dump_frame(table: dict[str, NDArray[np.str_]], cell_A: Floats, origin_A: Floats, step: int, name: str) -> Frame:
    if "id" not in table:
        raise TrajectoryRefused(f"{name} has no column `id`: without it atoms cannot be followed (dump ... id type xu yu zu).")
    order = np.argsort(table["id"].astype(int), kind="stable")
    species = table.get("element", table.get("type"))
    if species is None:
        raise TrajectoryRefused(f"{name} has neither a column `element` nor `type`: without one the mobile ions cannot be told.")
    positions_A, is_unwrapped = _dump_positions(table, cell_A, origin_A, name)
    return Frame(tuple(species[order].tolist()), positions_A[order], cell_A, step, is_unwrapped=is_unwrapped)


def _dump_positions(table: dict[str, NDArray[np.str_]], cell_A: Floats, origin_A: Floats, name: str) -> tuple[Floats, bool]:
    """(n_atoms, 3), and whether they are unwrapped."""
    for suffix, scaled in (("u", False), ("su", True), ("", False), ("s", True)):
        columns = [axis + suffix for axis in "xyz"]
        if all(column in table for column in columns):
            found = np.stack([table[column].astype(float) for column in columns], axis=1)
            found = origin_A + found @ cell_A if scaled else found
            has_images = all(column in table for column in ("ix", "iy", "iz"))
            if "u" not in suffix and has_images:
                found = found + np.stack([table[column].astype(float) for column in ("ix", "iy", "iz")], axis=1) @ cell_A
            return found, "u" in suffix or has_images
    raise TrajectoryRefused(f"{name} has no coordinates that are understood: x y z, xu yu zu, xs ys zs or xsu ysu zsu.")

"""A data set that the user brings as S0: read, checked, summed up before it is accepted, and turned into frames.

    python -m campaigns.engines.upload PATH FORMAT ELEMENT...

prints the summary as JSON, or with exit status 3 why the data set is refused: for campaigns/engines/bounded.py. With `--into FOLDER` before
them it writes the frames there instead, one file for each order of atoms, and prints the names of the files.
"""

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from campaigns.engines import unpacking, upload_formats
from campaigns.engines.job import to_json
from campaigns.engines.upload_formats import FORMATS, Configuration, UploadRefused
from campaigns.science import unit_doubts
from campaigns.science.frames import Frames
from campaigns.science.selection import geometry_key, min_distance_A, root_mean_square

__all__ = ["FORMATS", "UploadRefused", "UploadSummary", "accepted_frames", "inspect"]

MIN_DISTANCE_A = 0.5  # two nuclei closer than this: not a crystal in Angstrom
MAX_RMS_FORCE_EV_A = 50.0
MAX_ENERGY_EV_ATOM = 2e5  # all-electron energies of heavy elements stay below
MAX_ENERGY_SPREAD_EV_ATOM = 10.0
VOLUME_RANGE_A3_ATOM = (3.0, 300.0)
MAX_PROBLEMS = 20
FEW_FRAMES = 10
WITHOUT_UNITS = ("deepmd/npy", "deepmd/npy/mixed", "deepmd/raw", "extxyz")
UNITS = "This format names no units: energies and virials were taken to be in eV, forces in eV/Å, positions and cell in Å."


@dataclass(frozen=True)
class UploadSummary:
    """What a data set is, shown before it is accepted. It can be used if `problems` is empty; `doubts` are to be looked into first, `notes`
    are worth knowing."""

    format: str
    n_read: int
    n_frames: int  # usable, duplicates left out
    n_duplicates: int
    n_atoms: list[int]  # different sizes, rising
    formulas: dict[str, int]  # frames of each composition
    elements: list[str]
    energy_range_eV_atom: tuple[float, float] | None
    rms_force_eV_A: float | None
    max_force_eV_A: float | None
    min_distance_A: float | None
    problems: list[str]
    doubts: list[str]
    notes: list[str]


def inspect(path: Path, format_name: str, elements: Sequence[str]) -> UploadSummary:
    """Read and check a data set for a material of these elements. Raises UploadRefused where it cannot be read at all."""
    return _read(path, format_name, elements)[0]


def accepted_frames(path: Path, format_name: str, elements: Sequence[str]) -> list[Frames]:
    """The data set as frames, one Frames for each order of atoms in it. Raises UploadRefused with all problems."""
    summary, configurations = _read(path, format_name, elements)
    if summary.problems:
        raise UploadRefused(" ".join(summary.problems))
    return _as_frames(configurations)


def _as_frames(configurations: list[Configuration]) -> list[Frames]:
    groups: dict[tuple[str, ...], list[Configuration]] = {}
    for item in configurations:
        groups.setdefault(item.symbols, []).append(item)
    return [
        Frames(
            np.array(symbols),
            np.array([item.positions_A for item in group]),
            np.array([item.cell_A for item in group]),
            energy_eV=np.array([item.energy_eV for item in group]),
            forces_eV_A=np.array([item.forces_eV_A for item in group]),
            virial_eV=np.array([item.virial_eV for item in group]),
        )
        for symbols, group in groups.items()
    ]


def _read(path: Path, format_name: str, elements: Sequence[str]) -> tuple[UploadSummary, list[Configuration]]:
    if not path.exists():
        raise UploadRefused(f"There is no data set at {path.name}.")
    with _unpacked(path) as place:
        sources = _sources(place, format_name)
        read = [item for source, name in sources for item in upload_formats.read(source, name)]
    if not read:
        raise UploadRefused(f"{path.name} holds no labelled configuration, or none whose SCF converged.")
    formats = ", ".join(sorted({name for _, name in sources}))
    problems = _incomplete(read)
    if problems:
        return _summary(formats, [], read, problems, [], [], None), []
    distances_A = [min_distance_A(item.positions_A, item.cell_A) for item in read]
    first: dict[str, Configuration] = {}
    for item in read:
        first.setdefault(geometry_key(item.symbols, item.positions_A, item.cell_A), item)
    unique = list(first.values())
    problems = _foreign(unique, elements) + _implausible(unique, distances_A)
    doubts = [] if problems else _too_few(len(unique)) + unit_doubts.doubts(_as_frames(unique))
    notes = [UNITS] if any(name in WITHOUT_UNITS for _, name in sources) else []
    if duplicates := len(read) - len(unique):
        notes.append(f"{duplicates} configurations are there more than once; each is used once.")
    return _summary(formats, unique, read, problems, doubts, notes, min(distances_A)), unique


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    if not unpacking.is_archive(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="sseweb-upload-") as folder:
        try:
            unpacking.unpack(path, Path(folder))
        except unpacking.ArchiveRefused as error:
            raise UploadRefused(f"The archive was refused: {error}.") from error
        yield Path(folder)


def _sources(place: Path, format_name: str) -> list[tuple[Path, str]]:
    """The files and DeePMD-kit folders to read, each with its format, in the order of their names."""
    if format_name != "auto" and format_name not in upload_formats.READERS:
        raise UploadRefused(f"The format {format_name!r} is not known. Known are: {', '.join(FORMATS)}.")
    if place.is_file():
        name = upload_formats.detect(place) if format_name == "auto" else format_name
        if not name:
            raise UploadRefused(f"The format of {place.name} was not recognised: name it. Known are: {', '.join(FORMATS)}.")
        return [(place, name)]
    systems = [path.parent for path in sorted(place.rglob("type.raw"))]
    candidates = systems or [path for path in sorted(place.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    found = [(path, upload_formats.detect(path)) for path in candidates]
    sources = [(path, name) for path, name in found if name and format_name in ("auto", name)]
    if not sources:
        raise UploadRefused(
            "No data set was found in it: neither a DeePMD-kit folder (type.raw with set.000 or coord.raw) nor a file of a "
            f"known format ({', '.join(upload_formats.READERS)})."
        )
    return sources


def _incomplete(read: list[Configuration]) -> list[str]:
    """What is missing or not a number; what is wrong with many configurations is said once, of the first of them."""
    places: dict[str, list[str]] = {}
    for item in read:
        if problem := _incomplete_in(item):
            places.setdefault(problem, []).append(item.source)
    found = [
        f"{sources[0]}{problem}." + (f" The same in {len(sources) - 1} more of {len(read)} configurations." if len(sources) > 1 else "")
        for problem, sources in places.items()
    ]
    return [*found[:MAX_PROBLEMS], f"And {len(found) - MAX_PROBLEMS} more of this kind."] if len(found) > MAX_PROBLEMS else found


def _incomplete_in(item: Configuration) -> str:
    labels = {"cell": item.cell_A, "energy": item.energy_eV, "forces": item.forces_eV_A, "virial or stress": item.virial_eV}
    missing = [name for name, value in labels.items() if value is None]
    if missing:
        hint = " (training uses energy, forces and virial)" if "virial or stress" in missing else ""
        return f" has no {', no '.join(missing)}{hint}"
    arrays = labels | {"positions": item.positions_A}
    broken = [name for name, value in arrays.items() if not np.isfinite(value).all()]
    if broken:
        return f": {', '.join(broken)} with a value that is not a finite number"
    if len(item.symbols) == 0 or np.shape(item.forces_eV_A) != (len(item.symbols), 3):
        return f": {len(item.symbols)} atoms, but forces of shape {np.shape(item.forces_eV_A)}"
    return ": the cell has no volume" if abs(np.linalg.det(item.cell_A)) < 1e-3 else ""


def _foreign(read: list[Configuration], elements: Sequence[str]) -> list[str]:
    there = {symbol for item in read for symbol in item.symbols}
    wanted = set(elements)
    problems = []
    if there - wanted:
        problems.append(f"The data set holds {', '.join(sorted(there - wanted))}, which the material ({', '.join(elements)}) does not.")
    if wanted - there:
        problems.append(f"The data set holds no {', '.join(sorted(wanted - there))}, which the material does: a network cannot learn it.")
    return problems


def _implausible(read: list[Configuration], distances_A: list[float]) -> list[str]:
    """Numbers that speak of other units or of broken configurations."""
    problems = []
    rms_eV_A = root_mean_square(np.concatenate([item.forces_eV_A.ravel() for item in read]))
    if rms_eV_A > MAX_RMS_FORCE_EV_A:
        problems.append(f"The rms force is {rms_eV_A:.3g} eV/Å: are the forces in eV/Å?")
    if rms_eV_A < 1e-8:
        problems.append("All forces are zero: this is not the output of a calculation of forces.")
    close = sum(distance_A < MIN_DISTANCE_A for distance_A in distances_A)
    if close:
        problems.append(
            f"In {close} configurations two atoms are closer than {MIN_DISTANCE_A} Å (smallest {min(distances_A):.3g} Å): are "
            "positions and cell in Å?"
        )
    volumes_A3 = [abs(np.linalg.det(item.cell_A)) / len(item.symbols) for item in read]
    low, high = VOLUME_RANGE_A3_ATOM
    if min(volumes_A3) < low or max(volumes_A3) > high:
        problems.append(
            f"The volume is {min(volumes_A3):.3g} to {max(volumes_A3):.3g} Å³ per atom, outside of {low:g} to {high:g}: is the cell in Å?"
        )
    energies = _energies(read)
    if max(abs(value) for values in energies.values() for value in values) > MAX_ENERGY_EV_ATOM:
        problems.append("Energies per atom are larger than any in eV.")
    for formula, values in energies.items():
        if max(values) - min(values) > MAX_ENERGY_SPREAD_EV_ATOM:
            problems.append(
                f"The energies of {formula} spread over {max(values) - min(values):.3g} eV per atom: other units, or other "
                "methods in one set."
            )
    return problems


def _too_few(n_frames: int) -> list[str]:
    if n_frames >= FEW_FRAMES:
        return []
    count = "one configuration" if n_frames == 1 else f"{n_frames} different configurations"
    return [f"It holds only {count}: a first model learns little from so few; give some tens, at several temperatures."]


def _energies(read: list[Configuration]) -> dict[str, list[float]]:
    """Energy per atom in eV by composition."""
    energies: dict[str, list[float]] = {}
    for item in read:
        energies.setdefault(_formula(item), []).append(float(item.energy_eV) / len(item.symbols))
    return energies


def _formula(item: Configuration) -> str:
    return "".join(f"{symbol}{count}" for symbol, count in sorted(Counter(item.symbols).items()))


def _summary(
    formats: str,
    usable: list[Configuration],
    read: list[Configuration],
    problems: list[str],
    doubts: list[str],
    notes: list[str],
    distance_A: float | None,
) -> UploadSummary:
    energies = [value for values in _energies(usable).values() for value in values] if usable else []
    forces = np.concatenate([item.forces_eV_A for item in usable]) if usable else None
    return UploadSummary(
        format=formats,
        n_read=len(read),
        n_frames=len(usable),
        n_duplicates=len(read) - len(usable) if usable else 0,
        n_atoms=sorted({len(item.symbols) for item in read}),
        formulas=dict(Counter(_formula(item) for item in read)),
        elements=sorted({symbol for item in read for symbol in item.symbols}),
        energy_range_eV_atom=(min(energies), max(energies)) if energies else None,
        rms_force_eV_A=None if forces is None else root_mean_square(forces),
        max_force_eV_A=None if forces is None else float(np.linalg.norm(forces, axis=1).max()),
        min_distance_A=distance_A,
        problems=problems,
        doubts=doubts,
        notes=notes,
    )


def _command(arguments: list[str]) -> int:
    into = Path(arguments[1]) if arguments[0] == "--into" else None
    path, format_name, *elements = arguments[2 if into else 0 :]
    try:
        with redirect_stdout(sys.stderr):  # parsers of foreign formats print
            found: Any = _write(into, path, format_name, elements) if into else to_json(inspect(Path(path), format_name, elements))
    except UploadRefused as error:
        print(error)
        return 3
    print(json.dumps(found))
    return 0


def _write(into: Path, path: str, format_name: str, elements: Sequence[str]) -> list[str]:
    parts = accepted_frames(Path(path), format_name, elements)
    names = [f"frames-{number:03d}.npz" for number in range(len(parts))]
    for name, frames in zip(names, parts, strict=True):
        frames.save(into / name)
    return names


if __name__ == "__main__":
    sys.exit(_command(sys.argv[1:]))

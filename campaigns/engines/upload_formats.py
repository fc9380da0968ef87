"""Readers of the data sets that a user may bring: each gives labelled configurations with their source, or says what is missing.

The formats are a fixed list: automatic detection by ase or dpdata knows formats that run code. DeePMD-kit's own folders are read here, so
that a wrong shape is named; VASP and CP2K through dpdata (which leaves out steps of an OUTCAR whose SCF did not converge); extended XYZ and
Quantum ESPRESSO through ase.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]

SNIFF_BYTES = 16_384
READ_CPU_S = 60.0  # of processor time for one data set
KIND_SUFFIX = re.compile(r"[_\d].*$")  # CP2K's kinds of one element: Fe1, Fe2, O_top


class UploadRefused(ValueError):
    """The data set cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Configuration:
    """One labelled configuration as it was read; an absent label is None. `source` says where it stood, counted from 1."""

    symbols: tuple[str, ...]
    positions_A: FloatArray
    cell_A: FloatArray | None
    energy_eV: float | None
    forces_eV_A: FloatArray | None
    virial_eV: FloatArray | None
    source: str


def detect(path: Path) -> str:
    """The format of one file or one folder of DeePMD-kit, or an empty string."""
    if path.is_dir():
        if not (path / "type.raw").is_file():
            return ""
        sets = sorted(path.glob("set.*"))
        if sets:
            return "deepmd/npy/mixed" if (sets[0] / "real_atom_types.npy").exists() else "deepmd/npy"
        return "deepmd/raw" if (path / "coord.raw").is_file() else ""
    with path.open("rb") as stream:
        head = stream.read(SNIFF_BYTES).decode("utf-8", "replace")
    lines = head.splitlines()
    if "<modeling>" in head:
        return "vasp/xml"
    if "Program PWSCF" in head:
        return "qe/pw/output"
    if "CP2K|" in head:
        return "cp2k/output"
    if lines and lines[0].strip().startswith("vasp."):
        return "vasp/outcar"
    if len(lines) > 1 and lines[0].strip().isdigit() and "Lattice=" in lines[1]:
        return "extxyz"
    return ""


def read(path: Path, format_name: str) -> Iterator[Configuration]:
    """Configurations of one file or one DeePMD-kit folder. Raises UploadRefused."""
    if format_name not in READERS:
        raise UploadRefused(f"The format {format_name!r} is not known. Known are: {', '.join(READERS)}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # parsers warn about what is checked afterwards
            yield from READERS[format_name](path)
    except UploadRefused:
        raise
    except MemoryError as error:
        raise UploadRefused(f"{path.name} is too large to be read on this machine.") from error
    except Exception as error:  # parsers of foreign formats raise anything on a damaged file
        raise UploadRefused(
            f"{path.name} could not be read as {format_name}: {type(error).__name__}: {error}. Is the file whole, and is this its format?"
        ) from error


# --- DeePMD-kit's folders -----------------------------------------------------------------------------------------------------------------


def _deepmd_npy(folder: Path) -> Iterator[Configuration]:
    symbols = _symbols(folder)
    for data in sorted(folder.glob("set.*")):
        yield from _configurations(data, lambda name, data=data: _load_npy(data / f"{name}.npy"), symbols)


def _deepmd_raw(folder: Path) -> Iterator[Configuration]:
    symbols = _symbols(folder)

    def load(name: str) -> FloatArray | None:
        path = folder / f"{name}.raw"
        return np.loadtxt(path, ndmin=1 if name == "energy" else 2) if path.exists() else None

    yield from _configurations(folder, load, symbols)


def _symbols(folder: Path) -> tuple[str, ...]:
    """Element of each atom. Without type_map.raw the numbers in type.raw mean nothing: guessing them is the commonest silent error."""
    if (folder / "nopbc").exists():
        raise UploadRefused(f"{folder.name} is a set of molecules (nopbc); a solid electrolyte needs a periodic cell.")
    if not (folder / "type_map.raw").exists():
        raise UploadRefused(
            f"{folder.name} has no type_map.raw: write the elements into it, one a line, in the order of the numbers in type.raw."
        )
    type_map = (folder / "type_map.raw").read_text().split()
    types = np.loadtxt(folder / "type.raw", ndmin=1).astype(int)
    if types.size == 0 or types.min() < 0 or types.max() >= len(type_map):
        raise UploadRefused(f"{folder.name}: type.raw holds a type that type_map.raw ({' '.join(type_map)}) does not name.")
    return tuple(type_map[number] for number in types)


def _load_npy(path: Path) -> FloatArray | None:
    return np.load(path, allow_pickle=False) if path.exists() else None


def _configurations(place: Path, load: Callable[[str], FloatArray | None], symbols: tuple[str, ...]) -> Iterator[Configuration]:
    where = f"{place.parent.name}/{place.name}"
    coordinates = load("coord")
    if coordinates is None:
        raise UploadRefused(f"{where} has no coordinates (coord).")
    n_frames, n_atoms = len(coordinates), len(symbols)
    shapes = {
        "coord": (n_frames, 3 * n_atoms),
        "box": (n_frames, 9),
        "energy": (n_frames,),
        "force": (n_frames, 3 * n_atoms),
        "virial": (n_frames, 9),
    }
    arrays = {}
    for name, shape in shapes.items():
        array = load(name)
        if array is not None and array.size != np.prod(shape):
            raise UploadRefused(f"{where}: {name} has shape {array.shape}, expected {shape} for {n_frames} frames of {n_atoms} atoms.")
        arrays[name] = None if array is None else np.asarray(array, dtype=np.float64).reshape(shape)
    names = _mixed_symbols(place, n_frames, n_atoms)
    for row in range(n_frames):
        item = {name: None if array is None else array[row] for name, array in arrays.items()}
        frame = Configuration(
            symbols,
            item["coord"].reshape(-1, 3),
            None if item["box"] is None else item["box"].reshape(3, 3),
            None if item["energy"] is None else float(item["energy"]),
            None if item["force"] is None else item["force"].reshape(-1, 3),
            None if item["virial"] is None else item["virial"].reshape(3, 3),
            f"{where} frame {row + 1}",
        )
        yield frame if names is None else _real_atoms(frame, names[row])


def _mixed_symbols(place: Path, n_frames: int, n_atoms: int) -> list[list[str | None]] | None:
    """deepmd/npy/mixed: the element of each atom in each frame, None for a virtual atom."""
    types = _load_npy(place / "real_atom_types.npy")
    if types is None:
        return None
    type_map = (place.parent / "type_map.raw").read_text().split()
    if types.shape != (n_frames, n_atoms) or types.max() >= len(type_map) or types.min() < -1:
        raise UploadRefused(
            f"{place.parent.name}/{place.name}: real_atom_types.npy does not fit to {n_frames} frames of {n_atoms} atoms "
            f"and the elements {' '.join(type_map)}."
        )
    return [[None if number < 0 else type_map[int(number)] for number in row] for row in types]


def _real_atoms(frame: Configuration, names: list[str | None]) -> Configuration:
    real = np.array([name is not None for name in names])
    return Configuration(
        tuple(name for name in names if name is not None),
        frame.positions_A[real],
        frame.cell_A,
        frame.energy_eV,
        None if frame.forces_eV_A is None else frame.forces_eV_A[real],
        frame.virial_eV,
        frame.source,
    )


# --- other programs -----------------------------------------------------------------------------------------------------------------------


def _ase(path: Path, ase_format: str) -> Iterator[Configuration]:
    from ase.io import iread

    for number, atoms in enumerate(iread(path, index=":", format=ase_format), start=1):
        results = atoms.calc.results if atoms.calc is not None else {}
        stress = results.get("stress")
        virial_eV = None if stress is None else -_full(stress) * atoms.get_volume()
        if virial_eV is None and (given := atoms.info.get("virial", atoms.info.get("virials"))) is not None:
            virial_eV = _full(given)
        # The forces are the derivative of the free energy where electrons are smeared.
        energy_eV = results.get("free_energy", results.get("energy"))
        periodic = bool(atoms.pbc.all()) and atoms.cell.rank == 3
        yield Configuration(
            tuple(atoms.get_chemical_symbols()),
            atoms.positions,
            atoms.cell.array if periodic else None,
            None if energy_eV is None else float(energy_eV),
            results.get("forces"),
            virial_eV,
            f"{path.name} frame {number}",
        )


def _full(tensor: FloatArray) -> FloatArray:
    """A symmetric tensor as (3, 3), from Voigt's six or all nine numbers."""
    from ase.stress import voigt_6_to_full_3x3_stress

    array = np.asarray(tensor, dtype=np.float64)
    return voigt_6_to_full_3x3_stress(array) if array.size == 6 else array.reshape(3, 3)


def _quantum_espresso(path: Path) -> Iterator[Configuration]:
    if "convergence NOT achieved" in path.read_text(errors="replace"):
        raise UploadRefused(f"{path.name}: the SCF of Quantum ESPRESSO did not converge in at least one step; leave that calculation out.")
    yield from _ase(path, "espresso-out")


def _dpdata(path: Path, dpdata_format: str) -> Iterator[Configuration]:
    import dpdata

    system = dpdata.LabeledSystem(str(path), fmt=dpdata_format)
    data = system.data
    names = [KIND_SUFFIX.sub("", name) for name in data["atom_names"]]
    symbols = tuple(names[number] for number in data["atom_types"])
    for row in range(len(data["coords"])):
        yield Configuration(
            symbols,
            data["coords"][row],
            None if data.get("nopbc") else data["cells"][row],
            float(data["energies"][row]),
            data["forces"][row] if "forces" in data else None,
            data["virials"][row] if "virials" in data else None,
            f"{path.name} frame {row + 1}",
        )


READERS: dict[str, Callable[[Path], Iterator[Configuration]]] = {
    "deepmd/npy": _deepmd_npy,
    "deepmd/npy/mixed": _deepmd_npy,
    "deepmd/raw": _deepmd_raw,
    "extxyz": lambda path: _ase(path, "extxyz"),
    "vasp/outcar": lambda path: _dpdata(path, "vasp/outcar"),
    "vasp/xml": lambda path: _dpdata(path, "vasp/xml"),
    "cp2k/output": lambda path: _dpdata(path, "cp2k/output"),
    "qe/pw/output": _quantum_espresso,
}
FORMATS = ("auto", *READERS)

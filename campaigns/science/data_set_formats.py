"""A data set as other programs read it: DeePMD-kit's two folder forms, extended XYZ, an ASE database."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import write
from ase.stress import full_3x3_to_voigt_6_stress

from campaigns.science.frames import Frames, write_deepmd_system


@dataclass(frozen=True)
class LabelledPart:
    """Labelled frames of one list of atoms; `facts` says of each frame what it is (numbers and short texts)."""

    frames: Frames
    facts: Sequence[dict[str, Any]]


def labelled_atoms(frames: Frames, row: int, facts: dict[str, Any]) -> Atoms:
    """One configuration with what is known of it: energy in eV, forces in eV/Å, stress in eV/Å^3 (ASE's sign: -virial / volume)."""
    atoms = Atoms(frames.symbols.tolist(), positions=frames.positions_A[row], cell=frames.cell_A[row], pbc=True)
    if frames.energy_eV is not None and frames.forces_eV_A is not None:
        labels = {"energy": float(frames.energy_eV[row]), "forces": frames.forces_eV_A[row]}
        if frames.virial_eV is not None:
            labels["stress"] = full_3x3_to_voigt_6_stress(-frames.virial_eV[row] / atoms.get_volume())
        atoms.calc = SinglePointCalculator(atoms, **labels)
    atoms.info |= facts
    return atoms


Places = list[tuple[str, int]]  # of each configuration, in the order given: its file or system below the folder, and its number in it


def _deepmd_npy(parts: Sequence[LabelledPart], type_map: list[str], folder: Path) -> Places:
    """One system for each list of atoms."""
    for number, part in enumerate(parts):
        write_deepmd_system(part.frames, type_map, folder / f"system-{number}")
    return [(f"system-{number}", row) for number, part in enumerate(parts) for row in range(len(part.frames))]


def _deepmd_npy_mixed(parts: Sequence[LabelledPart], type_map: list[str], folder: Path) -> Places:
    """One system for each number of atoms, with virial and without; which element an atom is stands in real_atom_types.npy."""
    places: Places = []
    by_name: dict[str, list[Frames]] = {}
    for part in parts:
        name = f"atoms-{len(part.frames.symbols)}" + ("-without-virial" if part.frames.virial_eV is None else "")
        members = by_name.setdefault(name, [])
        start = sum(map(len, members))
        places += [(name, start + row) for row in range(len(part.frames))]
        members.append(part.frames)
    for name, members in by_name.items():
        _write_mixed_system(members, type_map, folder / name)
    return places


def _write_mixed_system(parts: Sequence[Frames], type_map: list[str], folder: Path) -> None:
    """DeePMD-kit's `mixed type` system of frames with the same number of atoms; all or none of them have a virial."""
    anonymous = np.full(len(parts[0].symbols), type_map[0])
    names = ["positions_A", "cell_A", "energy_eV", "forces_eV_A"] + (["virial_eV"] if parts[0].virial_eV is not None else [])
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    write_deepmd_system(Frames(anonymous, **arrays), type_map, folder)
    types = [np.tile([type_map.index(symbol) for symbol in part.symbols], (len(part), 1)) for part in parts]
    np.save(folder / "set.000" / "real_atom_types.npy", np.concatenate(types).astype(np.int32))


def _all_atoms(parts: Sequence[LabelledPart]) -> list[Atoms]:
    return [labelled_atoms(part.frames, row, facts) for part in parts for row, facts in enumerate(part.facts)]


def _extended_xyz(parts: Sequence[LabelledPart], type_map: list[str], folder: Path) -> Places:
    images = _all_atoms(parts)
    write(folder / "data-set.extxyz", images, format="extxyz")
    return [("data-set.extxyz", number) for number in range(len(images))]


def _ase_database(parts: Sequence[LabelledPart], type_map: list[str], folder: Path) -> Places:
    """Facts become columns to select by; an absent one is left out, for a database of ASE holds no empty value."""
    places = []
    with connect(folder / "data-set.db", type="db") as database:
        for atoms in _all_atoms(parts):
            facts, atoms.info = {key: value for key, value in atoms.info.items() if value not in (None, "")}, {}
            places.append(("data-set.db", database.write(atoms, key_value_pairs=facts)))
    return places


FORMATS: dict[str, Callable[[Sequence[LabelledPart], list[str], Path], Places]] = {
    "deepmd/npy": _deepmd_npy,
    "deepmd/npy/mixed": _deepmd_npy_mixed,
    "extxyz": _extended_xyz,
    "ase-db": _ase_database,
}


def write_data_set(parts: Sequence[LabelledPart], type_map: list[str], format_name: str, folder: Path) -> Places:
    """Write labelled configurations below `folder`; where each of them went, in the order given.

    In an ASE database the number is its id. Raises ValueError for an unlabelled configuration, KeyError for an unknown format.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return FORMATS[format_name](parts, type_map, folder)

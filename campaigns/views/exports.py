"""What leaves a page as a file: configurations as extended XYZ, streamed file by file, and cells of a table."""

import io
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from campaigns.models import Frame

if TYPE_CHECKING:
    from campaigns.science.frames import Frames


def spreadsheet_safe(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula begins with an apostrophe (OWASP, CSV injection)."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


def extended_xyz(rows: Iterable[Frame]) -> Iterator[str]:
    """`rows` in the order of their files; energy in eV, forces in eV/Å, stress in eV/Å^3 (ASE's sign)."""
    from campaigns.science.frames import Frames

    for artefact, members in groupby(rows, key=lambda row: row.artefact):
        frames = Frames.load(artefact.file)
        for member in members:
            yield _one(frames, member)


def _one(frames: "Frames", row: Frame) -> str:
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import write

    atoms = Atoms(frames.symbols.tolist(), positions=frames.positions_A[row.row], cell=frames.cell_A[row.row], pbc=True)
    if frames.energy_eV is not None and frames.forces_eV_A is not None:
        labels = {"energy": float(frames.energy_eV[row.row]), "forces": frames.forces_eV_A[row.row]}
        if frames.virial_eV is not None:
            labels["stress"] = -frames.virial_eV[row.row] / atoms.get_volume()
        atoms.calc = SinglePointCalculator(atoms, **labels)
    atoms.info |= {"configuration": row.pk, "loop": row.loop, "step": row.step, "verdict": row.verdict}
    stream = io.StringIO()
    write(stream, atoms, format="extxyz")
    return stream.getvalue()

"""Wavefunctions of configurations computed before, the nearest of which is the guess for the next.

One folder an entry, moved into its place when it is whole: a run that was killed leaves none, and the next one starts from atoms.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms

from campaigns.science.selection import root_mean_square

FOLDER = "wavefunctions"
GEOMETRY = "geometry.npz"
UNDER_WAY = "under-way"
NUMBERED = "[0-9]*"
CELL_TOLERANCE_A = 1e-6


class Wavefunctions:
    """In `folder`, the `keep` latest. They survive the process: a restarted stage finds them.

    Farther than `reach_A` (root mean square of the atoms' displacements) a wavefunction is no better than the start from atoms.
    """

    def __init__(self, folder: Path, keep: int, reach_A: float) -> None:
        self._folder = folder
        self._keep = keep
        self._reach_A = reach_A

    def nearest(self, atoms: Atoms) -> Path | None:
        """The folder of the entry with the same atoms in the same cell whose positions are the nearest, or None."""
        distances_A = {entry: _distance_A(entry, atoms) for entry in self._entries()}
        found = {entry: distance_A for entry, distance_A in distances_A.items() if distance_A is not None and distance_A <= self._reach_A}
        return min(found, key=found.__getitem__) if found else None

    def add(self, atoms: Atoms, files: Sequence[Path]) -> None:
        """Move the files (or folders) of a finished run here; the oldest entries go."""
        self.discard(self._folder / UNDER_WAY)
        place = self._folder / UNDER_WAY
        place.mkdir(parents=True)
        for file in files:
            file.rename(place / file.name)
        np.savez(place / GEOMETRY, numbers=atoms.numbers, positions_A=atoms.positions, cell_A=atoms.cell.array)
        numbers = [int(entry.name) for entry in self._folder.glob(NUMBERED)]
        place.rename(self._folder / f"{max(numbers, default=0) + 1:06d}")
        latest = self._entries()[-self._keep :]
        for entry in self._folder.glob(NUMBERED):
            if entry not in latest:
                self.discard(entry)

    def discard(self, entry: Path | None) -> None:
        """One that is of no use, or led astray."""
        if entry is not None:
            shutil.rmtree(entry, ignore_errors=True)

    def _entries(self) -> list[Path]:
        """The oldest first."""
        return sorted(entry for entry in self._folder.glob(NUMBERED) if (entry / GEOMETRY).is_file())


def free(stage_folder: Path) -> None:
    """Once a stage is done nobody starts from its wavefunctions, and they are larger than everything else in its folder."""
    for place in list(stage_folder.rglob(FOLDER)):
        shutil.rmtree(place, ignore_errors=True)


def _distance_A(entry: Path, atoms: Atoms) -> float | None:
    """Root mean square of the lengths of the atoms' shortest displacements; None for another crystal."""
    with np.load(entry / GEOMETRY) as kept:
        if not np.array_equal(kept["numbers"], atoms.numbers) or not np.allclose(kept["cell_A"], atoms.cell.array, atol=CELL_TOLERANCE_A):
            return None
        fractional = (atoms.positions - kept["positions_A"]) @ np.linalg.inv(kept["cell_A"])
        displacements_A = (fractional - np.round(fractional)) @ kept["cell_A"]
        return root_mean_square(np.linalg.norm(displacements_A, axis=1))

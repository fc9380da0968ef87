"""Do the numbers of a labelled data set look like eV and Å? Its configurations differ little, so that one can be held against the next.

The force constant of atoms in a solid, and the work of the forces against the change of energy. Both are compared between configurations
that follow each other in the set and in which no atom has gone far: beyond, the energy is no parabola.
"""

import numpy as np
from numpy.typing import NDArray

from campaigns.science.frames import Frames

Floats = NDArray[np.floating]

MAX_STEP_A = 0.6
MIN_STEP_A = 1e-3  # root mean square; below, the digits of a file count
MIN_PAIRS = 3
# Mean over atoms and directions: ions of a soft sulphide have about 2, carbon in diamond about 45.
FORCE_CONSTANT_EV_A2 = (0.2, 55.0)
MOST_OFF = 3.0  # of the work of the forces by the trapezoidal rule, exact for a parabola; of LGPS at 900 K it is off by 1.5
LEAST_CORRELATION = 0.9
KNOWN = "1 Hartree is 27.21 eV, 1 Rydberg 13.61 eV, 1 kcal/mol 0.0434 eV, 1 Hartree/bohr 51.42 eV/Å, 1 bohr 0.529 Å."


def doubts(parts: list[Frames]) -> list[str]:
    """A sentence for each number that hardly is in eV and Å; nothing where too few configurations are close to each other to tell."""
    pairs = [pair for frames in parts for pair in _pairs(frames)]
    if len(pairs) < MIN_PAIRS:
        return []
    stretch_A2, softening_eV, change_eV, work_eV = np.array(pairs).T
    constant_eV_A2, found = float(softening_eV.sum() / stretch_A2.sum()), []
    low, high = FORCE_CONSTANT_EV_A2
    if not low <= constant_eV_A2 <= high:
        found.append(
            f"Forces change by {constant_eV_A2:.2g} eV/Å for an atom that moves by 1 Å; {low:g} to {high:g} is usual in a solid: are "
            "they in eV/Å?"
        )
    ratio = float(change_eV @ work_eV / (work_eV @ work_eV)) if work_eV.any() and change_eV.any() else 1.0
    agree = abs(change_eV @ work_eV) > LEAST_CORRELATION * np.linalg.norm(change_eV) * np.linalg.norm(work_eV)
    if agree and not 1 / MOST_OFF <= ratio <= MOST_OFF:
        found.append(
            f"From one configuration to the next the energy changes by {ratio:.2g} times the work of the forces: are both in the same "
            "units, eV and eV/Å, and are positions in Å?"
        )
    return [*found, KNOWN] if found else []


def _pairs(frames: Frames) -> list[tuple[float, float, float, float]]:
    """Of configurations that follow each other: sum of squared steps (Å²), what the forces gain against them, change of energy, work of the
    forces (eV)."""
    found = []
    for one in range(len(frames) - 1):
        cell_A = frames.cell_A[one]
        if not np.allclose(cell_A, frames.cell_A[one + 1], atol=1e-6):
            continue
        fractional = np.linalg.solve(cell_A.T, (frames.positions_A[one + 1] - frames.positions_A[one]).T).T
        step_A = (fractional - np.round(fractional)) @ cell_A
        if np.linalg.norm(step_A, axis=1).max() > MAX_STEP_A or np.sqrt(np.mean(step_A**2)) < MIN_STEP_A:
            continue
        before, after = frames.forces_eV_A[one], frames.forces_eV_A[one + 1]
        change_eV = float(frames.energy_eV[one + 1] - frames.energy_eV[one])
        found.append(
            (float((step_A**2).sum()), float(-(step_A * (after - before)).sum()), change_eV, float(-(step_A * (before + after)).sum() / 2))
        )
    return found

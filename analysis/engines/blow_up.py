"""Where a trajectory that nobody watched while it was made has blown up: an atom flies faster than heat can make it."""

from dataclasses import dataclass

import numpy as np
from ase.data import atomic_masses, atomic_numbers
from ase.units import fs, kB
from numpy.typing import NDArray

THERMAL_SPEEDS = 10.0  # sqrt(3kT/m) each: one atom of 1e20 is that fast


@dataclass(frozen=True)
class BlowUp:
    """`frame` is the last before the flight."""

    frame: int
    reason: str


def find(positions_A: NDArray[np.floating], symbols: NDArray[np.str_], temperature_K: float, interval_fs: float) -> BlowUp | None:
    """`positions_A` (n_frames, n_atoms, 3), unwrapped. A straight flight over the whole interval is the farthest that an atom can come."""
    masses = np.array([atomic_masses[atomic_numbers[symbol]] for symbol in symbols])
    farthest_A = THERMAL_SPEEDS * np.sqrt(3 * kB * temperature_K / masses) * interval_fs * fs
    for frame in range(len(positions_A) - 1):
        step_A = np.linalg.norm(positions_A[frame + 1] - positions_A[frame], axis=1)
        if (step_A > farthest_A).any():
            atom = int(np.argmax(step_A / farthest_A))
            times = THERMAL_SPEEDS * step_A[atom] / farthest_A[atom]
            said = f"atom {atom + 1} ({symbols[atom]}) moves {step_A[atom]:.3g} Å to frame {frame + 2}, in {interval_fs:g} fs"
            return BlowUp(frame, f"{said}: {times:.0f} times its thermal speed. Analyse the run before, or check the frame interval.")
    return None

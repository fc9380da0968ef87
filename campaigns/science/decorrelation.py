"""How many independent configurations a trajectory's samples are worth, by the autocorrelation of the forces on its atoms."""

import numpy as np
from numpy.typing import NDArray

NOISE = 0.05  # of an autocorrelation: below it nothing is left
ALIKE = 1.5  # so many configurations for one that is independent are too many
FEWEST = 4


def inefficiency(forces_eV_A: NDArray[np.floating]) -> float | None:
    """Samples for each independent one, at least 1: 1 + 2 Σ (1 - k/n) C(k), up to where C has decayed. forces_eV_A: (n, n_atoms, 3).

    None for too few samples, or without forces. Forces and not energies: there are three for each atom, so that a dozen samples tell.
    """
    n = len(forces_eV_A)
    square = float(np.mean(forces_eV_A**2)) if n >= FEWEST else 0.0
    if square == 0.0:
        return None
    flat = forces_eV_A.reshape(n, -1)
    correlation = [float(np.mean(flat[:-lag] * flat[lag:])) / square for lag in range(1, n // 2 + 1)]
    decayed = next((index for index, value in enumerate(correlation) if value < NOISE), len(correlation))
    return 1.0 + 2.0 * sum((1 - (index + 1) / n) * value for index, value in enumerate(correlation[:decayed]))


def in_words(n_frames: int, samples_each: float, interval_fs: float) -> str:
    """Of an S0 run, whether its sampling interval is long enough."""
    worth = f"{n_frames} configurations, {interval_fs:g} fs apart, are worth {max(1, round(n_frames / samples_each))} independent ones"
    if samples_each < ALIKE:
        return f"By the forces on atoms its {worth}: the sampling interval is long enough."
    return (
        f"By the forces on atoms its {worth}: the sampling interval is shorter than what they need to change. With about "
        f"{samples_each * interval_fs:.2g} fs each label would tell something new."
    )

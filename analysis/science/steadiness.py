"""Do the ions move as much late in a run as early? The MSD is an average over the whole run, so its shape shows nothing of this.

Per ion the mean square displacement at one short lag in the first and in the second half of the run; the differences, paired, tell
by their scatter between ions how well their mean is known. A rattle that stays the same drops out of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from analysis.science import msd

Floats = NDArray[np.floating]

LAGS_IN_HALF = 30  # short, for many displacements fit into half of a run
SHORTEST_LAG = 5
MOST_SIGMA = 30.0  # beyond it the tail of Student's distribution underflows


@dataclass(frozen=True)
class ChangeInTime:
    """`late_over_early` is the ratio of the mean square displacements; `sigmas` of its error is their difference away from 0."""

    late_over_early: float = 1.0
    sigmas: float = 0.0


def change_in_time(paths_A: Floats, n_independent: float) -> ChangeInTime:
    """Second half of the run (n_ions, 3, n_frames) against the first. No change where fewer than two ions tell no scatter."""
    n_ions, _, n_frames = paths_A.shape
    half = n_frames // 2
    lag = min(max(SHORTEST_LAG, half // LAGS_IN_HALF), half - 1)
    early, late = (msd.square_displacements(part, lag).mean(axis=1) for part in (paths_A[..., :half], paths_A[..., -half:]))
    difference = late - early
    scatter = float(difference.std(ddof=1)) if n_ions > 1 else 0.0
    if not (scatter > 0 and early.mean() > 0):
        return ChangeInTime()
    students = float(difference.mean()) / (scatter / np.sqrt(n_independent))
    # In errors of a normal distribution: the scatter of a few ions is known badly.
    sigmas = min(float(norm.isf(t.sf(abs(students), max(n_independent - 1, 1.0)))), MOST_SIGMA)
    return ChangeInTime(float(late.mean() / early.mean()), float(np.copysign(sigmas, students)))

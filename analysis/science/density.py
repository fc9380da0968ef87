"""Where the mobile ions were: their density seen along each axis of the cell."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

N_BINS = 48
SAMPLED_FRAMES = 2000


def projections(paths_A: Floats, cell_A: Floats) -> Floats:
    """Mean number of ions in each bin of the two other fractional coordinates: (3, N_BINS, N_BINS), seen along a, b and c.

    paths_A (n_frames, n_ions, 3), drift taken off. Each projection sums to the number of ions.
    """
    chosen = np.unique(np.linspace(0, len(paths_A) - 1, min(len(paths_A), SAMPLED_FRAMES)).astype(int))
    fractions = (paths_A[chosen].astype(float) @ np.linalg.inv(np.asarray(cell_A, dtype=float))).reshape(-1, 3) % 1.0
    edges = np.linspace(0, 1, N_BINS + 1)
    seen = [np.histogram2d(fractions[:, x], fractions[:, y], (edges, edges))[0] for x, y in ((1, 2), (0, 2), (0, 1))]
    return np.stack(seen) / len(chosen)

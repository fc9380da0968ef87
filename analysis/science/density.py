"""Where the mobile ions were: their density seen along each axis of the cell."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

N_BINS = 48
SAMPLED_FRAMES = 2000
N_PIXELS = 128  # of a picture's longer side


@dataclass(frozen=True)
class Picture:
    """A projection to scale: ions/Å² (n_y, n_x), NaN beside the cell, with the lower left corner at `origin_A` and `size_A` wide and high;
    `corners_A` (4, 2) of the cell."""

    ions_A2: Floats
    origin_A: Floats
    size_A: Floats
    corners_A: Floats


def projections(paths_A: Floats, cell_A: Floats) -> Floats:
    """Mean number of ions in each bin of the two other fractional coordinates: (3, N_BINS, N_BINS), seen along a, b and c.

    paths_A (n_frames, n_ions, 3), drift taken off. Each projection sums to the number of ions.
    """
    chosen = np.unique(np.linspace(0, len(paths_A) - 1, min(len(paths_A), SAMPLED_FRAMES)).astype(int))
    fractions = (paths_A[chosen].astype(float) @ np.linalg.inv(np.asarray(cell_A, dtype=float))).reshape(-1, 3) % 1.0
    edges = np.linspace(0, 1, N_BINS + 1)
    seen = [np.histogram2d(fractions[:, x], fractions[:, y], (edges, edges))[0] for x, y in ((1, 2), (0, 2), (0, 1))]
    return np.stack(seen) / len(chosen)


def picture(projection: Floats, cell_A: Floats, axis: int) -> Picture:
    """What is seen along cell vector `axis`, on the plane at right angles to it, the first of the two other vectors pointing right."""
    across, up = (np.asarray(cell_A[index], dtype=float) for index in range(3) if index != axis)
    along = np.asarray(cell_A[axis], dtype=float) / np.linalg.norm(cell_A[axis])
    right = across - (across @ along) * along
    right /= np.linalg.norm(right)
    sideways = np.cross(along, right)
    above = sideways if up @ sideways > 0 else -sideways
    vectors_A = np.array([[across @ right, 0.0], [up @ right, up @ above]])
    corners_A = np.array([[0.0, 0.0], vectors_A[0], vectors_A.sum(axis=0), vectors_A[1]])
    origin_A, size_A = corners_A.min(axis=0), np.ptp(corners_A, axis=0)
    n_x, n_y = np.maximum(1, np.rint(N_PIXELS * size_A / size_A.max())).astype(int)
    x, y = np.meshgrid((np.arange(n_x) + 0.5) / n_x, (np.arange(n_y) + 0.5) / n_y)
    fractions = (origin_A + np.stack([x, y], axis=-1) * size_A) @ np.linalg.inv(vectors_A)
    inside = np.all((fractions >= 0) & (fractions < 1), axis=-1)
    bins = np.clip((fractions * len(projection)).astype(int), 0, len(projection) - 1)
    area_A2 = abs(float(np.linalg.det(vectors_A))) / projection.size
    return Picture(np.where(inside, projection[bins[..., 0], bins[..., 1]] / area_A2, np.nan), origin_A, size_A, corners_A)

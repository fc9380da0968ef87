"""Who is how far from whom: radial distribution functions and the van Hove functions of the mobile ion.

Distances are to every periodic image, by the nearest ones in fractional coordinates and their 26 neighbours: complete up to
COMPLETE_HEIGHTS of the smallest distance between faces of the cell, of any shape.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]

COMPLETE_HEIGHTS = 1.4
LARGEST_A = 8.0
N_BINS = 160
SAMPLED_FRAMES = 60
SAMPLED_ORIGINS = 60
SAMPLED_MOVES = 2000  # an ion's own displacement is cheap
_IMAGES = np.array(list(product((-1, 0, 1), repeat=3)), dtype=float)


def largest_distance_A(cell_A: Floats) -> float:
    """How far the functions reach in this cell."""
    heights_A = 1 / np.linalg.norm(np.linalg.inv(np.asarray(cell_A, dtype=float)), axis=0)
    return float(min(LARGEST_A, COMPLETE_HEIGHTS * heights_A.min()))


def rdf(positions_A: Floats, cell_A: Floats, symbols: NDArray[np.str_]) -> tuple[Floats, dict[str, Floats]]:
    """g(r) of every pair of species: middles of the bins (N_BINS,) Å, and `A-B` -> (N_BINS,), 1 for an ideal gas.

    g_AB(r) = V <n_AB(r)> / (N_A N_B 4 pi r^2 dr), over at most SAMPLED_FRAMES frames of positions (n_frames, n_atoms, 3); an atom and its
    own images are left out (Allen and Tildesley, Computer Simulation of Liquids, 2nd ed., eq. 2.94).
    """
    edges = np.linspace(0, largest_distance_A(cell_A), N_BINS + 1)
    chosen = _sample(len(positions_A), SAMPLED_FRAMES)
    species = sorted(set(symbols.tolist()))
    found = {}
    for number, first in enumerate(species):
        for second in species[number:]:
            a, b = np.flatnonzero(symbols == first), np.flatnonzero(symbols == second)
            counts = sum(_pairs(positions_A[index, a], positions_A[index, b], cell_A, edges, first == second) for index in chosen)
            n_pairs = len(a) * (len(b) - (first == second))
            found[f"{first}-{second}"] = _normalized(counts, n_pairs * len(chosen), edges, cell_A)
    return (edges[1:] + edges[:-1]) / 2, found


def van_hove(paths_A: Floats, cell_A: Floats, lags: Integers) -> tuple[Floats, Floats, Floats]:
    """Middles of the bins (N_BINS,) Å; self part P(r, t) = 4 pi r^2 G_s (n_lags, N_BINS), whose integral over r is 1 but for what went
    farther; distinct part G_d/rho (n_lags, N_BINS), 1 where nothing is correlated (van Hove, Phys. Rev. 95, 249 (1954)).

    paths_A (n_frames, n_ions, 3): unwrapped, drift taken off; `lags` in frames.
    """
    edges = np.linspace(0, largest_distance_A(cell_A), N_BINS + 1)
    own, others = np.zeros((len(lags), N_BINS)), np.zeros((len(lags), N_BINS))
    n_ions = paths_A.shape[1]
    for row, lag in enumerate(lags):
        origins = _sample(len(paths_A) - lag, SAMPLED_MOVES)
        moved_A = np.linalg.norm(paths_A[origins + lag] - paths_A[origins], axis=2)
        own[row] = np.histogram(moved_A, edges)[0] / (moved_A.size * np.diff(edges))
        if n_ions > 1:
            origins = _sample(len(paths_A) - lag, SAMPLED_ORIGINS)
            counts = sum(_pairs(paths_A[origin], paths_A[origin + lag], cell_A, edges, True) for origin in origins)
            others[row] = _normalized(counts, n_ions * (n_ions - 1) * len(origins), edges, cell_A)
    return (edges[1:] + edges[:-1]) / 2, own, others


def _sample(n: int, most: int) -> Integers:
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(int))


def _pairs(first_A: Floats, second_A: Floats, cell_A: Floats, edges: Floats, skip_same: bool) -> Integers:
    """Histogram of the distances from each of `first_A` (n, 3) to each of `second_A` (m, 3) and their images."""
    cell = np.asarray(cell_A, dtype=float)
    between = (second_A[None].astype(float) - first_A[:, None].astype(float)) @ np.linalg.inv(cell)
    between -= np.rint(between)
    if skip_same:
        between = between[~np.eye(len(first_A), dtype=bool)]
    distances_A = np.linalg.norm((between.reshape(-1, 1, 3) + _IMAGES) @ cell, axis=2)
    return np.histogram(distances_A, edges)[0]


def _normalized(counts: Integers, n_pairs: int, edges: Floats, cell_A: Floats) -> Floats:
    shell_A3 = 4 / 3 * np.pi * (edges[1:] ** 3 - edges[:-1] ** 3)
    volume_A3 = abs(float(np.linalg.det(cell_A)))
    return counts * volume_A3 / (max(n_pairs, 1) * shell_A3)

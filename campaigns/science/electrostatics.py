"""Coulomb energy of point charges in a periodic crystal by Ewald's sum, as a kernel of unit charges: E = 1/2 sum_ij q_i q_j K_ij.

Toukmaji and Board, Comput. Phys. Commun. 95, 73 (1996), doi:10.1016/0010-4655(96)00016-1. Charges may then change without a new sum.
"""

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import erfc

FloatArray = NDArray[np.float64]

COULOMB_EV_A = 14.399645478  # e^2 / (4 pi epsilon_0), CODATA 2018
REAL_CUTOFF_A = 10.0
EXPONENT = 18.0  # what is left out is of the order exp(-18) of a pair's energy
CHUNK = 2_000_000  # numbers of one intermediate array, to bound memory


def coulomb_kernel_eV(cell_A: FloatArray, rows_A: FloatArray, columns_A: FloatArray) -> FloatArray:
    """K (n_rows, n_columns) in eV per e^2 for points of one cell: all images, a point's own included, and the neutralising background.

    cell_A (3, 3) rows are lattice vectors; rows_A (n_rows, 3), columns_A (n_columns, 3). A row and a column at the same place are the
    same point: its own charge does not act on itself.
    """
    volume_A3 = abs(float(np.linalg.det(cell_A)))
    eta = EXPONENT / REAL_CUTOFF_A**2  # the screening exp(-eta r^2)
    kernel = _real(cell_A, rows_A, columns_A, math.sqrt(eta))
    kernel += _reciprocal(cell_A, rows_A, columns_A, eta, volume_A3)
    kernel -= math.pi / (eta * volume_A3)
    return COULOMB_EV_A * kernel


def potential_eV(cell_A: FloatArray, at_A: FloatArray, positions_A: FloatArray, charges_e: FloatArray) -> FloatArray:
    """Energy (n_at,) of a unit charge at each point in the field of the charges."""
    step = max(1, CHUNK // max(1, len(positions_A)))
    parts = [coulomb_kernel_eV(cell_A, at_A[start : start + step], positions_A) @ charges_e for start in range(0, len(at_A), step)]
    return np.concatenate(parts) if parts else np.zeros(0)


def ewald_energy_eV(cell_A: FloatArray, positions_A: FloatArray, charges_e: FloatArray) -> float:
    """Energy of the cell's charges. positions_A (n, 3), charges_e (n,)."""
    return float(0.5 * charges_e @ potential_eV(cell_A, positions_A, positions_A, charges_e))


def _real(cell_A: FloatArray, rows_A: FloatArray, columns_A: FloatArray, screening: float) -> FloatArray:
    """sum over images of erfc(sqrt(eta) r) / r; a point on itself gets the limit without 1/r, -2 sqrt(eta / pi)."""
    inverse = np.linalg.inv(cell_A)
    wrapped_rows_A = (rows_A @ inverse % 1.0) @ cell_A
    fractional = columns_A @ inverse % 1.0
    heights_A = 1 / np.linalg.norm(inverse, axis=0)
    images = np.ceil(REAL_CUTOFF_A / heights_A).astype(int)
    tree = cKDTree(wrapped_rows_A)
    kernel = np.zeros((len(rows_A), len(columns_A)))
    for shift in product(*(range(-count, count + 1) for count in images)):
        near = tree.sparse_distance_matrix(cKDTree((fractional + shift) @ cell_A), REAL_CUTOFF_A, output_type="coo_matrix")
        itself = near.data < 1e-6
        values = np.full(len(near.data), -2 * screening / math.sqrt(math.pi))
        values[~itself] = erfc(screening * near.data[~itself]) / near.data[~itself]
        kernel[near.row, near.col] += values  # one image: each pair occurs once
    return kernel


def _reciprocal(cell_A: FloatArray, rows_A: FloatArray, columns_A: FloatArray, eta: float, volume_A3: float) -> FloatArray:
    """(4 pi / V) sum_G exp(-G^2 / 4 eta) / G^2 cos(G (r_i - r_j)), over half of the vectors twice."""
    vectors = _half_sphere(2 * math.pi * np.linalg.inv(cell_A).T, 2 * math.sqrt(eta * EXPONENT))
    squares = np.einsum("ij,ij->i", vectors, vectors)
    weights = 8 * math.pi / volume_A3 * np.exp(-squares / (4 * eta)) / squares
    kernel = np.zeros((len(rows_A), len(columns_A)))
    step = max(1, CHUNK // (len(rows_A) + len(columns_A)))
    for start in range(0, len(vectors), step):
        part, weight = vectors[start : start + step], weights[start : start + step, None]
        row_phases, column_phases = part @ rows_A.T, part @ columns_A.T
        kernel += (weight * np.cos(row_phases)).T @ np.cos(column_phases) + (weight * np.sin(row_phases)).T @ np.sin(column_phases)
    return kernel


def _half_sphere(reciprocal: FloatArray, limit: float) -> FloatArray:
    """One of each pair G, -G of lattice vectors within a sphere, the origin left out. reciprocal (3, 3) rows include 2 pi."""
    counts = np.ceil(limit * np.linalg.norm(np.linalg.inv(reciprocal), axis=0)).astype(int)
    grid = np.array(list(product(*(range(-count, count + 1) for count in counts))))
    half = grid[len(grid) // 2 + 1 :]  # the list is symmetric about its middle, the origin
    vectors = half @ reciprocal
    return vectors[np.einsum("ij,ij->i", vectors, vectors) <= limit**2]

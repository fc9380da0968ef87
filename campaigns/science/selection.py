"""Numbers that decide about one configuration: smallest distance, bond variation, size of the forces, and whether it is there already."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from ase.neighborlist import primitive_neighbor_list
from numpy.typing import NDArray
from scipy.spatial import cKDTree

FloatArray = NDArray[np.floating]

# Two atoms are bonded in the reference cell when they are closer than this times the sum of their covalent radii (doi:10.1039/b801115j).
BOND_FACTOR = 1.2
# Elements that hold a framework together as its anions: a bond of the bond-variation rule has one at an end (P-S, Zr-O, but not La-Zr).
ANIONS = frozenset({"N", "O", "F", "S", "Cl", "Se", "Br", "Te", "I"})
# Elements that bind to their like (P-P, C-C, B-B) and to hydrogen (B-H).
NETWORK_FORMERS = frozenset({"B", "C", "Si", "Ge", "P", "S"})
KEY_DECIMALS = 6


@dataclass(frozen=True)
class ForceStatistics:
    """`max_force_eV_A`: longest force on an atom. `rms_force_eV_A`: over the Cartesian components, like DeePMD-kit's errors."""

    max_force_eV_A: float
    rms_force_eV_A: float


@dataclass(frozen=True)
class Bonds:
    """Bonds of a reference cell: first, second (n_bonds,) atom indices; vector_fractional (n_bonds, 3); length_A (n_bonds,)."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    vector_fractional: FloatArray
    length_A: FloatArray

    def __len__(self) -> int:
        return len(self.first)


def min_distance_A(positions_A: FloatArray, cell_A: FloatArray) -> float:
    """Smallest distance between two atoms of a periodic crystal, an atom and its own images included.

    positions_A (n_atoms, 3), cell_A (3, 3) rows are lattice vectors of any shape. Raises ValueError for what is no crystal.
    """
    if not (np.isfinite(positions_A).all() and np.isfinite(cell_A).all()):
        raise ValueError("positions or cell are not finite numbers")
    volume_A3 = abs(np.linalg.det(cell_A))
    if volume_A3 < 1e-6 or len(positions_A) == 0:
        raise ValueError("the cell has no volume or no atoms")
    heights_A = 1 / np.linalg.norm(np.linalg.inv(cell_A), axis=0)
    fractional = np.linalg.solve(cell_A.T, np.asarray(positions_A, dtype=np.float64).T).T
    fractional -= np.floor(fractional)
    # A pair at distance d spans at most d/height cells along an axis; of atoms wrapped into one cell those images are enough.
    distance_A = _nearest(fractional, cell_A, np.ones(3, dtype=int))
    needed = np.ceil(distance_A / heights_A).astype(int)
    return distance_A if (needed <= 1).all() else _nearest(fractional, cell_A, needed)


def _nearest(fractional: FloatArray, cell_A: FloatArray, images: NDArray[np.integer]) -> float:
    shifts = np.array(list(product(*(range(-count, count + 1) for count in images))), dtype=np.float64)
    around = (fractional[None, :, :] + shifts[:, None, :]).reshape(-1, 3) @ cell_A
    distances_A, _ = cKDTree(around).query(fractional @ cell_A, k=2)  # the first is the atom itself
    return float(distances_A[:, 1].min())


def force_statistics(forces_eV_A: FloatArray) -> ForceStatistics:
    """Of one configuration, forces (n_atoms, 3)."""
    return ForceStatistics(float(np.linalg.norm(forces_eV_A, axis=1).max()), float(np.sqrt(np.mean(np.square(forces_eV_A)))))


def bond_limits_A(elements: Sequence[str]) -> dict[tuple[str, str], float]:
    """Largest bond length, by pair of elements that can be bonded: an anion with another element, a network former with its like or H."""

    def can_bond(one: str, other: str) -> bool:
        if one == other:
            return one in NETWORK_FORMERS
        return bool({one, other} & ANIONS) or ("H" in (one, other) and bool({one, other} & NETWORK_FORMERS))

    radii_A = {symbol: float(covalent_radii[atomic_numbers[symbol]]) for symbol in elements}
    pairs = product(sorted(radii_A), repeat=2)
    return {(one, other): BOND_FACTOR * (radii_A[one] + radii_A[other]) for one, other in pairs if can_bond(one, other)}


def framework_bonds(symbols: Sequence[str], positions_A: FloatArray, cell_A: FloatArray, framework_elements: Sequence[str]) -> Bonds:
    """Bonds between framework atoms of the reference cell, each once. There may be none (Li3N)."""
    chosen = np.array([index for index, symbol in enumerate(symbols) if symbol in set(framework_elements)], dtype=int)
    limits_A = bond_limits_A(sorted({symbols[index] for index in chosen}))
    if not limits_A:
        return Bonds(np.zeros(0, dtype=int), np.zeros(0, dtype=int), np.zeros((0, 3)), np.zeros(0))
    first, second, length_A, vector_A = primitive_neighbor_list(
        "ijdD", (True, True, True), np.asarray(cell_A), np.asarray(positions_A)[chosen], max(limits_A.values())
    )
    pairs = [(symbols[chosen[one]], symbols[chosen[other]]) for one, other in zip(first, second, strict=True)]
    once = [one < other or (one == other and i < j) for (one, other), i, j in zip(pairs, first, second, strict=True)]
    short = [length < limits_A.get(pair, 0.0) for pair, length in zip(pairs, length_A, strict=True)]
    kept = np.array(once, dtype=bool) & np.array(short, dtype=bool)
    return Bonds(chosen[first[kept]], chosen[second[kept]], vector_A[kept] @ np.linalg.inv(cell_A), length_A[kept])


def max_bond_variation(
    bonds: Bonds, reference_positions_A: FloatArray, reference_cell_A: FloatArray, positions_A: FloatArray, cell_A: FloatArray
) -> float | None:
    """Largest relative change of a bond length against the reference cell; None where the framework has no bonds.

    Atoms are followed by their displacement relative to each other, so wrapped and unwrapped positions give the same and a drift of all
    atoms counts for nothing.
    """
    if len(bonds) == 0:
        return None
    moved = np.asarray(positions_A) @ np.linalg.inv(cell_A) - np.asarray(reference_positions_A) @ np.linalg.inv(reference_cell_A)
    relative = moved[bonds.second] - moved[bonds.first]
    relative -= np.round(relative)
    length_A = np.linalg.norm((bonds.vector_fractional + relative) @ cell_A, axis=1)
    return float(np.abs(length_A / bonds.length_A - 1).max())


def geometry_key(symbols: Sequence[str], positions_A: FloatArray, cell_A: FloatArray) -> str:
    """Equal for the same atoms in the same places (to about 1e-5 A), wrapped or not: to find a configuration that is there twice."""
    fractional = np.asarray(positions_A, dtype=np.float64) @ np.linalg.inv(cell_A)
    rounded = np.round(fractional - np.floor(fractional), KEY_DECIMALS)
    rounded[rounded >= 1.0] = 0.0
    content = [" ".join(map(str, symbols)).encode(), (rounded + 0.0).tobytes(), (np.round(cell_A, KEY_DECIMALS) + 0.0).tobytes()]
    return hashlib.sha256(b"|".join(content)).hexdigest()


def root_mean_square(values: Sequence[float] | FloatArray) -> float:
    """NaN for no values."""
    array = np.asarray(values, dtype=np.float64)
    return float(np.sqrt(np.mean(np.square(array)))) if array.size else math.nan

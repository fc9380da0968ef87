"""The ordering of one supercell as an energy matrix: Ewald energies, and a penalty for pairs of atoms that are too close."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from ase.neighborlist import primitive_neighbor_list
from numpy.typing import NDArray
from pymatgen.core import Structure

from campaigns.science.electrostatics import coulomb_kernel_eV, ewald_energy_eV, potential_eV
from campaigns.science.ordering_anneal import Lattice
from campaigns.science.ordering_composition import Composition, PartialSite, Pool

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# No two atoms of these charges may be closer, where at least one of them was placed here. Li 2.3 A: cubic LLZO has 24d-96h pairs at 1.60 A
# (never both occupied) and at 2.38 A (allowed).
MIN_DISTANCES_A = {"cation-cation": 2.3, "cation-anion": 1.2, "anion-anion": 2.0}
HYDROGEN_FACTOR = 0.6
CONFLICT_EV = 20.0


@dataclass(frozen=True)
class Supercell:
    """Every site of the supercell, whole ones and others: cell_A (3, 3), positions_A (n_sites, 3)."""

    cell_A: FloatArray
    positions_A: FloatArray
    sites: tuple[PartialSite, ...]


def partial_sites(structure: Structure) -> list[PartialSite]:
    """Sites of a structure with the occupancies of their elements; oxidation states in the file count for nothing here."""
    found = []
    for site in structure:
        occupancies: dict[str, float] = {}
        for species, share in site.species.items():
            occupancies[species.symbol] = occupancies.get(species.symbol, 0.0) + float(share)
        found.append(PartialSite(site.label or "", occupancies))
    return found


def repeat(structure: Structure, supercell: tuple[int, int, int]) -> Supercell:
    """The structure so many times along a, b and c, its whole sites and the others."""
    cell_A = np.array(structure.lattice.matrix, dtype=np.float64)
    fractional = np.array(structure.frac_coords, dtype=np.float64) % 1.0
    shifts = np.array(list(product(*map(range, supercell))), dtype=np.float64)
    positions_A = (fractional[None] + shifts[:, None]).reshape(-1, 3) @ cell_A
    return Supercell(cell_A * np.array(supercell)[:, None], positions_A, tuple(partial_sites(structure) * len(shifts)))


class Problem:
    """A supercell's ordering as an energy matrix over its variables: one element on one of the sites in the pools, and the vacancy."""

    def __init__(self, large: Supercell, pools: list[Pool], composition: Composition, states: dict[str, float]) -> None:
        self._large, self._composition, self._states = large, composition, states
        self._placed = np.array([index for pool in pools for index in pool.sites])
        local = {int(index): number for number, index in enumerate(self._placed)}
        self._pools = [np.array([local[index] for index in pool.sites]) for pool in pools]
        self._fixed = np.array([index for index in range(len(large.sites)) if index not in local], dtype=int)
        self._fixed_symbols = [next(iter(large.sites[index].occupancies)) for index in self._fixed]
        self._species = sorted({symbol for pool in pools for symbol in pool.expected})
        self._variable, self._site_of, self._symbol_of = self._variables(pools)
        placed_A = large.positions_A[self._placed]
        self._kernel_eV = coulomb_kernel_eV(large.cell_A, placed_A, placed_A)
        self._potential_eV, self._fixed_energy_eV = self._of_fixed_atoms(placed_A)
        self._field_eV, self._coupling_eV = self._electrostatics()
        self._near = self._near_pairs()
        self._penalties: dict[float, tuple[FloatArray, FloatArray]] = {}

    def _variables(self, pools: list[Pool]) -> tuple[IntArray, IntArray, list[str]]:
        """Index of each element on each site, with the vacancy last; the site and the element of each variable."""
        pairs = [
            (int(site), symbol)
            for pool, members in zip(pools, self._pools, strict=True)
            for site in members
            for symbol in sorted(pool.expected)
        ]
        variable = np.full((len(self._placed), len(self._species) + 1), len(pairs), dtype=np.intp)
        for number, (site, symbol) in enumerate(pairs):
            variable[site, self._species.index(symbol)] = number
        return variable, np.array([site for site, _ in pairs], dtype=np.intp), [symbol for _, symbol in pairs]

    def _of_fixed_atoms(self, placed_A: FloatArray) -> tuple[FloatArray, float]:
        """Potential of the atoms outside of the pools on each site in a pool, and their energy among themselves."""
        cell_A, fixed_A = self._large.cell_A, self._large.positions_A[self._fixed]
        if len(fixed_A) == 0:
            return np.zeros(len(placed_A)), 0.0
        charges_e = np.array([self._states[symbol] for symbol in self._fixed_symbols])
        return potential_eV(cell_A, placed_A, fixed_A, charges_e), ewald_energy_eV(cell_A, fixed_A, charges_e)

    def _electrostatics(self) -> tuple[FloatArray, FloatArray]:
        charges_e = np.array([self._states[symbol] for symbol in self._symbol_of])
        n = len(charges_e)
        field_eV, coupling_eV = np.zeros(n + 1), np.zeros((n + 1, n + 1))
        field_eV[:n] = charges_e * self._potential_eV[self._site_of]
        coupling_eV[:n, :n] = self._kernel_eV[np.ix_(self._site_of, self._site_of)] * charges_e[:, None] * charges_e[None]
        return field_eV, coupling_eV

    def _near_pairs(self) -> list[tuple[int, int, float]]:
        """Pairs of different sites within the largest minimum distance, one of them in a pool, each once a direction."""
        first, second, distances_A = primitive_neighbor_list(
            "ijd", (True, True, True), self._large.cell_A, self._large.positions_A, max(MIN_DISTANCES_A.values())
        )
        placed = set(self._placed.tolist())
        return [(int(i), int(j), float(d)) for i, j, d in zip(first, second, distances_A, strict=True) if i != j and int(i) in placed]

    def lattice(self, scale: float) -> Lattice:
        """The energy matrix with a penalty for pairs that are closer than `scale` times the minimum distances."""
        field_eV, coupling_eV = self._penalty_eV(scale)
        return Lattice(self._variable, self._field_eV + field_eV, self._coupling_eV + coupling_eV, self._pools)

    def conflicts(self, species: IntArray, scale: float) -> int:
        """Pairs that are too close, among the sites in the pools and with the fixed atoms."""
        field_eV, coupling_eV = self._penalty_eV(scale)
        occupied = self._variable[np.arange(len(species)), species]
        return round(float(field_eV[occupied].sum() + 0.5 * coupling_eV[np.ix_(occupied, occupied)].sum()) / CONFLICT_EV)

    def _penalty_eV(self, scale: float) -> tuple[FloatArray, FloatArray]:
        if scale not in self._penalties:
            self._penalties[scale] = self._penalise(scale)
        return self._penalties[scale]

    def _penalise(self, scale: float) -> tuple[FloatArray, FloatArray]:
        n = len(self._symbol_of)
        field_eV, coupling_eV = np.zeros(n + 1), np.zeros((n + 1, n + 1))
        local = {int(index): number for number, index in enumerate(self._placed)}
        fixed = dict(zip(self._fixed.tolist(), self._fixed_symbols, strict=True))
        for i, j, distance_A in self._near:
            for one in self._variables_at(local[i]):
                if j in fixed:
                    field_eV[one] += CONFLICT_EV * (distance_A < scale * self._min_distance_A(self._symbol_of[one], fixed[j]))
                    continue
                for other in self._variables_at(local[j]):
                    if distance_A < scale * self._min_distance_A(self._symbol_of[one], self._symbol_of[other]):
                        coupling_eV[one, other] = CONFLICT_EV
        return field_eV, coupling_eV

    def _variables_at(self, site: int) -> list[int]:
        return [int(number) for number in self._variable[site] if number < len(self._symbol_of)]

    def _min_distance_A(self, one: str, other: str) -> float:
        positive = (self._states[one] > 0) + (self._states[other] > 0)
        name = ("anion-anion", "cation-anion", "cation-cation")[positive]
        return MIN_DISTANCES_A[name] * (HYDROGEN_FACTOR if "H" in (one, other) else 1.0)

    def start(self, rng: np.random.Generator) -> IntArray:
        """The composition's atoms drawn onto the sites at random. (n_sites,)"""
        species = np.full(len(self._placed), len(self._species), dtype=np.intp)
        for members, counts in zip(self._pools, self._composition.counts, strict=True):
            held = [self._species.index(symbol) for symbol, count in counts.items() for _ in range(count)]
            species[rng.permutation(members)[: len(held)]] = held
        return species

    def _contents(self, species: IntArray) -> list[tuple[int, str]]:
        """(site of the supercell, element) of all atoms."""
        placed = [(int(self._placed[number]), self._species[kind]) for number, kind in enumerate(species) if kind < len(self._species)]
        return sorted([*zip(self._fixed.tolist(), self._fixed_symbols, strict=True), *placed])

    def energy_eV(self, species: IntArray) -> float:
        """Ewald energy of the whole cell."""
        return self._fixed_energy_eV + self._sum_eV(species, [self._states[symbol] for symbol in self._species])

    def fingerprint(self, species: IntArray) -> float:
        """Equal for arrangements that a symmetry of the crystal makes the same; it tells elements of equal charge apart."""
        return self._sum_eV(species, [math.sqrt(number + 2) for number in range(len(self._species))])

    def _sum_eV(self, species: IntArray, charges: Sequence[float]) -> float:
        """Energy of such charges on the sites in the pools, in the field of the fixed atoms and with each other."""
        held = np.array([*charges, 0.0])[species]
        return float(held @ self._potential_eV + 0.5 * held @ self._kernel_eV @ held)

    def site_counts(self, species: IntArray) -> tuple[tuple[str, str, int, int], ...]:
        labels = [self._large.sites[index].label for index in self._placed]
        held = [(label, self._species[kind]) for label, kind in zip(labels, species, strict=True) if kind < len(self._species)]
        return tuple((label, symbol, held.count((label, symbol)), labels.count(label)) for label, symbol in sorted(set(held)))

    def atoms(self, species: IntArray) -> tuple[list[str], FloatArray]:
        """Elements and positions_A (n_atoms, 3) of an arrangement."""
        contents = self._contents(species)
        return [symbol for _, symbol in contents], self._large.positions_A[[index for index, _ in contents]]

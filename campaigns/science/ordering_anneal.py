"""Which site holds which atom: Monte Carlo exchanges within pools at falling temperature, then descent, over a precomputed energy matrix.

A variable is one element on one site; x is 0 or 1; E = sum_k h_k x_k + 1/2 sum_kl M_kl x_k x_l. A vacancy is a variable whose terms are
all zero, so an exchange of atoms and a move into a vacancy are the same thing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

HOT_EV = 6.0  # kT at the start: above the energy of a typical exchange of unit charges
COLD_EV = 0.1
SWEEPS = 300
MAX_STEPS = 20_000
IMPROVEMENT_EV = 1e-7


@dataclass(frozen=True)
class Lattice:
    """The problem. `variable[site, species]` gives a variable's index; the last species and the last variable are the vacancy.

    field_eV (n_variables,), coupling_eV (n_variables, n_variables) symmetric, self-energies on its diagonal; the vacancy's row is zero.
    pools: site indices that exchange among each other.
    """

    variable: IntArray
    field_eV: FloatArray
    coupling_eV: FloatArray
    pools: Sequence[IntArray]


@dataclass(frozen=True)
class Arrangement:
    """species (n_sites,) on each site; its energy; how many exchanges were tried and accepted to find it."""

    species: IntArray
    energy_eV: float
    tried: int
    accepted: int


def anneal(lattice: Lattice, start: IntArray, rng: np.random.Generator, sweeps: int = SWEEPS) -> Arrangement:
    """From a starting arrangement (n_sites,) to a local minimum that no single exchange lowers; with no sweeps by descent alone."""
    walk = _Walk(lattice, start)
    movable = [pool for pool in lattice.pools if len(set(start[pool])) > 1]
    n_sites = sum(map(len, movable))
    n_steps = min(MAX_STEPS, sweeps * n_sites)
    kinds = [np.unique(start[pool]) for pool in movable]
    owner = np.repeat(np.arange(len(movable)), [len(pool) for pool in movable])
    sites = np.concatenate(movable) if movable else np.zeros(0, dtype=np.intp)
    accepted = 0
    for step in range(n_steps):
        kT_eV = HOT_EV * (COLD_EV / HOT_EV) ** (step / n_steps)
        pick = rng.integers(n_sites)
        one, pool, present = int(sites[pick]), movable[owner[pick]], kinds[owner[pick]]
        others = present[present != walk.species[one]]
        other = int(others[rng.integers(len(others))])
        partners = pool[walk.species[pool] == other]
        chosen = _heat_bath(walk.changes_eV(one, other, partners), kT_eV, rng.random())
        if chosen is not None:
            walk.exchange(one, int(partners[chosen]))
            accepted += 1
    walk.descend(movable)
    return Arrangement(walk.species.copy(), walk.energy_eV(), n_steps, accepted)


def _heat_bath(changes_eV: FloatArray, kT_eV: float, uniform: float) -> int | None:
    """One of the exchanges, or none, by their Boltzmann weights.

    An atom chooses among its own site and all sites of one other kind; it has the same choice from wherever it goes: detailed balance.
    """
    exponents = changes_eV * (-1 / kT_eV)
    largest = max(0.0, float(exponents.max()))
    cumulative = np.exp(exponents - largest).cumsum()
    target = uniform * (cumulative[-1] + math.exp(-largest))
    return int(cumulative.searchsorted(target)) if target < cumulative[-1] else None


class _Walk:
    """An arrangement and the field that every variable feels in it."""

    def __init__(self, lattice: Lattice, start: IntArray) -> None:
        self._lattice = lattice
        self.species = np.array(start, dtype=np.intp)
        self._occupied = lattice.variable[np.arange(len(start)), self.species]
        self._felt_eV = lattice.field_eV + lattice.coupling_eV[:, self._occupied].sum(axis=1)
        self._half_own_eV = 0.5 * lattice.coupling_eV.diagonal()

    def energy_eV(self) -> float:
        return float(0.5 * (self._lattice.field_eV[self._occupied] + self._felt_eV[self._occupied]).sum())

    def changes_eV(self, one: int, kind: int, others: IntArray) -> FloatArray:
        """Of the energy when a site exchanges what it holds with one of the others, for each of them; they all hold `kind`."""
        variable, coupling, own = self._lattice.variable, self._lattice.coupling_eV, self._half_own_eV
        leaves, comes = self._occupied[one], variable[one, kind]
        leave, come = self._occupied[others], variable[others, self.species[one]]
        felt = self._felt_eV - coupling[leaves] + coupling[comes]  # by the other site, when the first has changed
        here = self._felt_eV[comes] - self._felt_eV[leaves] + own[comes] + own[leaves] - coupling[leaves, comes]
        return felt[come] - felt[leave] + own[come] + own[leave] - coupling[leave, come] + here

    def exchange(self, one: int, other: int) -> None:
        variable, coupling = self._lattice.variable, self._lattice.coupling_eV
        self._felt_eV -= coupling[self._occupied[one]] + coupling[self._occupied[other]]
        self.species[one], self.species[other] = self.species[other], self.species[one]
        for site in (one, other):
            self._occupied[site] = variable[site, self.species[site]]
            self._felt_eV += coupling[self._occupied[site]]

    def descend(self, pools: Sequence[IntArray]) -> None:
        """Take the best exchange of each site with each kind in turn until none lowers the energy."""
        improved = True
        while improved:
            improved = False
            for pool in pools:
                kinds = np.unique(self.species[pool]).tolist()
                for site, kind in product(pool.tolist(), kinds):
                    others = pool[self.species[pool] == kind]
                    if self.species[site] == kind:
                        continue
                    changes_eV = self.changes_eV(site, kind, others)
                    best = int(changes_eV.argmin())
                    if changes_eV[best] < -IMPROVEMENT_EV:
                        self.exchange(site, int(others[best]))
                        improved = True

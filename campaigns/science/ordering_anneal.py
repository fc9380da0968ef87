"""Which site holds which atom: Monte Carlo exchanges within pools at falling temperature, then descent, over a precomputed energy matrix.

A variable is one element on one site; x is 0 or 1; E = sum_k h_k x_k + 1/2 sum_kl M_kl x_k x_l. A vacancy is a variable whose terms are
all zero, so an exchange of atoms and a move into a vacancy are the same thing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

HOT_EV = 6.0  # kT at the start: above the energy of a typical exchange of unit charges
COLD_EV = 0.1
SWEEPS = 150
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
        partners = pool[walk.species[pool] == others[rng.integers(len(others))]]
        chosen = _heat_bath(walk.changes_eV(one, partners), kT_eV, rng.random())
        if chosen is not None:
            walk.exchange(one, int(partners[chosen]))
            accepted += 1
    walk.descend(movable)
    return Arrangement(walk.species.copy(), walk.energy_eV(), n_steps, accepted)


def _heat_bath(changes_eV: FloatArray, kT_eV: float, uniform: float) -> int | None:
    """One of the exchanges, or none, by their Boltzmann weights.

    An atom chooses among its own site and all sites of one other kind; it has the same choice from wherever it goes: detailed balance.
    """
    exponents = -np.append(changes_eV, 0.0) / kT_eV
    cumulative = np.cumsum(np.exp(exponents - exponents.max()))
    chosen = int(np.searchsorted(cumulative, uniform * cumulative[-1]))
    return chosen if chosen < len(changes_eV) else None


class _Walk:
    """An arrangement and the field that every variable feels in it."""

    def __init__(self, lattice: Lattice, start: IntArray) -> None:
        self._lattice = lattice
        self.species = np.array(start, dtype=np.intp)
        self._occupied = lattice.variable[np.arange(len(start)), self.species]
        self._felt_eV = lattice.coupling_eV[:, self._occupied].sum(axis=1)

    def energy_eV(self) -> float:
        return float(self._lattice.field_eV[self._occupied].sum() + 0.5 * self._felt_eV[self._occupied].sum())

    def changes_eV(self, one: int, others: IntArray) -> FloatArray:
        """Of the energy when a site exchanges what it holds with one of the others, for each of them."""
        variable, coupling = self._lattice.variable, self._lattice.coupling_eV
        a, b = self._occupied[one], self._occupied[others]
        c, d = variable[one, self.species[others]], variable[others, self.species[one]]
        total = self._lattice.field_eV + self._felt_eV
        own = 0.5 * (coupling[a, a] + coupling[b, b] + coupling[c, c] + coupling[d, d])
        return (total[c] + total[d] - total[a] - total[b] + own + coupling[a, b] + coupling[c, d] - coupling[a, c] - coupling[a, d]
                - coupling[b, c] - coupling[b, d])

    def exchange(self, one: int, other: int) -> None:
        variable, coupling = self._lattice.variable, self._lattice.coupling_eV
        self._felt_eV -= coupling[self._occupied[one]] + coupling[self._occupied[other]]
        self.species[one], self.species[other] = self.species[other], self.species[one]
        for site in (one, other):
            self._occupied[site] = variable[site, self.species[site]]
            self._felt_eV += coupling[self._occupied[site]]

    def descend(self, pools: Sequence[IntArray]) -> None:
        """Take the best exchange of each site in turn until none lowers the energy."""
        improved = True
        while improved:
            improved = False
            for pool in pools:
                for site in pool:
                    others = pool[self.species[pool] != self.species[site]]
                    changes_eV = self.changes_eV(int(site), others)
                    best = int(np.argmin(changes_eV)) if len(others) else 0
                    if len(others) and changes_eV[best] < -IMPROVEMENT_EV:
                        self.exchange(int(site), int(others[best]))
                        improved = True

"""From partial occupancies to ordered, charge-neutral supercells, ranked by their electrostatic energy.

All atoms of a supercell are drawn at once, with a minimum distance that no pair may violate, and exchanged until the Ewald energy is
lowest: site by site, the occupancies of cubic LLZO cannot be drawn at all, for nearly every 96h site has an occupied 24d site at 1.60 A.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from campaigns.science.ordering_anneal import SWEEPS, Arrangement, anneal
from campaigns.science.ordering_composition import (
    CannotBeNeutral,
    Composition,
    Pool,
    mean_valence,
    neutral_composition,
    pools_of,
    tolerance_e,
)
from campaigns.science.ordering_problem import MIN_DISTANCES_A, Problem, Supercell, repeat
from campaigns.science.oxidation import guess_oxidation_states

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

RELAXATION = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6)  # of the minimum distances, in turn, where there is no room
FEASIBILITY_RUNS = 3
RUNS = 8
MAX_RUNS = 104
DESCENTS = 40
MAX_DESCENTS = 200
DISTINCT_EV = 1e-3


class OxidationStatesNeeded(ValueError):
    """A disordered structure whose oxidation states cannot be guessed. The text says what to give."""


class NoRoom(ValueError):
    """The atoms cannot be placed without two of them being too close."""


@dataclass(frozen=True)
class Provenance:
    """How an ordered cell came about; plain data."""

    supercell: tuple[int, int, int]
    seed: int
    oxidation_states: dict[str, float]
    composition: dict[str, int]
    composition_reason: str
    rank: int  # 0: the lowest electrostatic energy of the first batch of runs
    candidate_energies_eV: tuple[float, ...]  # of all that were wanted, by rank
    min_distances_A: dict[str, float]
    exchanges_tried: int
    exchanges_accepted: int
    site_counts: tuple[tuple[str, str, int, int], ...]  # orbit's label, element, atoms on it, sites


@dataclass(frozen=True)
class OrderedCell:
    """symbols (n_atoms,) grouped by element in alphabetical order, positions_A (n_atoms, 3), cell_A (3, 3) rows are lattice vectors."""

    symbols: tuple[str, ...]
    positions_A: FloatArray
    cell_A: FloatArray
    electrostatic_energy_eV: float | None  # None: nothing was disordered
    provenance: Provenance


@dataclass(frozen=True)
class _Found:
    arrangement: Arrangement
    energy_eV: float
    fingerprint: float


def order(
    structure: Structure,
    supercell: tuple[int, int, int],
    mobile_ion: str,
    seed: int,
    n_candidates: int = 1,
    oxidation_states: Mapping[str, float] | None = None,
    runs: int = RUNS,
    sweeps: int = SWEEPS,
) -> list[OrderedCell]:
    """Distinct ordered cells: at most `n_candidates`, fewer where there are not so many. The same seed gives the same cells.

    The first are what `runs` of `sweeps` exchanges a site find, by rising electrostatic energy; where more are wanted, each further batch
    of runs adds its own, so that a number means the same cell however many are wanted. Longer and more runs find lower energies.
    Raises OxidationStatesNeeded, CannotBeNeutral or NoRoom.
    """
    large = repeat(structure, supercell)
    pools = pools_of(large.sites, mobile_ion)
    states = _oxidation_states(structure, oxidation_states, needed=bool(pools))
    if not pools:
        return [_whole(large, supercell, seed, states, check=oxidation_states is not None)]
    composition, states = _composition(large, pools, states)
    problem = Problem(large, pools, composition, states)
    scale, first = _feasible(problem, seed, min(runs, FEASIBILITY_RUNS), sweeps)
    ranked = _candidates(problem, scale, seed, first, n_candidates, runs, sweeps)
    energies_eV = tuple(item.energy_eV for item in ranked)
    distances_A = {name: round(scale * distance_A, 3) for name, distance_A in MIN_DISTANCES_A.items()}
    return [
        _grouped(
            *problem.atoms(item.arrangement.species),
            large.cell_A,
            item.energy_eV,
            Provenance(
                supercell=supercell,
                seed=seed,
                oxidation_states=states,
                composition=dict(composition.total),
                composition_reason=composition.reason(),
                rank=rank,
                candidate_energies_eV=energies_eV,
                min_distances_A=distances_A,
                exchanges_tried=item.arrangement.tried,
                exchanges_accepted=item.arrangement.accepted,
                site_counts=problem.site_counts(item.arrangement.species),
            ),
        )
        for rank, item in enumerate(ranked)
    ]


def _oxidation_states(structure: Structure, given: Mapping[str, float] | None, needed: bool) -> dict[str, float]:
    """Those given, else guessed; none where nothing is disordered and none can be guessed."""
    amounts = structure.composition.get_el_amt_dict()
    if given is not None:
        missing = sorted(set(amounts) - set(given))
        if missing:
            raise OxidationStatesNeeded(f"Give an oxidation state for {', '.join(missing)} too.")
        return {symbol: float(given[symbol]) for symbol in sorted(amounts)}
    guessed = guess_oxidation_states(amounts)
    if guessed is None and needed:
        raise OxidationStatesNeeded(
            f"The oxidation states of {', '.join(sorted(amounts))} could not be guessed from the composition, and a disordered structure "
            "is ordered by its charges: give one for each element, for instance {Li: 1, S: -2}, or correct the occupancies in the CIF."
        )
    return guessed or {}


def _composition(large: Supercell, pools: list[Pool], states: dict[str, float]) -> tuple[Composition, dict[str, float]]:
    """Whole numbers of atoms. An element with a mean oxidation state takes up what is left of the charge."""
    composition = neutral_composition(large.sites, pools, states, tolerance_e(states))
    mean = mean_valence(states)
    if mean is None:
        return composition, states
    if not composition.total.get(mean):
        raise CannotBeNeutral(f"No {mean} is left in so small a cell: choose a larger supercell.")
    charge_e = sum(count * states[symbol] for symbol, count in composition.total.items())
    return composition, states | {mean: states[mean] - charge_e / composition.total[mean]}


def _whole(large: Supercell, supercell: tuple[int, int, int], seed: int, states: dict[str, float], check: bool) -> OrderedCell:
    """The supercell of a structure that is ordered already."""
    if check:
        neutral_composition(large.sites, [], states, tolerance_e(states))
    symbols = [next(iter(site.occupancies)) for site in large.sites]
    composition = {symbol: symbols.count(symbol) for symbol in sorted(set(symbols))}
    provenance = Provenance(supercell, seed, states, composition, "The structure is ordered as it is.", 0, (), {}, 0, 0, ())
    return _grouped(symbols, large.positions_A, large.cell_A, None, provenance)


def _grouped(
    symbols: list[str], positions_A: FloatArray, cell_A: FloatArray, energy_eV: float | None, provenance: Provenance
) -> OrderedCell:
    indices = sorted(range(len(symbols)), key=lambda index: symbols[index])
    return OrderedCell(tuple(symbols[index] for index in indices), positions_A[indices], cell_A, energy_eV, provenance)


def _feasible(problem: Problem, seed: int, runs: int, sweeps: int) -> tuple[float, list[_Found]]:
    """The largest of the minimum distances with which the atoms find room, and arrangements that keep it."""
    for scale in RELAXATION:
        kept = _search(problem, scale, seed, range(runs), sweeps)
        if kept:
            return scale, kept
    raise NoRoom(
        f"The atoms cannot be placed without cations closer than {RELAXATION[-1] * MIN_DISTANCES_A['cation-cation']:.2f} Å: "
        "check the occupancies of sites that are close to each other, and the cell."
    )


def _candidates(problem: Problem, scale: float, seed: int, first: list[_Found], n_candidates: int, runs: int, sweeps: int) -> list[_Found]:
    """Batches of annealed runs while they find new arrangements, then of plain descents. `first`: from the first runs of the first batch.

    A batch only adds to the ones before it and every run has random numbers of its own, so a candidate's number means the same cell
    however many are asked for: two cells of a campaign with different numbers are different.
    """
    done = min(runs, FEASIBILITY_RUNS)
    kept = _distinct(first + _search(problem, scale, seed, range(done, runs), sweeps))
    start = runs
    for size, limit, batch_sweeps in ((runs, MAX_RUNS, sweeps), (DESCENTS, MAX_RUNS + MAX_DESCENTS, 0)):
        while len(kept) < n_candidates and start < limit:
            found = _search(problem, scale, seed, range(start, start + size), batch_sweeps)
            start += size
            new = [item for item in _distinct(found) if not any(_same(item, other) for other in kept)]
            if not new:
                break
            kept += new
    return kept[:n_candidates]


def _search(problem: Problem, scale: float, seed: int, numbers: range, sweeps: int) -> list[_Found]:
    """What the runs of these numbers find without a pair that is too close."""
    lattice = problem.lattice(scale)
    found: list[_Found] = []
    for number in numbers:
        rng = np.random.default_rng([seed, number])
        arrangement = anneal(lattice, problem.start(rng), rng, sweeps)
        if problem.conflicts(arrangement.species, scale) == 0:
            found.append(_Found(arrangement, problem.energy_eV(arrangement.species), problem.fingerprint(arrangement.species)))
    return found


def _distinct(found: list[_Found]) -> list[_Found]:
    """By rising energy, one of each kind. Equal energies (elements of equal charge) go by fingerprint, not by their rounding errors."""
    kept: list[_Found] = []
    for item in sorted(found, key=lambda item: (round(item.energy_eV, 6), item.fingerprint)):
        if not any(_same(item, other) for other in kept):
            kept.append(item)
    return kept


def _same(one: _Found, other: _Found) -> bool:
    """What differs by a symmetry of the crystal has the same energy and fingerprint."""
    return abs(one.energy_eV - other.energy_eV) < DISTINCT_EV and abs(one.fingerprint - other.fingerprint) < DISTINCT_EV

"""Whole, charge-neutral numbers of atoms for a supercell whose sites are occupied in part.

Sites that may exchange atoms form a pool: all sites that the mobile ion leaves partly empty are one, whatever their orbit, for their
occupancies cannot always be had together (cubic LLZO); other sites exchange among equals only, which keeps a measured site inversion.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

FULL = 1e-3  # what an occupancy may be off from one
SAME_OCCUPANCY = 0.02
MAX_SHIFT_SHARE = 0.1  # of an element's amount that neutrality may cost; one atom is always allowed
ELEMENT_WEIGHT = 10.0  # an element's total counts for more than how it is shared among pools
NEUTRAL_E = 0.01


class CannotBeNeutral(ValueError):
    """No whole numbers of atoms near the occupancies are charge-neutral. The text says what to do."""


@dataclass(frozen=True)
class PartialSite:
    """One site of the supercell: its orbit's label and its occupancies, which may sum to less than one."""

    label: str
    occupancies: Mapping[str, float]

    @property
    def filled(self) -> float:
        return sum(self.occupancies.values())

    @property
    def is_whole(self) -> bool:
        return len(self.occupancies) == 1 and abs(self.filled - 1) < FULL


@dataclass(frozen=True)
class Pool:
    """Sites among which atoms may be exchanged. `sites`: indices; `expected`: atoms of each element by the occupancies."""

    sites: tuple[int, ...]
    expected: Mapping[str, float]

    @property
    def has_vacancies(self) -> bool:
        return sum(self.expected.values()) < len(self.sites) * (1 - FULL)


@dataclass(frozen=True)
class Composition:
    """`counts[pool][element]`: whole numbers for each pool; `total`: atoms of the supercell; `expected`: what the occupancies say."""

    counts: tuple[Mapping[str, int], ...]
    total: Mapping[str, int]
    expected: Mapping[str, float]

    def reason(self) -> str:
        """A sentence for people: what was rounded, and why."""
        moved = [
            f"{symbol} {_number(self.expected[symbol])} → {count}"
            for symbol, count in self.total.items()
            if abs(self.expected[symbol] - count) > 0.005
        ]
        if not moved:
            return "The occupancies give whole, charge-neutral numbers of atoms."
        return "Nearest charge-neutral whole numbers of atoms to the occupancies: " + ", ".join(moved) + "."


def pools_of(sites: Sequence[PartialSite], mobile_ion: str) -> list[Pool]:
    """The pools of the sites that are not wholly occupied by one element, in the order in which they come."""
    groups: dict[tuple, list[int]] = {}
    for index, site in enumerate(sites):
        if not site.is_whole:
            groups.setdefault(_pool_key(site, mobile_ion), []).append(index)
    return [Pool(tuple(members), _sum([sites[index].occupancies for index in members])) for members in groups.values()]


def _pool_key(site: PartialSite, mobile_ion: str) -> tuple:
    symbols = tuple(sorted(site.occupancies))
    if symbols == (mobile_ion,):
        return symbols
    return (*symbols, *(round(site.occupancies[symbol] / SAME_OCCUPANCY) for symbol in symbols))


def _sum(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for part in parts:
        for symbol, amount in part.items():
            total[symbol] = total.get(symbol, 0.0) + amount
    return total


def tolerance_e(oxidation_states: Mapping[str, float]) -> float:
    """No net charge, but where an element has a mean oxidation state: that one adapts itself."""
    return NEUTRAL_E if mean_valence(oxidation_states) is None else math.inf


def mean_valence(oxidation_states: Mapping[str, float]) -> str | None:
    """The element whose oxidation state is not a whole number."""
    return next((symbol for symbol, state in oxidation_states.items() if abs(state - round(state)) > NEUTRAL_E), None)


def neutral_composition(
    sites: Sequence[PartialSite], pools: Sequence[Pool], oxidation_states: Mapping[str, float], allowed_e: float = NEUTRAL_E
) -> Composition:
    """The whole numbers nearest to the occupancies with no net charge beyond what is allowed, by integer linear programming.

    Minimises the sum over elements of the change in atoms, then the changes within pools. Raises CannotBeNeutral.
    """
    expected = _sum([site.occupancies for site in sites])
    fixed = _sum([site.occupancies for site in sites if site.is_whole])
    variables = [(number, symbol) for number, pool in enumerate(pools) for symbol in sorted(pool.expected)]
    elements = sorted({symbol for _, symbol in variables})
    fixed_charge_e = sum(round(count) * oxidation_states[symbol] for symbol, count in fixed.items())
    if not variables:
        _require_neutral(fixed_charge_e, allowed_e)
        return Composition((), {symbol: round(count) for symbol, count in fixed.items()}, expected)
    solution = _solve(pools, variables, elements, oxidation_states, fixed_charge_e, allowed_e)
    if solution is None:
        raise CannotBeNeutral(_advice(expected, oxidation_states))
    counts = tuple(
        {symbol: int(count) for (owner, symbol), count in zip(variables, solution, strict=True) if owner == number}
        for number in range(len(pools))
    )
    total = {symbol: round(count) for symbol, count in _sum([fixed, *counts]).items()}
    return Composition(counts, {symbol: total[symbol] for symbol in sorted(total)}, expected)


def _solve(
    pools: Sequence[Pool],
    variables: list[tuple[int, str]],
    elements: list[str],
    oxidation_states: Mapping[str, float],
    fixed_charge_e: float,
    allowed_e: float,
) -> np.ndarray | None:
    """Whole numbers of the variables, or None. Unknowns: counts, then |change| of each count, then |change| of each element's sum."""
    n, m = len(variables), len(elements)
    target = np.array([pools[number].expected[symbol] for number, symbol in variables])
    sums = np.array([[float(symbol == element) for _, symbol in variables] for element in elements])
    members = np.array([[float(number == owner) for owner, _ in variables] for number in range(len(pools))])
    charges = np.array([oxidation_states[symbol] for _, symbol in variables])
    blank, spare = np.zeros((n, m)), np.zeros((m, n))
    sizes = np.array([float(len(pool.sites)) for pool in pools])
    least = np.where([pool.has_vacancies for pool in pools], 0.0, sizes)
    identity = np.eye(n)
    constraints = [
        LinearConstraint(np.hstack([charges, np.zeros(n + m)])[None], -fixed_charge_e - allowed_e, -fixed_charge_e + allowed_e),
        LinearConstraint(np.hstack([members, np.zeros((len(pools), n + m))]), least, sizes),
        LinearConstraint(np.hstack([identity, -identity, blank]), -np.inf, target),
        LinearConstraint(np.hstack([identity, identity, blank]), target, np.inf),
        LinearConstraint(np.hstack([sums, spare, -np.eye(m)]), -np.inf, sums @ target),
        LinearConstraint(np.hstack([sums, spare, np.eye(m)]), sums @ target, np.inf),
    ]
    cost = np.concatenate([np.zeros(n), np.ones(n), np.full(m, ELEMENT_WEIGHT)])
    shift = np.maximum(1.0, MAX_SHIFT_SHARE * (sums @ target))
    bounds = Bounds(np.zeros(n + n + m), np.concatenate([np.full(n, sizes.max()), np.full(n, np.inf), shift]))
    result = milp(cost, constraints=constraints, bounds=bounds, integrality=np.concatenate([np.ones(n), np.zeros(n + m)]))
    return np.round(result.x[:n]) if result.success else None


def _require_neutral(charge_e: float, allowed_e: float) -> None:
    if abs(charge_e) > allowed_e:
        raise CannotBeNeutral(
            f"The cell is fully ordered and has a net charge of {charge_e:+g} with these oxidation states: correct the "
            "oxidation states, or the CIF."
        )


def _advice(expected: Mapping[str, float], oxidation_states: Mapping[str, float]) -> str:
    contents = " ".join(f"{symbol}{_number(count)}" for symbol, count in expected.items())
    states = ", ".join(f"{symbol} {oxidation_states[symbol]:+g}" for symbol in expected)
    charge_e = sum(count * oxidation_states[symbol] for symbol, count in expected.items())
    return (
        f"No whole numbers of atoms near the occupancies ({contents}, net charge {charge_e:+.2f} with {states}) are charge-neutral. "
        "Choose a larger supercell, give other oxidation states, or correct the occupancies in the CIF."
    )


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")

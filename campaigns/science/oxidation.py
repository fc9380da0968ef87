"""Oxidation states of the elements of a composition whose amounts need not be whole numbers, as a refinement gives them."""

import math
from collections.abc import Mapping
from itertools import product

from pymatgen.core import Element
from pymatgen.core.bond_valence import PRIOR_PROB

MAX_CHARGE_SHARE = 0.03  # net charge over positive charge that rounded occupancies may leave
CHARGE_SHARE_SCALE = 0.01  # so much is as unlikely as a state that is e times rarer
MAX_STATES = 6  # an element's likeliest
MAX_COMBINATIONS = 200_000
USUAL_SHARE = 0.05  # of the entries of an element, from which on a state is usual


def guess_oxidation_states(amounts: Mapping[str, float]) -> dict[str, float] | None:
    """One state for each element so that the composition is (nearly) neutral; None where there is no such.

    amounts: atoms of each element. States are weighed by how often they occur in the ICSD (pymatgen's table). An element with several
    positive states may take a mean between them when whole ones do not balance: Fe in Fe3O4, Mn in LiMn2O4.
    """
    symbols = sorted(amounts)
    choices = [_likely(symbol) for symbol in symbols]
    if len(symbols) < 2 or not all(choices) or math.prod(map(len, choices)) > MAX_COMBINATIONS:
        return None
    counts = [amounts[symbol] for symbol in symbols]
    best = max(product(*choices), key=lambda chosen: _score(chosen, counts))
    if _score(best, counts) == -math.inf:
        return _with_a_mean(dict(zip(symbols, choices, strict=True)), amounts)
    return {symbol: float(state) for symbol, (state, _) in zip(symbols, best, strict=True)}


def net_charge_e(amounts: Mapping[str, float], states: Mapping[str, float]) -> float:
    return float(sum(count * states[symbol] for symbol, count in amounts.items()))


def is_usual(symbol: str, state: float) -> bool:
    """Whether an element often has this state; a mean is usual between two usual ones of its sign."""
    alike = [usual for usual, _ in _usual(symbol) if usual * state > 0]
    return bool(alike) and min(alike) <= state <= max(alike)


def usual_states(amounts: Mapping[str, float]) -> dict[str, float]:
    """The usual states that come nearest to a neutral composition; empty for what is no salt: a metal, an element."""
    symbols = sorted(amounts)
    choices = [_usual(symbol) for symbol in symbols]
    if not all(choices) or math.prod(map(len, choices)) > MAX_COMBINATIONS:
        return {}

    def rank(chosen: tuple[tuple[int, float], ...]) -> tuple[float, float]:
        charge_e = sum(amounts[symbol] * state for symbol, (state, _) in zip(symbols, chosen, strict=True))
        return round(abs(charge_e), 6), -sum(logarithm for _, logarithm in chosen)

    salts = (chosen for chosen in product(*choices) if len({state > 0 for state, _ in chosen}) == 2)
    best = min(salts, key=rank, default=())
    return {symbol: float(state) for symbol, (state, _) in zip(symbols, best, strict=False)}


def _usual(symbol: str) -> list[tuple[int, float]]:
    """Of the likely states those that are frequent, or common by the textbook."""
    common = Element(symbol).common_oxidation_states
    return [(state, logarithm) for state, logarithm in _likely(symbol) if logarithm > math.log(USUAL_SHARE) or state in common]


def _likely(symbol: str) -> list[tuple[int, float]]:
    """States by falling frequency, each with the logarithm of its share among the element's states."""
    element = Element(symbol)
    known = element.icsd_oxidation_states or element.common_oxidation_states or element.oxidation_states
    counts = {int(prior.oxi_state): count for prior, count in PRIOR_PROB.items() if prior.symbol == symbol}
    total = max(sum(counts.values()), 1.0)
    states = [(int(state), math.log(max(counts.get(int(state), 0.0), 0.5) / total)) for state in known if state]
    return sorted(states, key=lambda item: (-item[1], item[0]))[:MAX_STATES]


def _score(chosen: tuple[tuple[int, float], ...], counts: list[float]) -> float:
    """How likely, and how neutral; minus infinity for what is not neutral enough."""
    charges = [count * state for count, (state, _) in zip(counts, chosen, strict=True)]
    positive = sum(charge for charge in charges if charge > 0)
    share = abs(sum(charges)) / positive if positive else math.inf
    if share > MAX_CHARGE_SHARE:
        return -math.inf
    return sum(logarithm for _, logarithm in chosen) - share / CHARGE_SHARE_SCALE


def _with_a_mean(choices: Mapping[str, list[tuple[int, float]]], amounts: Mapping[str, float]) -> dict[str, float] | None:
    """The likeliest states of all elements but one, which takes the mean that balances them."""
    usual = {symbol: float(states[0][0]) for symbol, states in choices.items()}
    found: list[tuple[float, dict[str, float]]] = []
    for symbol, states in choices.items():
        positive = [state for state, _ in states if state > 0]
        others = {other: count for other, count in amounts.items() if other != symbol}
        mean = -net_charge_e(others, usual) / amounts[symbol]
        if len(positive) > 1 and min(positive) <= mean <= max(positive):
            found.append((abs(mean - usual[symbol]), usual | {symbol: mean}))
    return min(found, key=lambda item: item[0])[1] if found else None

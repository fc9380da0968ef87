"""Oxidation states of the elements of a composition whose amounts need not be whole numbers, as a refinement gives them."""

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise, product

from pymatgen.core import Element
from pymatgen.core.bond_valence import PRIOR_PROB


def _symbols(text: str) -> frozenset[str]:
    return frozenset(text.split())


MAX_CHARGE_SHARE = 0.03  # net charge over positive charge that rounded occupancies may leave
CHARGE_SHARE_SCALE = 0.01  # so much is as unlikely as a state that is e times rarer
MAX_STATES = 6  # an element's likeliest
MAX_COMBINATIONS = 200_000
USUAL_SHARE = 0.05  # of the entries of an element, from which on a state is usual
# Whose states differ by one electron in one and the same compound: only these take a mean. Not Zr and the like, which have one state.
MIXED_VALENT = _symbols("Ti V Cr Mn Fe Co Ni Cu Nb Mo Tc Ru Rh Pd Ta W Re Os Ir Pt Au Ce Pr Eu Tb U")
EASILY_MIXED = _symbols("V Cr Mn Fe Co Ni")  # sooner than atoms are missing or too many
ROUNDED_SHARE = 0.005  # of the charge, which rounded occupancies explain beside one of those
# Not reduced beside one of those: P is +5 in a phosphate of Ti 3+, La +3 in a manganite of Mn 4+.
STEADFAST = _symbols("B C N Al Si P S Ga Ge Sc Y La Nd Sm Gd Dy Ho Er Tm Yb Lu")
CAGE_CATIONS = {"C": 2.0}  # in a cage of B-H, where C replaces B with one proton more
CAGE_ANIONS = {"H": -1.0, "F": -1.0, "Cl": -1.0, "Br": -1.0, "I": -1.0}
USUAL_IN_CAGES = (0.66, 0.84)  # B in closo-borates, 1 - 2/n for B(n)H(n) 2-: 0.667 for n = 6, 0.833 for 12; with C 0.78 and 0.82


def guess_oxidation_states(amounts: Mapping[str, float]) -> dict[str, float] | None:
    """One state for each element so that the composition is (nearly) neutral; None where there is no such.

    amounts: atoms of each element. States are weighed by how often they occur in the ICSD (pymatgen's table). An element of mixed
    valence takes a mean between its states when whole ones do not balance, or only with a strange one of an element that has none:
    Fe in Fe3O4, Mn in LiMn2O4, Ti in Li2Ti2(PO4)3. So does B in cages, as in Li2B12H12.
    """
    symbols = sorted(amounts)
    choices = [_likely(symbol) for symbol in symbols]
    if len(symbols) < 2 or not all(choices) or math.prod(map(len, choices)) > MAX_COMBINATIONS:
        return None
    counts = [amounts[symbol] for symbol in symbols]
    best = max(product(*choices), key=lambda chosen: _score(chosen, counts))
    whole = {symbol: float(state) for symbol, (state, _) in zip(symbols, best, strict=True)}
    if _score(best, counts) == -math.inf:
        return _with_a_mean(amounts, usual_only=False) or _in_cages(amounts)
    if any(_is_strained(symbol, state) for symbol, state in whole.items()):
        return _with_a_mean(amounts) or _in_cages(amounts) or whole
    return whole if _charge_share(amounts, whole) <= ROUNDED_SHARE else _adapted(amounts, whole)


def net_charge_e(amounts: Mapping[str, float], states: Mapping[str, float]) -> float:
    return float(sum(count * states[symbol] for symbol, count in amounts.items()))


def is_usual(symbol: str, state: float) -> bool:
    """Whether an element often has this state; a mean only where that is of mixed valence, between two usual ones, or in a cage."""
    if state != round(state) and symbol not in MIXED_VALENT:
        return symbol == "B" and USUAL_IN_CAGES[0] <= state <= USUAL_IN_CAGES[1]
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


def _charge_share(amounts: Mapping[str, float], states: Mapping[str, float]) -> float:
    return abs(net_charge_e(amounts, states)) / sum(count * max(states[symbol], 0.0) for symbol, count in amounts.items())


def _is_strained(symbol: str, state: float) -> bool:
    """A state of an element that would not be reduced or oxidised before one of mixed valence; with H, B that is not bonded to itself."""
    first = next((likely for likely, _ in _likely(symbol) if likely > 0), state)
    return symbol in STEADFAST and state != first and (state > 0 or symbol == "B")


def _adapted(amounts: Mapping[str, float], states: dict[str, float]) -> dict[str, float]:
    """With a usual mean of the first easily mixed element that balances the others as they are; unchanged without one."""
    charge_e = net_charge_e(amounts, states)
    means = {symbol: states[symbol] - charge_e / amounts[symbol] for symbol in sorted(amounts.keys() & EASILY_MIXED)}
    return states | next(({symbol: mean} for symbol, mean in means.items() if is_usual(symbol, mean)), {})


def _with_a_mean(amounts: Mapping[str, float], usual_only: bool = True) -> dict[str, float] | None:
    """The likeliest states with a mean that balances them for one element of mixed valence; None without one."""
    found = [item for symbol in sorted(amounts.keys() & MIXED_VALENT) for item in _means_of(symbol, amounts)]
    likeliest = max(found, key=lambda item: item[0], default=None)
    return dict(sorted(likeliest[1].items())) if likeliest and (likeliest[0][0] or not usual_only) else None


def _means_of(mixed: str, amounts: Mapping[str, float]) -> Iterator[tuple[tuple[bool, float], dict[str, float]]]:
    """Usual states of the others with the mean of this element, and whether that is usual and how likely all are."""
    known = sorted(item for item in _likely(mixed) if item[0] > 0)
    others = {symbol: count for symbol, count in amounts.items() if symbol != mixed}
    choices = [[item for item in _usual(symbol) if not _is_strained(symbol, item[0])] for symbol in others]
    for chosen in product(*choices):
        states = {symbol: float(state) for symbol, (state, _) in zip(others, chosen, strict=True)}
        mean = -net_charge_e(others, states) / amounts[mixed]
        for (low, of_low), (high, of_high) in pairwise(known):
            if low <= mean <= high:
                likely = of_low + (of_high - of_low) * (mean - low) / (high - low)
                yield (is_usual(mixed, mean), likely + sum(logarithm for _, logarithm in chosen)), states | {mixed: mean}


def _in_cages(amounts: Mapping[str, float]) -> dict[str, float] | None:
    """B with the mean that balances a salt of cages, where its atoms are bonded to each other; None where there are other anions."""
    if "B" not in amounts or not amounts.keys() & CAGE_ANIONS.keys():
        return None
    states = CAGE_CATIONS | CAGE_ANIONS
    others = {symbol: count for symbol, count in amounts.items() if symbol != "B"}
    found = {symbol: states.get(symbol) or float(_likely(symbol)[0][0]) for symbol in others}
    mean = -net_charge_e(others, found) / amounts["B"]
    if any(state < 0 and symbol not in CAGE_ANIONS for symbol, state in found.items()) or not 0 < mean < 3:
        return None
    return dict(sorted((found | {"B": mean}).items()))

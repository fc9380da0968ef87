"""What the cells of a request will be made of: whole atoms, which may leave out an element of a dopant altogether."""

import math
from collections.abc import Mapping

from campaigns.models import Material
from campaigns.science.plain_numbers import plain

FEW_ATOMS = 1.5  # of an element in a cell, by the occupancies: neutrality may cost one


def amounts_of(material: Material) -> dict[str, float]:
    """Atoms of each element in one unit cell, as the occupancies have it."""
    amounts: dict[str, float] = {}
    for site in material.facts.get("sites", []):
        for share in site["species"]:
            amounts[share["symbol"]] = amounts.get(share["symbol"], 0.0) + share["occupancy"] * site["multiplicity"]
    return amounts


def lost_elements(material: Material, supercell: tuple[int, int, int], states: Mapping[str, float], mobile_ion: str) -> list[str]:
    """Elements of which this cell is too small to hold one atom."""
    n_cells = math.prod(supercell)
    few = sorted(symbol for symbol, amount in amounts_of(material).items() if amount * n_cells < FEW_ATOMS)
    if not few or not material.is_disordered:
        return []
    total = whole_atoms(material, supercell, states, mobile_ion)
    return [symbol for symbol in few if not total.get(symbol)] if total else []


def whole_atoms(material: Material, supercell: tuple[int, int, int], states: Mapping[str, float], mobile_ion: str) -> dict[str, int]:
    """Atoms of each element that the ordered cell will hold; empty where that cannot be told."""
    n_cells = math.prod(supercell)
    if not material.is_disordered:
        return {symbol: round(amount * n_cells) for symbol, amount in amounts_of(material).items()}
    if not states.keys() >= set(material.facts["elements"]):
        return {}
    from campaigns.science.ordering_composition import (  # loads scipy, which hardly any request needs
        CannotBeNeutral,
        PartialSite,
        neutral_composition,
        pools_of,
        tolerance_e,
    )

    sites = [
        PartialSite(site["label"], {share["symbol"]: share["occupancy"] for share in site["species"]})
        for site in material.facts["sites"]
        for _ in range(site["multiplicity"] * n_cells)
    ]
    try:
        return dict(neutral_composition(sites, pools_of(sites, mobile_ion), states, tolerance_e(states)).total)
    except CannotBeNeutral:
        return {}


def loss(material: Material, supercell: tuple[int, int, int], symbols: list[str]) -> str:
    """What is told of elements that a cell has lost, and how large one would have to be."""
    amounts = amounts_of(material)
    needed = math.ceil(1 / min(amounts[symbol] for symbol in symbols) - 1e-6)
    expected = ", ".join(f"{plain(amounts[symbol] * math.prod(supercell))} {symbol}" for symbol in symbols)
    return (
        f"{material.name} {'×'.join(map(str, supercell))} will hold no {' and no '.join(symbols)}: by the occupancies it has {expected}, "
        f"rounded to whole atoms. There is one in {needed} unit cells ({needed * material.n_atoms:.0f} atoms)."
    )

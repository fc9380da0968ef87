"""Sites of a CIF that are closer to each other than atoms can be: those that overlap, that exclude each other, that are oddly close."""

from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from ase.data import atomic_numbers, covalent_radii
from pymatgen.core import Element, Species, Structure

from campaigns.science.ordering_composition import FULL

OVERLAP_A = 0.6
SPLIT_A = 1.2
SHORT_A = 2.0
SHORT_FACTOR = 0.65  # of the sum of the covalent radii
OVERLAP_OCCUPANCY = 1.5  # two sites this close that together hold so much cannot be one split site
FULL_PAIR = 1.1  # two sites that exclude each other hold at most one atom; refinements say up to so much


@dataclass(frozen=True)
class _Pair:
    """Two sites of these elements and labels; `kind`: what is to be said of them."""

    kind: str
    elements: tuple[str, str]
    labels: tuple[str, str]
    distance_A: float
    together: float  # sum of their occupancies


def close_pairs(structure: Structure, within_A: float = OVERLAP_A) -> list[tuple[int, int, float]]:
    first, second, _, distances_A = structure.get_neighbor_list(within_A)
    return [(int(i), int(j), float(d)) for i, j, d in zip(first, second, distances_A, strict=True) if i < j]


def overlap(structure: Structure) -> str:
    """Why a structure is refused, or nothing."""
    for i, j, distance_A in close_pairs(structure):
        together = structure[i].species.num_atoms + structure[j].species.num_atoms
        if together > OVERLAP_OCCUPANCY:
            return (
                f"Sites {structure[i].label} and {structure[j].label} overlap: {distance_A:.2f} Å apart and both occupied (symmetry "
                "applied). Check coordinates, space group and occupancies; give special positions with five digits (0.33333)."
            )
    return ""


def overfull(structure: Structure) -> str:
    """Why a structure is refused of which one place at least holds more than one atom."""
    site = max(structure, key=lambda site: site.species.num_atoms)
    held = " and ".join(f"{species.symbol} {occupancy:g}" for species, occupancy in site.species.items())
    place = ", ".join(f"{x:.3g}" for x in site.frac_coords)
    return (
        f"The occupancies of a site sum to more than one: {site.label} at {place} holds {held}, together {site.species.num_atoms:.4g} "
        "(symmetry applied). Check coordinates, space group and occupancies in the CIF."
    )


def distance_notes(structure: Structure) -> list[str]:
    """One sentence for all pairs of the same elements that cannot both be occupied, or are much closer than a bond."""
    pairs = [_Pair(kind, *names, distance_A, together) for kind, names, distance_A, together in _judged(structure)]
    by_kind = attrgetter("kind", "elements")
    return [_note(sorted(alike, key=attrgetter("distance_A"))) for _, alike in groupby(sorted(pairs, key=by_kind), key=by_kind)]


def _judged(structure: Structure) -> list[tuple[str, tuple[tuple[str, str], tuple[str, str]], float, float]]:
    """Kind, elements and labels, distance and common occupancy of each pair that is worth a word."""
    found = []
    for i, j, distance_A in close_pairs(structure, SHORT_A):
        sites = structure[i], structure[j]
        occupancies = [float(site.species.num_atoms) for site in sites]
        kind = ""
        if max(occupancies) > 1 - FULL:
            bond_A = min(_radius_A(one) + _radius_A(other) for one in sites[0].species for other in sites[1].species)
            kind = "short" if distance_A < SHORT_FACTOR * bond_A else ""
        elif distance_A < SPLIT_A:
            kind = "overfull" if sum(occupancies) > FULL_PAIR else "exclusive"
        if kind:
            elements = sorted("/".join(sorted({species.symbol for species in site.species})) for site in sites)
            labels = sorted(site.label or "" for site in sites)
            found.append((kind, ((elements[0], elements[1]), (labels[0], labels[1])), distance_A, sum(occupancies)))
    return found


def _note(alike: list[_Pair]) -> str:
    """Of pairs of one kind and the same elements, the closest first."""
    closest = alike[0]
    if closest.kind == "short":
        return f"{_named(alike, 'only ')}: check the CIF, and relax the cell before use."
    if closest.kind == "exclusive":
        return f"{_named(alike)}. That is harmless: only one of the two is filled at a time."
    together = max(pair.together for pair in alike)
    upto = "up to " if len({pair.labels for pair in alike}) > 1 else ""
    return f"{_named(alike)}, but together they hold {upto}{together:.2f} atoms: only one has room. Check the occupancies."


def _named(alike: list[_Pair], only: str = "") -> str:
    """Which they are and how far apart: by label where all have the same, else how many, and the closest of them."""
    (one, other), distance_A = alike[0].labels, alike[0].distance_A
    partly = "" if alike[0].kind == "short" else "partly occupied "
    if len({pair.labels for pair in alike}) > 1:
        elements = " and ".join(dict.fromkeys(alike[0].elements))
        return (
            f"{len(alike)} pairs of {partly}sites of {elements} are close, the closest ({one} and {other}) {only}{distance_A:.2f} Å apart"
        )
    if partly and one == other:
        return f"Two symmetry copies of the partly occupied site {one} are {distance_A:.2f} Å apart"
    which = f"The partly occupied sites {one} and {other}" if partly else f"Sites {one} and {other}"
    return f"{which} are {only}{distance_A:.2f} Å apart"


def _radius_A(species: Species | Element) -> float:
    return float(covalent_radii[atomic_numbers[species.symbol]])

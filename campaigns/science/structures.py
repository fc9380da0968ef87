"""What a crystal structure is: composition, cell, sites and occupancies, what is disordered, which ion moves, which supercells to use."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from campaigns.science.oxidation import guess_oxidation_states

# Ions that conduct in solid electrolytes, the likelier first.
MOBILE_IONS = ("Li", "Na", "K", "Ag", "Cu", "Mg", "Zn", "Ca", "Al", "F", "O", "H")
SPLIT_SITE_A = 1.2  # partially occupied positions closer than this are one site that was split
OVERLAP_A = 0.5
TRAINING_MIN_ATOMS = 40
TRAINING_MIN_HEIGHT_A = 7.5
EVALUATION_MIN_HEIGHT_A = 12.0
EVALUATION_MAX_ATOMS = 500
MAX_REPEAT = 6


class StructureUnusable(ValueError):
    """A structure that no campaign can start from; the text says what is wrong and what to do."""


def describe(structure: Structure) -> dict[str, Any]:
    """Facts of a structure as plain JSON values. Raises StructureUnusable where atoms lie on top of one another."""
    warnings = _check_distances(structure)
    composition = structure.composition
    states, charge = oxidation_states(composition)
    if states is None:
        warnings.append("Oxidation states could not be guessed from the composition: give them before a disordered cell is ordered.")
    elif abs(charge) > 0.01:
        warnings.append(
            f"The occupancies add up to a charge of {charge:+.2f}: the ordered cell will be given the nearest neutral composition."
        )
    ion, reason = propose_mobile_ion(structure)
    lattice = structure.lattice
    symbol, number = _space_group(structure)
    sites = list(_sites(structure))
    return {
        "formula": composition.formula,
        "reduced_formula": composition.reduced_formula,
        "space_group": symbol,
        "space_group_number": number,
        **dict(zip(("a_A", "b_A", "c_A"), map(float, lattice.abc), strict=True)),
        **dict(zip(("alpha_deg", "beta_deg", "gamma_deg"), map(float, lattice.angles), strict=True)),
        "volume_A3": float(lattice.volume),
        "density_g_cm3": float(structure.density),
        "n_atoms": float(composition.num_atoms),
        "is_disordered": not structure.is_ordered,
        "disorder": _disorder(sites),
        "elements": sorted(element.symbol for element in composition.elements),
        "oxidation_states": states,
        "net_charge": charge,
        "mobile_ion": ion,
        "mobile_ion_reason": reason,
        "sites": sites,
        "warnings": warnings,
        "proposed_cells": propose_cells(lattice.matrix, composition.num_atoms),
        "structure": {
            "lattice_A": lattice.matrix.tolist(),
            "sites": [{"frac_coords": site.frac_coords.tolist(), "species": _species(site.species)} for site in structure],
        },
    }


def _species(composition: Composition) -> dict[str, float]:
    return {element.symbol: round(float(amount), 6) for element, amount in composition.items()}


def _check_distances(structure: Structure) -> list[str]:
    """Warnings about split sites; refuses atoms that are wholly there and lie on top of one another."""
    distances = structure.distance_matrix + np.diag(np.full(len(structure), np.inf))
    occupancy = np.array([site.species.num_atoms for site in structure])
    both_full = np.add.outer(occupancy, occupancy) > 1.999
    if (distances[both_full] < OVERLAP_A).any():
        first, second = (int(index) for index in np.argwhere(both_full & (distances < OVERLAP_A))[0])
        raise StructureUnusable(
            f"Two fully occupied sites ({structure[first].species_string} and {structure[second].species_string}) are "
            f"{distances[first, second]:.2f} Å apart. Check the coordinates and the symmetry operations, or give the occupancies."
        )
    n_split = int((distances < SPLIT_SITE_A).sum() // 2)
    return (
        [f"{n_split} pairs of partially occupied positions are closer than {SPLIT_SITE_A} Å: at most one of each pair is filled."]
        if n_split
        else []
    )


def oxidation_states(composition: Composition) -> tuple[dict[str, float] | None, float | None]:
    """Oxidation states guessed from the composition, and the charge that the occupancies add up to with them."""
    amounts = composition.get_el_amt_dict()
    states = guess_oxidation_states(amounts)
    if states is None:
        return None, None
    return states, float(sum(states[symbol] * amount for symbol, amount in amounts.items()))


def propose_mobile_ion(structure: Structure) -> tuple[str, str]:
    """The likeliest mobile ion and why."""
    elements = {element.symbol for element in structure.composition.elements}
    present = [symbol for symbol in MOBILE_IONS if symbol in elements]
    if not present:
        first = sorted(elements)[0]
        return first, f"none of the usual mobile ions ({', '.join(MOBILE_IONS[:6])}...) is there: choose one"
    partial = [symbol for symbol in present if any(
        symbol in _species(site.species) and site.species.num_atoms < 0.999 for site in structure)]  # fmt: skip
    if partial and partial[0] == present[0]:
        return present[0], f"{present[0]} is a usual mobile ion and its sites are partially occupied"
    return present[0], f"{present[0]} is the usual mobile ion among the elements"


def _space_group(structure: Structure) -> tuple[str, int]:
    try:
        analyzer = SpacegroupAnalyzer(structure, symprec=0.05)
        return analyzer.get_space_group_symbol(), int(analyzer.get_space_group_number())
    except Exception as error:  # spglib gives up on some distorted cells, with errors of its own making
        if type(error).__module__.startswith(("spglib", "pymatgen")) or isinstance(error, TypeError | AttributeError | ValueError):
            return "P1", 1
        raise


def _sites(structure: Structure) -> Iterator[dict[str, Any]]:
    """Sites of the same label and occupancies together."""
    groups: dict[tuple[str, str], list[Any]] = {}
    for site in structure:
        groups.setdefault((str(site.label), site.species_string), []).append(site)
    for (label, _), members in groups.items():
        species = _species(members[0].species)
        yield {
            "label": label,
            "species": species,
            "multiplicity": len(members),
            "frac_coords": [round(float(value), 5) for value in members[0].frac_coords],
            "is_disordered": len(species) > 1 or sum(species.values()) < 0.999,
        }


def _disorder(sites: list[dict[str, Any]]) -> str:
    """One sentence."""
    partial = sorted({symbol for site in sites if site["is_disordered"] and len(site["species"]) == 1 for symbol in site["species"]})
    mixed = sorted({"/".join(site["species"]) for site in sites if len(site["species"]) > 1})
    said = []
    if partial:
        said.append(f"{', '.join(partial)} on partially occupied sites")
    if mixed:
        said.append(f"{', '.join(mixed)} share sites")
    return f"Disordered: {'; '.join(said)}." if said else "Ordered: every site is fully occupied by one element."


def image_heights_A(cell_A: NDArray[np.floating]) -> NDArray[np.floating]:
    """Distance between opposite faces of a cell (3, 3): (3,). The shortest is how close a periodic image is."""
    return 1 / np.linalg.norm(np.linalg.inv(cell_A), axis=0)


def propose_cells(cell_A: NDArray[np.floating], n_atoms: float) -> dict[str, Any]:
    """Supercells for training (small: labels are dear) and for evaluation (at least twice the cut-off wide, so that D is not the box's)."""
    training = _smallest(cell_A, n_atoms, TRAINING_MIN_HEIGHT_A, TRAINING_MIN_ATOMS)
    evaluation = _smallest(cell_A, n_atoms, EVALUATION_MIN_HEIGHT_A, TRAINING_MIN_ATOMS)
    return {
        "training": _proposal(training, cell_A, n_atoms, "the smallest cell that a network can learn from"),
        "evaluation": _proposal(evaluation, cell_A, n_atoms, "the smallest cell twice as wide as a cut-off of 6 Å"),
    }


def _smallest(cell_A: NDArray[np.floating], n_atoms: float, min_height_A: float, min_atoms: int) -> tuple[int, int, int]:
    """Fewest atoms with every image height large enough; of equals the most isotropic; within the limit of atoms if possible."""
    heights = image_heights_A(cell_A)
    options = [np.array(repeat) for repeat in product(range(1, MAX_REPEAT + 1), repeat=3)]
    large = [repeat for repeat in options if (repeat * heights >= min_height_A).all() and repeat.prod() * n_atoms >= min_atoms - 0.5]
    allowed = [repeat for repeat in large if repeat.prod() * n_atoms <= EVALUATION_MAX_ATOMS + 0.5]
    if not allowed:
        # A large primitive cell: as wide as the limit of atoms lets it be.
        within = [repeat for repeat in options if repeat.prod() * n_atoms <= EVALUATION_MAX_ATOMS] or [np.ones(3, int)]
        best = max(within, key=lambda repeat: ((repeat * heights).min(), -repeat.prod()))
    else:
        best = min(allowed, key=lambda repeat: (repeat.prod(), -(repeat * heights).min()))
    return tuple(int(n) for n in best)


def _proposal(supercell: tuple[int, int, int], cell_A: NDArray[np.floating], n_atoms: float, reason: str) -> dict[str, Any]:
    height = float((image_heights_A(cell_A) * supercell).min())
    return {
        "supercell": list(supercell),
        "n_atoms": round(float(np.prod(supercell)) * n_atoms),
        "reason": f"{reason}; periodic images are at least {height:.1f} Å apart",
    }

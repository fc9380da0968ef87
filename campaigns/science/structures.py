"""What a CIF says about a material: formula, lattice, sites and their occupancies, charges, the ion that may move; and proposed cells."""

import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from pymatgen.core import Composition, Structure
from pymatgen.io.cif import CifParser
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer, SymmetryUndeterminedError

from campaigns.science.charge_balance import charge_doubt, charge_notes
from campaigns.science.close_sites import close_pairs, distance_notes, overfull, overlap
from campaigns.science.mobile_ions import DIVALENT_CATIONS, MOBILE_ANIONS, UNIVALENT_CATIONS, is_mobile_cation, large_ion_doubt
from campaigns.science.ordering_composition import CannotBeNeutral, neutral_composition, pools_of, tolerance_e
from campaigns.science.ordering_problem import partial_sites
from campaigns.science.oxidation import guess_oxidation_states, net_charge_e
from campaigns.science.space_group_settings import SettingUnknown, with_operations
from campaigns.science.supercells import ProposedCell, ProposedCells, propose_cells

OCCUPANCY_TOLERANCE = 1.05  # rounded occupancies may sum to so much: they are scaled to one
SITE_TOLERANCE = 1e-4
COARSE_SITE_TOLERANCE = 5e-3  # 0.333 for one third
SYMMETRY_A = 0.01
VOLUME_PER_ATOM_A3 = (4.0, 60.0)  # diamond has 5.7, CsI 48
WHOLE = 1e-3
NO_MOBILE_ION = (
    "No ion is likely to move here: solid electrolytes conduct by ions of one charge (Li, Na, K, Ag, Cu, H ...), by F, by Mg, Zn or Ca, or "
    "by O, Cl, Br or I through sites that are partly empty, and this material has none of them."
)


class StructureRefused(ValueError):
    """A structure that cannot be used. The text says why and what to do."""


@dataclass(frozen=True)
class SpeciesShare:
    symbol: str
    occupancy: float


@dataclass(frozen=True)
class SiteFacts:
    """One orbit: the CIF's label, what is on it, its first site and all of them in fractional coordinates."""

    label: str
    species: tuple[SpeciesShare, ...]
    multiplicity: int
    fractional: tuple[float, float, float]
    disordered: bool
    positions: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class MaterialFacts:
    """Plain data, ready for JSON. Sentences are for people."""

    formula: str
    reduced_formula: str
    elements: tuple[str, ...]
    a_A: float
    b_A: float
    c_A: float
    alpha_deg: float
    beta_deg: float
    gamma_deg: float
    volume_A3: float
    density_g_cm3: float
    space_group: str
    space_group_number: int
    n_atoms: float  # sum of the occupancies
    is_disordered: bool
    disorder: str
    sites: tuple[SiteFacts, ...]
    oxidation_states: dict[str, float]  # empty: they could not be guessed
    net_charge_e: float | None
    charge_doubt: str  # why the charges look wrong, or nothing
    mobile_ion: str
    mobile_ion_reason: str
    proposed_cells: ProposedCells
    warnings: tuple[str, ...]


def structure_from_cif(text: str) -> tuple[Structure, list[str]]:
    """The one structure of a CIF and what is worth knowing about how it was read. Raises StructureRefused, or whatever pymatgen raises."""
    try:
        text, assumed = with_operations(text)
    except SettingUnknown as error:
        raise StructureRefused(str(error)) from error
    try:
        structure, notes = _parse(text, SITE_TOLERANCE)
    except StructureRefused as error:  # perhaps for what was assumed
        raise StructureRefused(" ".join([str(error), *assumed])) from error
    if any(distance_A < 0.2 for *_, distance_A in close_pairs(structure)):
        rounded, notes = _parse(text, COARSE_SITE_TOLERANCE)
        if len(rounded) < len(structure):
            structure, notes = (
                rounded,
                [*notes, "Coordinates of special positions are rounded (0.333 for 1/3?); sites that fell together were merged."],
            )
    problem = overlap(structure)
    if problem:
        raise StructureRefused(" ".join([problem, *assumed]))
    return structure, [*notes, *assumed]


def _parse(text: str, site_tolerance: float) -> tuple[Structure, list[str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are kept in the parser
        parser = CifParser.from_str(text, occupancy_tolerance=OCCUPANCY_TOLERANCE, site_tolerance=site_tolerance)
        try:
            structure = parser.parse_structures(primitive=False, on_error="raise")[0]
        except ValueError as error:
            if "exceeded tolerance" not in str(error):
                raise
            raise StructureRefused(overfull(parser.parse_structures(primitive=False, check_occu=False)[0])) from error
        is_another = _has_formula(parser) and _is_another_formula(parser.check(structure))
    notes = []
    if is_another:
        notes.append("The formula in the CIF is not that of its sites: is a part of the file missing?")
    if any("Defaulting to P1" in note for note in parser.warnings):
        named = re.search(r"^_\S*(?:name_H-M|name_Hall|IT_number|Int_Tables_number)\S*\s+['\"]?([^\s'\"?.].*)$", text, re.MULTILINE)
        if named and not re.match(r"(P ?1|1)\b['\"]?\s*$", named[1]):
            raise StructureRefused(
                "The space group of the CIF is not understood, and it lists no symmetry operations: add them "
                "(_space_group_symop_operation_xyz), or export the structure in P1."
            )
        notes.append("The CIF gives no symmetry operations: it was read as P1.")
    if any("sum to > 1" in note for note in parser.warnings):
        notes.append("Occupancies of a site that sum to slightly more than one were scaled to one.")
    return structure, notes


def _has_formula(parser: CifParser) -> bool:
    """Without one, pymatgen compares the type symbols, in which charges count."""
    block = next(iter(parser.as_dict().values()))
    return any(block.get(name, "?").strip() not in ("", "?", ".") for name in ("_chemical_formula_sum", "_chemical_formula_structural"))


def _is_another_formula(finding: str | None) -> bool:
    """Of pymatgen's check. Nothing is known of a formula that it cannot read."""
    return finding is not None and not finding.startswith("Cannot determine")


def material_facts(structure: Structure, notes: list[str]) -> MaterialFacts:
    """Everything a page shows about a structure. `notes`: of the reader, they become the first warnings."""
    amounts = structure.composition.get_el_amt_dict()
    composition = Composition(amounts)
    symbol, number, orbits, symmetry_notes = _symmetry(structure)
    sites = tuple(_site_facts(structure, members) for members in orbits)
    states = guess_oxidation_states(amounts) or {}
    charge_e = round(net_charge_e(amounts, states), 6) + 0.0 if states else None
    is_disordered = any(site.disordered for site in sites)
    doubt = charge_doubt(amounts, states, is_disordered)
    mobile_ion, reason = mobile_ion_of(sites, amounts, states)
    lattice = structure.lattice
    n_atoms = round(float(composition.num_atoms), 6)
    return MaterialFacts(
        formula=composition.formula.replace(" ", ""),
        reduced_formula=composition.reduced_formula,
        elements=tuple(sorted(amounts)),
        a_A=lattice.a,
        b_A=lattice.b,
        c_A=lattice.c,
        alpha_deg=lattice.alpha,
        beta_deg=lattice.beta,
        gamma_deg=lattice.gamma,
        volume_A3=lattice.volume,
        density_g_cm3=float(structure.density),
        space_group=symbol,
        space_group_number=number,
        n_atoms=n_atoms,
        is_disordered=is_disordered,
        disorder=_disorder(sites),
        sites=sites,
        oxidation_states=states,
        net_charge_e=charge_e,
        charge_doubt=doubt,
        mobile_ion=mobile_ion,
        mobile_ion_reason=reason,
        proposed_cells=_proposed_cells(structure, n_atoms, mobile_ion, states),
        warnings=(
            *notes,
            *symmetry_notes,
            *_mobile_ion_notes(mobile_ion, reason, len(amounts)),
            *charge_notes(states, charge_e, is_disordered, doubt),
            *_volume_notes(lattice.volume / n_atoms, float(structure.density)),
            *distance_notes(structure),
        ),
    )


def _mobile_ion_notes(mobile_ion: str, reason: str, n_elements: int) -> list[str]:
    alone = [f"All atoms are {mobile_ion}: D is measured against a framework, and here is none."] if n_elements == 1 else []
    return alone + ([reason] if reason.startswith(NO_MOBILE_ION) else [])


def _symmetry(structure: Structure) -> tuple[str, int, list[list[int]], list[str]]:
    """Space group symbol and number, and the sites of each orbit in the order of the structure."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            analyzer = SpacegroupAnalyzer(structure, symprec=SYMMETRY_A)
            symbol, number = analyzer.get_space_group_symbol(), int(analyzer.get_space_group_number())
            equivalent = [int(index) for index in analyzer.get_symmetry_dataset().equivalent_atoms]
    except (SymmetryUndeterminedError, AttributeError, TypeError, ValueError):  # spglib's ways to say that it found none
        return "P1", 1, [[index] for index in range(len(structure))], ["The space group could not be determined from the sites."]
    orbits: dict[int, list[int]] = {}
    for index, representative in enumerate(equivalent):
        orbits.setdefault(representative, []).append(index)
    return symbol, number, list(orbits.values()), []


def _site_facts(structure: Structure, members: list[int]) -> SiteFacts:
    first = partial_sites(Structure.from_sites([structure[members[0]]]))[0]
    species = tuple(SpeciesShare(symbol, round(share, 6)) for symbol, share in sorted(first.occupancies.items()))
    positions = tuple(tuple(round(float(x) % 1.0, 6) % 1.0 for x in structure[index].frac_coords) for index in members)
    return SiteFacts(first.label, species, len(members), positions[0], not first.is_whole, positions)


def _proposed_cells(structure: Structure, n_atoms: float, mobile_ion: str, states: Mapping[str, float]) -> ProposedCells:
    """With the atoms that the ordered cells will have, not the sums of their occupancies."""
    proposed = propose_cells(np.array(structure.lattice.matrix), n_atoms)

    def counted(cell: ProposedCell) -> ProposedCell:
        if not states:
            return cell
        sites = partial_sites(structure) * math.prod(cell.supercell)
        try:
            total = neutral_composition(sites, pools_of(sites, mobile_ion), states, tolerance_e(states)).total
        except CannotBeNeutral:
            return cell
        return replace(cell, n_atoms=sum(total.values()))

    return ProposedCells(counted(proposed.training), counted(proposed.evaluation))


def _disorder(sites: tuple[SiteFacts, ...]) -> str:
    """One sentence: which elements leave sites partly empty, which share sites."""
    partly, shared = set(), set()
    for site in sites:
        if len(site.species) > 1:
            shared.add("/".join(share.symbol for share in site.species))
        elif site.disordered:
            partly.add(site.species[0].symbol)
    parts = []
    if partly:
        parts.append(f"{', '.join(sorted(partly))} on sites that are partly empty")
    if shared:
        parts.append(f"{', '.join(sorted(shared))} sharing sites")
    return f"Disordered: {' and '.join(parts)}." if parts else ""


def mobile_ion_of(sites: tuple[SiteFacts, ...], amounts: Mapping[str, float], states: Mapping[str, float]) -> tuple[str, str]:
    """The element that probably conducts, and why. A proposal: whoever knows better chooses another.

    Cations of one charge move even on full sites, and so does F; other anions move by vacancies, and then sooner than divalent cations.
    """
    vacant = {share.symbol for site in sites if sum(share.occupancy for share in site.species) < 1 - WHOLE for share in site.species}
    univalent, divalent = (
        [symbol for symbol in ions if is_mobile_cation(symbol, states.get(symbol))] for ions in (UNIVALENT_CATIONS, DIVALENT_CATIONS)
    )
    anions = [symbol for symbol in MOBILE_ANIONS if (symbol in vacant or symbol == "F") and states.get(symbol, -1.0) < 0]
    for kind, ions in (("cation", univalent), ("anion", anions), ("cation", divalent)):
        present = [symbol for symbol in ions if symbol in amounts]
        if present:
            likeliest = min(present, key=lambda symbol: symbol not in vacant)
            reason = f"{likeliest} is the {'likeliest' if len(present) > 1 else 'only'} mobile {kind} of the composition"
            reason += ", and its sites are partly empty." if likeliest in vacant else "."
            return likeliest, " ".join(filter(None, [reason, large_ion_doubt(likeliest, amounts)]))
    fallback = min(amounts, key=lambda symbol: (abs(states.get(symbol, 9.0)), -amounts[symbol], symbol))
    return fallback, f"{NO_MOBILE_ION} {fallback} stands for it, as it has the lowest charge: its D will most likely be zero."


def _volume_notes(volume_per_atom_A3: float, density_g_cm3: float) -> list[str]:
    low, high = VOLUME_PER_ATOM_A3
    if low <= volume_per_atom_A3 <= high:
        return []
    wrong = "atoms are missing" if volume_per_atom_A3 > high else "there are too many atoms"
    return [
        f"Each atom has {volume_per_atom_A3:.3g} Å³ of the cell ({density_g_cm3:.2g} g/cm³); in solids it is {low:g} to {high:g} Å³. "
        f"Check the cell lengths, which are in Å, and whether {wrong}."
    ]

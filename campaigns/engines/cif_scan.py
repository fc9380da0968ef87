"""Looks at the text of a CIF before pymatgen does: one block with one cell and known atoms, and not so many that it takes for ever.

A CIF of 2 kB can describe ten thousand atoms; magnetic CIFs reach a parser of transformations that evaluates expressions.
"""

import math
import re

from pymatgen.core import Element
from pymatgen.io.cif import CifBlock
from pymatgen.symmetry.groups import SYMM_DATA, SpaceGroup

from campaigns.science.space_group_settings import SettingUnknown, with_operations

MAX_SITES = 1000
MAX_POSITIONS = 5000
MAX_OPERATIONS = 192
LARGEST_A = 200.0
THINNEST_A = 0.5
MAGNETIC = ("_space_group_magn", "_atom_site_moment", "_space_group_symop_magn", "_magnetic_space_group", "_parent_space_group.transform")
MODULATED = ("_cell_modulation_dimension", "_cell_wave_vector")
OPERATIONS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
SYMBOLS = ("_symmetry_space_group_name_H-M", "_space_group_name_H-M_alt", "_symmetry_space_group_name_Hall", "_space_group_name_Hall")
NUMBERS = ("_space_group_IT_number", "_symmetry_Int_Tables_number")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?(\(\d*\)?)?$")
OPERATION = re.compile(r"[xyzXYZ0-9+\-/., ]{5,80}$")
UNKNOWN = ("", "?", ".")
ISOTOPES = ("D", "T")
TYPE_SYMBOL = re.compile(r"([A-Za-z]{1,2})(\d+|\d*\.?\d*[+-]|[+-]\d+\.?\d*)?")  # an element, with its charge or a number
LABEL = re.compile(r"([A-Za-z]+)\d*([A-Za-z]*)")
# Behind an element in a label: O1W, LiA, Li1b; but H2O, SO4 and OH are groups.
SUFFIX, LATER_SUFFIX = re.compile(r"[A-GI-MP-Z]?"), re.compile(r"[A-GI-MP-Za-z]?")
GROUPS = ("CO", "HO", "NO", "PO", "OS")  # in capitals, where Co, Ho, No, Po and Os are elements
LAST_ELEMENT = 103


class Unusable(ValueError):
    """The text says what is wrong with the CIF and what to do."""


def the_block(text: str) -> str:
    """The text of the one data block that has atoms, the comments above it included. Raises Unusable for anything that is not readable."""
    lowered = text.lower()
    for words, what in ((MAGNETIC, "a magnetic structure"), (MODULATED, "a modulated structure")):
        if any(word in lowered for word in words):
            raise Unusable(f"This CIF describes {what}, which cannot be used here: give the average structure in an ordinary space group.")
    starts = [match.start() for match in re.finditer(r"^\s*data_", text, re.MULTILINE | re.IGNORECASE)]
    if not starts:
        raise Unusable("This is not a CIF: it has no line that begins with data_. Export the structure as CIF and upload that file.")
    blocks = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    with_atoms = [block for block in blocks if "_atom_site_fract_x" in block.lower()]
    if len(with_atoms) > 1:
        raise Unusable(f"This CIF holds {len(with_atoms)} structures: upload each as a file of its own.")
    if not with_atoms:
        raise Unusable("This CIF has no atoms with fractional coordinates (_atom_site_fract_x): is the file truncated?")
    check(with_atoms[0])
    return with_atoms[0]


def check(block: str) -> None:
    """Raises Unusable where cell, atoms or symmetry are missing, incomplete, unknown or too many."""
    try:
        data = CifBlock.from_str(block).data
    except (ValueError, ZeroDivisionError, IndexError, KeyError) as error:
        raise Unusable("A table (loop_) of this CIF is incomplete: is the file truncated?") from error
    _check_cell(data)
    sites = _check_sites(data)
    try:
        operations = _number_of_operations(CifBlock.from_str(with_operations(block)[0]).data)
    except SettingUnknown as error:
        raise Unusable(str(error)) from error
    if sites * operations > MAX_POSITIONS:
        raise Unusable(
            f"This CIF describes up to {sites * operations} positions ({sites} sites, {operations} symmetry operations); "
            f"at most {MAX_POSITIONS} are possible. Give a smaller cell."
        )


def _check_cell(data: dict) -> None:
    limits = {f"_cell_length_{axis}": LARGEST_A for axis in "abc"} | {f"_cell_angle_{angle}": 180.0 for angle in ("alpha", "beta", "gamma")}
    for name, limit in limits.items():
        value = _value(data.get(name))
        if value is None:
            raise Unusable(f"This CIF gives no cell: {name} is missing or not a number.")
        if not 0 < value < limit:
            raise Unusable(f"{name} is {value:g}; it must be between 0 and {limit:g}.")
    lengths_A, angles = ([_value(data[name]) for name in limits if name.startswith(kind)] for kind in ("_cell_length", "_cell_angle"))
    if _thickness_A(lengths_A, angles) < THINNEST_A:
        raise Unusable(
            f"The cell is flat: lengths of {', '.join(f'{one:g}' for one in lengths_A)} Å with angles of "
            f"{', '.join(f'{one:g}' for one in angles)}° leave no room for an atom. Correct them in the CIF."
        )


def _thickness_A(lengths_A: list[float], angles_deg: list[float]) -> float:
    """The smallest distance between parallel faces; 0 where there is no such cell."""
    cos = [math.cos(math.radians(angle)) for angle in angles_deg]
    square = 1 - sum(value**2 for value in cos) + 2 * math.prod(cos)
    return min(length_A * math.sqrt(max(square, 0.0) / (1 - value**2)) for length_A, value in zip(lengths_A, cos, strict=True))


def _check_sites(data: dict) -> int:
    """Number of rows of the table of sites, each with a known element, coordinates and an occupancy."""
    columns = {axis: _column(data, f"_atom_site_fract_{axis}") for axis in "xyz"}
    n_sites = len(columns["x"])
    labels = _column(data, "_atom_site_label") or _column(data, "_atom_site_type_symbol")
    symbols = _column(data, "_atom_site_type_symbol")
    if n_sites == 0 or any(len(column) != n_sites for column in (*columns.values(), labels, symbols or labels)):
        raise Unusable("The table of sites is incomplete: each needs a label (or symbol) and three fractional coordinates.")
    if n_sites > MAX_SITES:
        raise Unusable(f"This CIF lists {n_sites} sites; at most {MAX_SITES} are possible. Give a smaller cell, or use its symmetry.")
    for row in range(n_sites):
        _check_element(labels[row], symbols[row] if symbols else "")
        for axis, column in columns.items():
            if _value(column[row]) is None:
                raise Unusable(f"Site {labels[row]} has no {axis} coordinate ({column[row]!r}): give its position, or remove the site.")
    occupancies = _column(data, "_atom_site_occupancy")
    for label, occupancy in zip(labels, occupancies, strict=False):
        value = _value(occupancy)
        if value is None or not 0 <= value <= 1.05:  # pymatgen would take '.' for 0 and '?' for 1
            raise Unusable(f"The occupancy of site {label} is {occupancy!r}: it must be a number between 0 and 1 (1 for a full site).")
    if occupancies and not any(map(_value, occupancies)):
        raise Unusable("Every site has the occupancy 0, so that the cell is empty: give their occupancies (1 for a full site).")
    return n_sites


def _check_element(label: str, symbol: str) -> None:
    """That the parser, which takes any beginning that is an element, takes what is meant. `symbol`: empty where there are labels alone."""
    name = _of_type_symbol(symbol) if symbol else _of_label(label)
    if name.capitalize() in ISOTOPES:
        raise Unusable(f"Site {label} holds the isotope {name.capitalize()}: write H for it, reference methods know elements only.")
    is_element = name not in GROUPS and Element.is_valid_symbol(name.capitalize()) and Element(name.capitalize()).Z <= LAST_ELEMENT
    if not is_element:
        instead = "" if symbol else ", or add the column _atom_site_type_symbol"
        raise Unusable(
            f"Site {label} holds {symbol or label!r}, which is not an element (up to lawrencium): write Li, or Li1+ with its "
            f"charge{instead}. Each atom of a group has a site of its own; vacancies have none."
        )


def _of_type_symbol(symbol: str) -> str:
    found = TYPE_SYMBOL.fullmatch(symbol.strip())
    return found[1] if found else ""


def _of_label(label: str) -> str:
    found = LABEL.match(label)
    letters, later = found.groups() if found else ("", "")
    name = next((letters[:length] for length in (2, 1) if Element.is_valid_symbol(letters[:length].capitalize())), letters)
    return name if SUFFIX.fullmatch(letters[len(name) :]) and LATER_SUFFIX.fullmatch(later) else ""


def _number_of_operations(data: dict) -> int:
    for name in OPERATIONS:
        operations = _column(data, name)
        if operations:
            wrong = next(
                (
                    operation
                    for operation in operations
                    if not OPERATION.match(operation) or operation.count(",") != 2 or re.search(r"/0*(?![0-9.])", operation)
                ),
                None,
            )
            if wrong is not None:
                raise Unusable(f"The symmetry operation {wrong[:60]!r} is not understood: it must be of the kind -x, y+1/2, z.")
            if len(operations) > MAX_OPERATIONS:
                raise Unusable(f"This CIF lists {len(operations)} symmetry operations; no space group has more than {MAX_OPERATIONS}.")
            return len(operations)
    named = [(name, data[name]) for name in (*SYMBOLS, *NUMBERS) if isinstance(data.get(name), str) and data[name].strip() not in UNKNOWN]
    orders = [order for order in (_order(name, value) for name, value in named) if order]
    if named and not orders:
        raise Unusable(
            f"The space group {named[0][1]!r} is not understood and the CIF lists no symmetry operations: add them "
            "(_space_group_symop_operation_xyz), or export the structure in P1."
        )
    return orders[0] if orders else 1


def _order(name: str, value: str) -> int | None:
    """Operations of a space group by its symbol or number, as pymatgen's reader of CIFs finds them; None where it does not."""
    symbol = re.sub(r"[\s_]", "", value)
    encoded = {re.sub(r"[\s_]", "", key): key for key in SYMM_DATA["space_group_encoding"]}
    try:
        return int((SpaceGroup.from_int_number(int(value)) if name in NUMBERS else SpaceGroup(encoded.get(symbol, symbol))).order)
    except (ValueError, KeyError):
        return None


def _column(data: dict, name: str) -> list[str]:
    value = data.get(name, [])
    return [value] if isinstance(value, str) else list(value)


def _value(text: str | list[str] | None) -> float | None:
    """A CIF number, its uncertainty in brackets left out; None for what is none."""
    if not isinstance(text, str) or not NUMBER.match(text.strip()):
        return None
    return float(re.sub(r"\(.*$", "", text.strip()))

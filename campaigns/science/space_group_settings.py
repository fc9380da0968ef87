"""Symmetry operations for a CIF that only names its space group: those of the origin or axes that it names.

pymatgen looks such a symbol up without its setting and takes origin 1 and hexagonal axes, whatever the CIF says: atoms end up elsewhere.
"""

import re
import warnings
from dataclasses import dataclass
from functools import cache

import spglib
from pymatgen.core import SymmOp
from pymatgen.io.cif import CifBlock

HALL_NUMBERS = range(1, 531)
OPERATION_TAGS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
SYMBOL_TAGS = ("_symmetry_space_group_name_h-m", "_space_group_name_h-m_alt", "_space_group_name_h-m_full")
HALL_TAGS = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
NUMBER_TAGS = ("_space_group_it_number", "_symmetry_int_tables_number")
UNKNOWN = ("", "?", ".")
CHOICE_OF_LETTER = {"S": "1", "Z": "2", "H": "H", "R": "R"}  # as the ICSD writes them
AXES_DEG = 0.5
NAMES_OF_AXES = {"H": "hexagonal", "R": "rhombohedral"}


class SettingUnknown(ValueError):
    """The text says which setting cannot be had, and what to do."""


@dataclass(frozen=True)
class Setting:
    """One setting of a space group, as spglib lists it."""

    hall_number: int
    number: int
    choice: str  # 1 or 2 (origin), H or R (axes), others of axes and cells; empty where there is but one
    hall_symbol: str
    names: frozenset[str]

    @property
    def operations(self) -> list[str]:
        found = spglib.get_symmetry_from_database(self.hall_number)
        pairs = zip(found["rotations"], found["translations"], strict=True)
        return [SymmOp.from_rotation_and_translation(rotation, shift % 1.0).as_xyz_str() for rotation, shift in pairs]


def split_setting(symbol: str) -> tuple[str, str]:
    """A Hermann-Mauguin symbol without spaces, and the setting that it names: ('Fd-3m', '2') of 'F d -3 m :2' and of 'F d -3 m Z'."""
    spelled = re.sub(r"\(?origin( choice)? ?([12])\)?", r":\2", symbol, flags=re.IGNORECASE)
    name, named, letter = re.fullmatch(r"(.*?)(?::(.*)|([SZHR]))?", re.sub(r"[\s_]", "", spelled), re.IGNORECASE).groups()
    setting = (named or letter or "").upper()
    return name, CHOICE_OF_LETTER.get(setting, setting.lower())


def with_operations(text: str) -> tuple[str, list[str]]:
    """The text of a CIF, with the operations of its setting where it lists none; what was assumed. Raises SettingUnknown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # spglib's, of how its errors will be raised one day
        return _with_operations(text)


def _with_operations(text: str) -> tuple[str, list[str]]:
    data = {name.lower(): value for name, value in CifBlock.from_str(text).data.items()}
    if any(_known(data.get(tag)) for tag in OPERATION_TAGS):
        return text, []
    setting, notes = _setting(data)
    if setting is None:
        return text, notes
    without = re.sub(rf"^\s*(?:{'|'.join(OPERATION_TAGS)})\s+[?.]\s*$", "", text, flags=re.MULTILINE | re.IGNORECASE)
    rows = "\n".join(f"'{operation}'" for operation in setting.operations)
    return f"{without.rstrip()}\nloop_\n{OPERATION_TAGS[1]}\n{rows}\n", notes


def _setting(data: dict) -> tuple[Setting | None, list[str]]:
    """That which the CIF names or its cell shows; None where there is nothing to choose."""
    hall = next((" ".join(data[tag].split()) for tag in HALL_TAGS if _known(data.get(tag))), "")
    by_hall = next((one for one in _settings() if hall and one.hall_symbol == hall), None)
    if by_hall:
        return by_hall, []
    symbol = next((data[tag] for tag in SYMBOL_TAGS if _known(data.get(tag))), "")
    name, named = split_setting(symbol)
    number = next((data[tag].strip() for tag in NUMBER_TAGS if _known(data.get(tag))), "")
    possible = [one for one in _settings() if _plain(name) in one.names] or [one for one in _settings() if str(one.number) == number]
    if named:
        return _named(symbol, named, possible, data)
    choices = {one.choice: one for one in reversed(possible) if one.number == possible[0].number}
    if {"H", "R"} <= set(choices):
        return choices["R" if _is_rhombohedral(data) else "H"], []
    if {"1", "2"} <= set(choices):
        group = symbol.strip() or f"number {number}"
        return choices["1"], [
            f"The space group {group} has two origin choices, and the CIF names none and lists no symmetry operations: it was read with "
            "origin choice 1. If it is 2, write :2 behind the symbol, or give the symmetry operations."
        ]
    return None, []


def _named(symbol: str, named: str, possible: list[Setting], data: dict) -> tuple[Setting, list[str]]:
    found = next((one for one in possible if one.choice == named or (named in "12" and one.choice.startswith(named))), None)
    if found is None and named == "1" and {one.choice for one in possible} == {""}:
        found = possible[0]
    if found is None:
        raise SettingUnknown(
            f"The setting of the space group {symbol.strip()} is not known here, and the CIF lists no symmetry operations: give the "
            "symmetry operations (_space_group_symop_operation_xyz), or export the structure in P1."
        )
    if named in NAMES_OF_AXES and _is_rhombohedral(data) != (named == "R"):
        return found, [f"The space group {symbol.strip()} is given on {NAMES_OF_AXES[named]} axes, and the cell has others: check both."]
    return found, []


def _is_rhombohedral(data: dict) -> bool:
    """Whether the cell has no angle of 120° as hexagonal axes have."""
    gamma_deg = float(re.sub(r"\(.*$", "", data["_cell_angle_gamma"].strip()))
    alpha_deg = float(re.sub(r"\(.*$", "", data["_cell_angle_alpha"].strip()))
    return not (abs(gamma_deg - 120) < AXES_DEG and abs(alpha_deg - 90) < AXES_DEG)


@cache
def _settings() -> tuple[Setting, ...]:
    return tuple(_of_hall(hall_number) for hall_number in HALL_NUMBERS)


def _of_hall(hall_number: int) -> Setting:
    found = spglib.get_spacegroup_type(hall_number)
    names = {_plain(name) for name in (found.international_short, found.international_full, *found.international.split("="))}
    if found.number > 200:  # cubic symbols of before 1983 leave the minus out: F d 3 m
        names |= {name.replace("-3", "3") for name in names}
    return Setting(hall_number, found.number, found.choice, found.hall_symbol, frozenset(names))


def _plain(symbol: str) -> str:
    return re.sub(r"[\s_]", "", symbol).lower()


def _known(value: str | list[str] | None) -> bool:
    return bool(value) and (not isinstance(value, str) or value.strip() not in UNKNOWN)

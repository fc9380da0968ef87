"""Reads a user's CIF: a look at the text here, the parse in a bounded child (campaigns/engines/parse_cif.py).

A CIF of 2 kB can keep pymatgen busy for minutes, and one with a transformation string reaches code that evaluates it:
what can be refused by looking is refused before the parse.
"""

import re
from typing import Any

from campaigns.engines.bounded import ChildRefused, run_json

MAX_BYTES = 1_000_000
MAX_SITES = 1000
MAX_SITES_TIMES_OPERATIONS = 5000
PARSE_TIMEOUT_S = 30.0
# Magnetic CIFs carry transformation strings that the parser evaluates.
REFUSED_TAGS = ("_space_group_magn", "_magn_", "_moment", "transform")
CELL_TAGS = ("_cell_length_a", "_cell_length_b", "_cell_length_c", "_cell_angle_alpha", "_cell_angle_beta", "_cell_angle_gamma")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?(\(\d+\))?$")


class CifRejected(ValueError):
    """A CIF that cannot be used; the text says what is wrong and what to do."""


def read_cif(cif: bytes) -> tuple[str, dict[str, Any]]:
    """The text and the facts (campaigns/science/structures.py) of a CIF. Raises CifRejected."""
    text = _decoded(cif)
    _look(text)
    try:
        return text, run_json("campaigns.engines.parse_cif", [], stdin=text.encode(), timeout_s=PARSE_TIMEOUT_S)
    except ChildRefused as error:
        raise CifRejected(str(error)) from error


def _decoded(cif: bytes) -> str:
    if not cif.strip():
        raise CifRejected("The file is empty. Export the CIF again.")
    if len(cif) > MAX_BYTES:
        raise CifRejected(f"The file has {len(cif) / 1e6:.1f} MB; a CIF of one structure has less than {MAX_BYTES / 1e6:.0f} MB.")
    if cif.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise CifRejected("The file is UTF-16 text. Save it as UTF-8 or plain ASCII.")
    if b"\0" in cif:
        raise CifRejected("The file is binary, not a CIF (which is plain text).")
    try:
        return cif.decode("utf-8-sig")
    except UnicodeDecodeError:
        return cif.decode("latin-1")


def _look(text: str) -> None:
    """Refuse what need not be parsed to be refused."""
    lowered = text.lower()
    n_blocks = len(re.findall(r"^\s*data_\S", lowered, re.MULTILINE))
    if n_blocks == 0:
        raise CifRejected("This is not a CIF: it has no data_ block. Upload a .cif file of one crystal structure.")
    if n_blocks > 1:
        raise CifRejected(f"The file holds {n_blocks} data blocks. Keep one structure in it and upload it again.")
    tags = set(re.findall(r"^\s*(_\S+)", lowered, re.MULTILINE))
    if any(word in tag for tag in tags for word in REFUSED_TAGS):
        raise CifRejected("Magnetic CIFs and transformations are not read. Export the plain crystal structure.")
    _look_at_cell(lowered, tags)
    if not any(tag.startswith("_atom_site_fract_x") for tag in tags):
        raise CifRejected("The CIF has no atom sites with fractional coordinates (_atom_site_fract_x): it may be truncated.")
    _look_at_size(text)


def _look_at_cell(text: str, tags: set[str]) -> None:
    missing = [tag for tag in CELL_TAGS if tag not in tags]
    if missing:
        raise CifRejected(f"The CIF has no unit cell: {', '.join(missing)} is missing.")
    for tag in CELL_TAGS:
        value = re.search(rf"^\s*{tag}\s+(\S+)", text, re.MULTILINE)
        if value is None or not _NUMBER.match(value[1].strip("'\"")):
            raise CifRejected(f"The unit cell is not complete: {tag} is {value[1] if value else 'empty'}. Give a number.")


def _look_at_size(text: str) -> None:
    """Sites times symmetry operations bound the work of the parser."""
    n_sites, n_operations = _rows(text, "_atom_site_fract_x"), 1
    for tag in ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz"):
        n_operations = max(n_operations, _rows(text, tag))
    if n_operations == 1 and re.search(r"_(space_group_name_h-m|symmetry_space_group_name_h-m|int_tables_number)", text.lower()):
        n_operations = 48  # the parser takes the operations from the symbol: assume many
    if n_sites == 0:
        raise CifRejected("The CIF has no atom sites: it may be truncated.")
    if n_sites > MAX_SITES or n_sites * n_operations > MAX_SITES_TIMES_OPERATIONS:
        raise CifRejected(
            f"The CIF has {n_sites} sites and {n_operations} symmetry operations: too large. At most {MAX_SITES} sites, and "
            f"{MAX_SITES_TIMES_OPERATIONS} sites times operations, are read."
        )


def _rows(text: str, tag: str) -> int:
    """Rows of the loop that has this tag among its columns."""
    columns: list[str] = []
    rows, in_header = 0, False
    for line in map(str.strip, text.lower().splitlines()):
        if line.startswith("loop_"):
            columns, rows, in_header = [], 0, True
        elif line.startswith("_") and in_header:
            columns.append(line.split()[0])
        elif line.startswith(("_", "data_")) or not line or line.startswith("#"):
            if tag in columns and rows:
                break
        else:
            in_header = False
            rows += 1
    return rows if tag in columns else 0

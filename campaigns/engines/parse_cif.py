"""The child that parses a CIF: text on standard input, facts as JSON on standard output; a refusal with exit status 3.

Run by campaigns/engines/read_cif.py through campaigns/engines/bounded.py, never within a web or worker process.
"""

import json
import sys
import warnings

from pymatgen.core import Element, Structure
from pymatgen.io.cif import CifParser

from campaigns.science.structures import StructureUnusable, describe


class Refused(ValueError):
    """What is wrong with the CIF, in words."""


def parse(text: str) -> Structure:
    """The one structure of a CIF, as it stands (not reduced, not symmetrised, occupancies kept). Raises Refused."""
    parser = CifParser.from_str(text, occupancy_tolerance=1.05, site_tolerance=1e-4)
    try:
        structures = parser.parse_structures(primitive=False, symmetrized=False)
    except (ValueError, KeyError, IndexError, TypeError, AssertionError) as error:
        raise Refused(f"The CIF could not be read ({error}). Check cell, symmetry operations, coordinates and occupancies.") from error
    if len(structures) != 1:
        raise Refused("The CIF holds no usable structure: check cell, symmetry operations, coordinates and occupancies.")
    return _plain(structures[0])


def _plain(structure: Structure) -> Structure:
    """Elements without oxidation states, as campaigns speak of them. Raises Refused for what is no element."""
    for site in structure:
        for specie in site.species:
            symbol = getattr(specie, "symbol", str(specie))
            if symbol in ("D", "T"):
                raise Refused("The CIF has deuterium or tritium: write H for it (the potential energy is the same).")
            if not Element.is_valid_symbol(symbol):
                raise Refused(f"{symbol} is not an element. Check the atom labels and type symbols.")
    structure.remove_oxidation_states()
    return structure


def main() -> None:
    warnings.simplefilter("ignore")
    try:
        facts = describe(parse(sys.stdin.buffer.read().decode("utf-8", "replace")))
    except (Refused, StructureUnusable) as error:
        print(error)
        sys.exit(3)
    json.dump(facts, sys.stdout)


if __name__ == "__main__":
    main()

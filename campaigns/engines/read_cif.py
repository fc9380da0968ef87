"""Reads a CIF that a user gave, in a child process with limits; imports nothing heavy until it is the child.

    python -m campaigns.engines.read_cif < structure.cif

prints the facts of the material as JSON, or says on its standard output why not (exit status 3).
"""

import json
import sys
from typing import Any

from campaigns.engines.bounded import CPU_LIMIT_S, WALL_LIMIT_S, ChildBusy, ChildRefused, run_json
from campaigns.engines.job import to_json

MAX_BYTES = 1_000_000
CONTROL = frozenset(range(32)) - frozenset(b"\t\n\r\f\x1a")


class CifRejected(ValueError):
    """The CIF cannot be used; the text says why and what to do."""


class CifNotRead(CifRejected):
    """The machine was too busy to read it: nothing is said of the CIF."""


def read_cif(cif: bytes, cpu_s: float = CPU_LIMIT_S, wall_s: float = WALL_LIMIT_S) -> tuple[str, dict[str, Any]]:
    """The CIF's text and the facts of its material (campaigns/science/structures.py, MaterialFacts, as JSON). Raises CifRejected."""
    text = decode(cif)
    try:
        return text, run_json("campaigns.engines.read_cif", [], stdin=text.encode(), cpu_s=cpu_s, wall_s=wall_s)
    except ChildBusy as error:
        raise CifNotRead(str(error)) from error
    except ChildRefused as error:
        raise CifRejected(str(error)) from error


def decode(cif: bytes) -> str:
    """Text with Unix line ends. Raises CifRejected for what is empty, too large or no text."""
    if not cif.strip():
        raise CifRejected("The file is empty.")
    if len(cif) > MAX_BYTES:
        raise CifRejected(f"The file has {len(cif) / 1e6:.1f} MB; at most {MAX_BYTES / 1e6:.0f} MB are accepted (most have a few kB).")
    if cif.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise CifRejected("The file is UTF-16 text: save it as UTF-8 (or plain ASCII) and upload it again.")
    if cif.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        raise CifRejected("The file is an archive: unpack it and upload the CIF itself.")
    if CONTROL & set(cif):
        raise CifRejected("The file is not text: export the structure as CIF and upload that file.")
    try:
        text = cif.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = cif.decode("latin-1")  # older programs write degree signs and names so
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _command() -> int:
    from campaigns.engines.cif_scan import Unusable, the_block
    from campaigns.science.structures import StructureRefused, material_facts, structure_from_cif

    text = sys.stdin.buffer.read(2 * MAX_BYTES).decode("utf-8")
    try:
        facts = to_json(material_facts(*structure_from_cif(the_block(text))))
    except (Unusable, StructureRefused) as error:
        print(error)
        return 3
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        print(f"The CIF could not be understood ({reason}): open it in another program, such as VESTA, and export it as CIF from there.")
        return 3
    print(json.dumps(facts, allow_nan=False))
    return 0


if __name__ == "__main__":
    sys.exit(_command())

"""Basis sets and pseudopotentials that CP2K ships, found where it is installed, and the pair of them for each element."""

import itertools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ase.data import atomic_numbers

FOLDERS = ("/usr/share/cp2k", "/usr/local/share/cp2k/data", "/usr/local/share/cp2k", "/opt/cp2k/data")
BASIS_FILES = ("BASIS_MOLOPT", "BASIS_MOLOPT_UCL")  # the second has the lanthanides and triple zeta
POTENTIAL_FILE = "GTH_POTENTIALS"
FAMILIES = ("DZVP-MOLOPT-SR-GTH", "SZV-MOLOPT-SR-GTH", "TZVP-MOLOPT-SR-GTH", "TZV2P-MOLOPT-SR-GTH", "DZVP-MOLOPT-GTH", "TZVP-MOLOPT-GTH",
            "TZV2P-MOLOPT-GTH")  # fmt: skip
POTENTIAL_FAMILY = "GTH-PBE"
HEADING = re.compile(r"^\s*([A-Z][a-z]?)\s+(\S*GTH\S*(?:\s+\S*GTH\S*)*)\s*(?:#.*)?$")
N_ELECTRONS = re.compile(r"-q(\d+)$")
LAST_WITH_D2 = 54  # Grimme 2006 has parameters from hydrogen to xenon


@dataclass(frozen=True)
class Kind:
    """What stands for one element: names as in CP2K's files, and the electrons that are not in the core."""

    symbol: str
    basis: str
    basis_file: str
    potential: str
    n_electrons: int


class DataMissing(ValueError):
    """CP2K's data files, or an element in them, are not there; the message says what to do."""


def folder() -> Path:
    """The environment's CP2K_DATA_DIR, which CP2K itself obeys, or where packages put the files. Raises DataMissing."""
    given = os.environ.get("CP2K_DATA_DIR")
    for place in [given] if given else FOLDERS:
        if (Path(place) / BASIS_FILES[0]).is_file() and (Path(place) / POTENTIAL_FILE).is_file():
            return Path(place)
    raise DataMissing(
        f"CP2K's data files ({BASIS_FILES[0]}, {POTENTIAL_FILE}) are not in {given or ', '.join(FOLDERS)}: install them "
        "(Debian: apt-get install cp2k-data), or say where they are with CP2K_DATA_DIR."
    )


def without_d2(symbols: Sequence[str]) -> list[str]:
    """Sentences about the elements that Grimme's D2 does not know."""
    return [
        f"Grimme's D2 has no parameters for {symbol}: choose d3bj, d3 or none."
        for symbol in sorted(set(symbols))
        if atomic_numbers[symbol] > LAST_WITH_D2
    ]


def kinds_of(symbols: Sequence[str], family: str, chosen: Mapping[str, tuple[str, str]]) -> dict[str, Kind]:
    """Basis set and pseudopotential of each element: as chosen (basis, potential), else of the family. Raises DataMissing for the first
    element that has none.
    """
    place = folder()
    return {symbol: _kind(symbol, family, chosen.get(symbol), place) for symbol in dict.fromkeys(symbols)}


def _kind(symbol: str, family: str, chosen: tuple[str, str] | None, place: Path) -> Kind:
    potentials = entries(place / POTENTIAL_FILE).get(symbol, [])
    bases = [(names, file) for file in BASIS_FILES for names in entries(place / file).get(symbol, []) if (place / file).is_file()]
    if chosen:
        bases = [(names, file) for names, file in bases if chosen[0] in names]
        potentials = [names for names in potentials if chosen[1] in names]
    else:
        bases = [(names, file) for names, file in bases if _member(names, family)]
        potentials = [names for names in potentials if _member(names, POTENTIAL_FAMILY)]
    wanted = chosen or (family, POTENTIAL_FAMILY)
    for names, file in bases:
        n_electrons = _n_electrons(names)
        match = next((other for other in potentials if _n_electrons(other) == n_electrons), None)
        if match:
            return Kind(symbol, max(names, key=len), file, max(match, key=len), n_electrons)
    lacking = f"basis set {wanted[0]}" if not bases else f"pseudopotential {wanted[1]} to go with the basis set {wanted[0]}"
    raise DataMissing(
        f"CP2K's files have no {lacking} for {symbol}: choose another basis set family, name both for this element (kinds: "
        f"`{symbol} BASIS POTENTIAL`), or use another reference method."
    )


def _member(names: Sequence[str], family: str) -> bool:
    return any(N_ELECTRONS.sub("", name) == family for name in names)


def _n_electrons(names: Sequence[str]) -> int:
    return next((int(match[1]) for name in names if (match := N_ELECTRONS.search(name))), 0)


@lru_cache(maxsize=8)
def entries(path: Path) -> dict[str, list[tuple[str, ...]]]:
    """For each element the names of each of its entries in a data file; an entry has several names."""
    found: dict[str, list[tuple[str, ...]]] = {}
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if match := HEADING.match(line):
                found.setdefault(match[1], []).append(tuple(match[2].split()))
    return found


def entry(path: Path, symbol: str, name: str) -> list[str]:
    """The lines of numbers below the heading that has this name, empty where there is none."""
    lines = iter(path.read_text(encoding="utf-8", errors="replace").splitlines())
    if not any((match := HEADING.match(line)) and match[1] == symbol and name in match[2].split() for line in lines):
        return []
    body = itertools.takewhile(lambda line: line.strip() and not line.lstrip().startswith("#") and not HEADING.match(line), lines)
    return list(body)

"""The pseudopotential of each element for Quantum ESPRESSO: a UPF file that the user gives or the installation has, or Goedecker's from
CP2K's table. Only those made for PBE.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from campaigns.engines.labellers import gth
from campaigns.engines.labellers.lammps_text import FILE_NAME

FOLDER_VARIABLES = ("ESPRESSO_PSEUDO", "PSEUDO_DIR")
FOLDERS = ("/usr/share/espresso/pseudo",)
PBE = (("PBE",), ("SLA", "PW", "PBX", "PBC"), ("SLA", "PW", "PBE", "PBE"))  # as authors of files say it
FUNCTIONAL_WORDS = 4  # exchange, correlation, and their gradients
ATTRIBUTE = r'\b{}\s*=\s*["\']\s*([^"\']*?)\s*["\']'
OLD_LINE = r"^\s*(\S.*?)\s+{}"


@dataclass(frozen=True)
class Pseudo:
    """`source`: its name, for people. `dense`: ultrasoft or PAW, whose density needs a higher cut-off."""

    symbol: str
    source: str
    file_name: str
    text: str
    n_electrons: float
    dense: bool


class PseudoMissing(ValueError):
    """An element has none that can be used; the message says what to do."""


def folders() -> list[Path]:
    """Where this installation keeps its files, as pw.x and ase look for them."""
    given = [value for name in FOLDER_VARIABLES if (value := os.environ.get(name))]
    return [Path(place) for place in given or FOLDERS if Path(place).is_dir()]


def chosen(lines: Sequence[str]) -> dict[str, str]:
    """`Li Li.upf` as a name by element. Raises ValueError."""
    found = {}
    for line in lines:
        words = line.split()
        if len(words) != 2 or not FILE_NAME.fullmatch(words[1]):
            raise ValueError(f"{line!r} is not an element and the name of a pseudopotential")
        found[words[0]] = words[1]
    return found


def of(symbol: str, name: str | None, files: Mapping[str, str]) -> Pseudo:
    """The one that has this name, else the only one that there is. `files`: texts that the user gave. Raises PseudoMissing."""
    if name and name.startswith(f"{gth.FAMILY}-q"):
        return _goedecker(symbol, name)
    if name:
        text = files.get(name) or next((_read(place / name) for place in folders() if (place / name).is_file()), None)
        if text is None:
            raise PseudoMissing(f"There is no pseudopotential file {name} for {symbol}: attach it, or give the name of one that is there.")
        return _upf(symbol, name, text)
    given = {file: text for file, text in files.items() if _header(text).get("element") == symbol}
    there = given or {path.name: text for path in _files_of(symbol) if _is_pbe(text := _read(path))}
    if len(there) == 1:
        (file, text), *_ = there.items()
        return _upf(symbol, file, text)
    raise PseudoMissing(_which(symbol, sorted(there)))


def _which(symbol: str, there: Sequence[str]) -> str:
    known = [*there, *gth.names(symbol)]
    if known:
        return f"Say which pseudopotential {symbol} has, one of {', '.join(known)}: write `{symbol} {known[-1]}`, or attach a UPF file."
    return f"There is no PBE pseudopotential for {symbol} on this installation: attach a UPF file, or apt-get install cp2k-data (Debian)."


def proposed(symbols: Sequence[str]) -> list[str]:
    """Goedecker's for every element that has one; nothing where the installation's files leave no choice."""
    try:
        for symbol in symbols:
            of(symbol, None, {})
    except PseudoMissing:
        return [f"{symbol} {names[0]}" for symbol in symbols if (names := gth.names(symbol))]
    return []


def _goedecker(symbol: str, name: str) -> Pseudo:
    try:
        text = gth.for_espresso(symbol, name)
    except gth.GthMissing as error:
        raise PseudoMissing(str(error)) from error
    return Pseudo(symbol, name, f"{symbol}.gth", text, gth.n_electrons(name), dense=False)


def _upf(symbol: str, name: str, text: str) -> Pseudo:
    header = _header(text)
    try:
        n_electrons, kind = float(header["z_valence"].replace("D", "E")), header["pseudo_type"].upper()
    except (KeyError, ValueError) as error:
        raise PseudoMissing(f"{name} is not a pseudopotential in the format UPF: convert it with upfconv.x, or take another.") from error
    if header.get("element") != symbol:
        raise PseudoMissing(f"{name} is a pseudopotential of {header.get('element') or 'an unknown element'}, not of {symbol}.")
    if not _is_pbe(text):
        raise PseudoMissing(f"{name} was made for the functional {header.get('functional') or 'unknown'}: take one made for PBE.")
    return Pseudo(symbol, name, f"{symbol}.UPF", text, n_electrons, dense=kind.startswith(("US", "PAW")))


def _files_of(symbol: str) -> list[Path]:
    named = re.compile(rf"{symbol}[._-].*\.upf", re.IGNORECASE)
    return sorted(path for place in folders() for path in place.iterdir() if named.fullmatch(path.name))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _is_pbe(text: str) -> bool:
    return tuple(_header(text).get("functional", "").upper().split()[:FUNCTIONAL_WORDS]) in PBE


def _header(text: str) -> dict[str, str]:
    """element, pseudo_type, functional, z_valence: attributes in version 2 of the format, lines of their own in version 1."""
    found = re.search(r"<PP_HEADER(.*?)(?:/>|</PP_HEADER>)", text, re.DOTALL)
    if not found:
        return {}
    named = {"element": "Element", "functional": "Exchange-Correlation", "z_valence": "Z valence", "pseudo_type": r"(?:Norm|Ultrasoft|PAW)"}
    header = {}
    for name, words in named.items():
        match = re.search(ATTRIBUTE.format(name), found[1]) or re.search(OLD_LINE.format(words), found[1], re.MULTILINE)
        if match:
            header[name] = match[1].strip()
    return header

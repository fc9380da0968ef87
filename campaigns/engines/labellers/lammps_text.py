"""The user's words for a classical potential, taken apart and put together again as LAMMPS commands.

LAMMPS's input language can run programs and read any file (`shell`, `python`, `include`, variables), so nothing of the user's text goes
into it unread: every word must be a number, an element, a style of the lists below, a plain keyword, or the name of a file that came with
the options.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

# Pairwise styles: coefficients for each pair of elements.
PAIRWISE_STYLES = frozenset(
    {
        "lj/cut",
        "lj/cut/coul/cut",
        "lj/cut/coul/dsf",
        "lj/cut/coul/long",
        "lj/cut/coul/wolf",
        "lj/cut/coul/msm",
        "lj/smooth",
        "lj/smooth/linear",
        "lj/expand",
        "lj/expand/coul/long",
        "lj/gromacs",
        "lj/long/coul/long",
        "lj/mdf",
        "lj96/cut",
        "mie/cut",
        "nm/cut",
        "nm/cut/coul/long",
        "buck",
        "buck/coul/cut",
        "buck/coul/long",
        "buck/coul/msm",
        "buck/long/coul/long",
        "buck/mdf",
        "born",
        "born/coul/long",
        "born/coul/dsf",
        "born/coul/wolf",
        "born/coul/msm",
        "born/gauss",
        "morse",
        "morse/smooth/linear",
        "coul/cut",
        "coul/dsf",
        "coul/long",
        "coul/wolf",
        "coul/debye",
        "coul/msm",
        "pedone",
        "gauss",
        "gauss/cut",
        "yukawa",
        "zbl",
        "beck",
        "ufm",
        "table",
    }
)
# Many-body styles: one `pair_coeff * * FILE ELEMENT...`.
MANY_BODY_STYLES = frozenset(
    {
        "sw",
        "sw/mod",
        "tersoff",
        "tersoff/mod",
        "tersoff/zbl",
        "tersoff/table",
        "vashishta",
        "vashishta/table",
        "eam",
        "eam/alloy",
        "eam/fs",
        "adp",
        "meam",
        "meam/ms",
        "edip",
        "edip/multi",
        "eim",
        "nb3b/harmonic",
        "snap",
    }
)
HYBRID_STYLES = frozenset({"hybrid", "hybrid/overlay"})
PAIR_STYLES = PAIRWISE_STYLES | MANY_BODY_STYLES | HYBRID_STYLES
KSPACE_STYLES = frozenset(["ewald", "ewald/disp", "pppm", "pppm/cg", "pppm/disp", "msm", "msm/cg"])
# What may follow a style besides numbers: any other word could be a style that is not on the lists, behind `hybrid`.
STYLE_WORDS = frozenset(
    ["long", "cut", "off", "linear", "spline", "lookup", "bitmap", "ewald", "pppm", "msm", "dispersion", "shift", "yes", "no"]
)
# LAMMPS mixes the coefficients of unlike pairs for these families by itself.
MIXED_FAMILIES = ("lj/", "lj96/", "mie/", "nm/", "coul/", "gauss", "ufm", "zbl", "yukawa")
MAX_LINES = 1000
MAX_CHARACTERS = 400
MAX_FILE_CHARACTERS = 20_000_000

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
RANGE = re.compile(r"\d*\*?\d*")
KEYWORD = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
ELEMENT = re.compile(r"[A-Z][a-z]?")


Problems = dict[str, list[str]]  # by option


class TextRefused(ValueError):
    """The user's text is not a potential that may be given to LAMMPS; the message says which word of which option, and why."""


@dataclass(frozen=True)
class Potential:
    """Checked words. `elements` in type order (type 1 first); `files` name -> content."""

    elements: tuple[str, ...]
    pair_style: tuple[str, ...]
    pair_coeff: tuple[tuple[str, ...], ...]
    kspace_style: tuple[str, ...]
    pair_modify: tuple[str, ...]
    charges_e: Mapping[str, float]
    files: Mapping[str, str]

    @property
    def styles(self) -> list[str]:
        """The styles that compute something: those of a hybrid, or the one."""
        return [word for word in self.pair_style if word in PAIR_STYLES - HYBRID_STYLES]

    @property
    def is_hybrid(self) -> bool:
        return bool(self.pair_style) and self.pair_style[0] in HYBRID_STYLES


def parse(options: Mapping[str, Any]) -> Potential:
    """Read the options of the labeller. Raises TextRefused."""
    potential, refused = read(options)
    if refused:
        raise TextRefused("; ".join(f"{name}: {problem}" for name, found in refused.items() for problem in found))
    return potential


def read(options: Mapping[str, Any]) -> tuple[Potential, Problems]:
    """What can be read of the options, and everything that is wrong with the rest. A refused option is empty in the potential."""
    refused: Problems = {}

    def part(name: str, empty: Any, reader: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return reader(*arguments)
        except TextRefused as error:
            refused.setdefault(name, []).append(str(error))
            return empty

    files = part("files", {}, _files, options.get("files") or {})
    charges_e = part("charges", {}, _charges, options.get("charges") or {})
    lines = part("pair_coeff", [], _lines, options.get("pair_coeff") or "", "pair_coeff")
    if not lines and "pair_coeff" not in refused:
        refused["pair_coeff"] = ["give the coefficients of each pair of elements, one pair a line"]
    elements = part("elements", (), _elements, options.get("elements") or [], charges_e, lines)
    coefficients = [part("pair_coeff", None, _coefficients, line, elements, files) for line in lines] if elements else []
    kspace = str(options.get("kspace_style") or "")
    potential = Potential(
        elements,
        part("pair_style", (), _style, options.get("pair_style") or "", PAIR_STYLES, "pair_style", "buck/coul/long 10.0"),
        tuple(coefficient for coefficient in coefficients if coefficient),
        part("kspace_style", (), _style, kspace, KSPACE_STYLES, "kspace_style", "pppm 1e-5") if kspace.strip() else (),
        part("pair_modify", (), _modify, options.get("pair_modify") or ""),
        charges_e,
        files,
    )
    return potential, refused


def _modify(text: Any) -> tuple[str, ...]:
    lines = _lines(text, "pair_modify")
    if len(lines) > 1:
        raise TextRefused("give one line, for example `mix arithmetic tail yes`")
    for word in lines[0] if lines else ():
        if not (NUMBER.fullmatch(word) or KEYWORD.fullmatch(word) or word in PAIR_STYLES):
            raise TextRefused(f"{word!r} is neither a number nor a keyword")
    return tuple(lines[0]) if lines else ()


def problems(options: Mapping[str, Any], symbols: Sequence[str]) -> Problems:
    """What keeps these options from being a potential for these elements, in sentences at the option that mends it."""
    potential, found = read(options)
    refused = set(found)
    for name, needs, check in (
        ("elements", (), _missing_elements),
        ("charges", ("pair_style",), _charge_problems),
        ("kspace_style", ("pair_style",), _kspace_problems),
        ("pair_coeff", ("elements", "pair_style"), _missing_pairs),
    ):
        if not refused & {name, *needs}:  # what could not be read says nothing about the rest
            sentences = check(potential, symbols)
            found |= {name: sentences} if sentences else {}
    return found


def _missing_elements(potential: Potential, symbols: Sequence[str]) -> list[str]:
    return [f"The potential says nothing about the element {symbol}." for symbol in sorted(set(symbols) - set(potential.elements))]


def _charge_problems(potential: Potential, symbols: Sequence[str]) -> list[str]:
    if any("coul" in style for style in potential.styles) and not any(potential.charges_e.values()):
        return ["The pair style has a Coulomb part, but no charges are given."]
    unknown = sorted(set(symbols) - set(potential.charges_e)) if potential.charges_e else []
    return [f"No charge is given for the element {symbol}." for symbol in unknown]


def _kspace_problems(potential: Potential, symbols: Sequence[str]) -> list[str]:
    long_ranged = [style for style in potential.styles if style.endswith(("/long", "/long/cs", "/msm"))]
    if long_ranged and not potential.kspace_style:
        return [f"{long_ranged[0]} needs a kspace_style, for example `pppm 1e-5`."]
    if potential.kspace_style and not long_ranged:
        return ["A kspace_style needs a pair style with a long-range part, for example buck/coul/long."]
    return []


def _missing_pairs(potential: Potential, symbols: Sequence[str]) -> list[str]:
    count = len(potential.elements)
    covered = set()
    for line in potential.pair_coeff:
        first, second = (_types(word, count) for word in line[:2])
        covered |= {tuple(sorted((one, other))) for one in first for other in second}
    mixes = not potential.is_hybrid and potential.pair_style[0].startswith(MIXED_FAMILIES)
    pairs = combinations_with_replacement(range(1, count + 1), 2)
    missing = [pair for pair in pairs if pair not in covered and not (mixes and pair[0] != pair[1])]
    return [
        f"The coefficients of the pair {potential.elements[one - 1]}-{potential.elements[other - 1]} are missing." for one, other in missing
    ]


def _types(word: str, count: int) -> range:
    if "*" not in word:
        return range(int(word), int(word) + 1)
    first, last = word.split("*")
    return range(int(first or 1), int(last or count) + 1)


def _lines(text: Any, command: str) -> list[list[str]]:
    """The text as lines of words; comments and the command's own name are taken off."""
    lines = [str(line) for line in text] if isinstance(text, list | tuple) else str(text).splitlines()
    if len(lines) > MAX_LINES:
        raise TextRefused(f"more than {MAX_LINES} lines")
    words = []
    for line in lines:
        if len(line) > MAX_CHARACTERS or "\n" in line or "\r" in line:
            raise TextRefused(f"a line is longer than {MAX_CHARACTERS} characters or broken")
        found = line.split("#", 1)[0].split()
        if found and found[0] == command:
            found = found[1:]
        if found:
            words.append(found)
    return words


def _style(text: str, allowed: frozenset[str], command: str, example: str) -> tuple[str, ...]:
    lines = _lines(text, command)
    if len(lines) != 1:
        raise TextRefused(f"give one line, for example `{example}`")
    words = lines[0]
    if words[0] not in allowed:
        raise TextRefused(f"{words[0]!r} is not one of the styles that can be used here: {', '.join(sorted(allowed))}")
    for word in words[1:]:
        if not (word in allowed or NUMBER.fullmatch(word) or word in STYLE_WORDS):
            raise TextRefused(f"{word!r} is neither a number nor a style that can be used here")
    return tuple(words)


def _coefficients(words: list[str], elements: tuple[str, ...], files: Mapping[str, str]) -> tuple[str, ...]:
    """One pair_coeff line with its first two words as type numbers, the smaller first."""
    line = " ".join(words)
    if len(words) < 2:
        raise TextRefused(f"{line!r} does not name two elements")
    types = [str(elements.index(word) + 1) if word in elements else word for word in words[:2]]
    for word, original in zip(types, words[:2], strict=True):
        if not RANGE.fullmatch(word) or not word:
            raise TextRefused(f"{original!r} in {line!r} is not an element of the potential ({', '.join(elements)})")
        chosen = _types(word, len(elements))
        if not chosen or chosen[0] < 1 or chosen[-1] > len(elements):
            raise TextRefused(f"{original!r} in {line!r}: there are {len(elements)} elements")
    if all("*" not in word for word in types):
        types.sort(key=int)
    for word in words[2:]:
        if not (word in files or word in PAIR_STYLES or NUMBER.fullmatch(word) or KEYWORD.fullmatch(word)):
            hint = " (give the file's content with the potential)" if FILE_NAME.fullmatch(word) else ""
            raise TextRefused(f"{word!r} in {line!r} is neither a number, a style, nor a file that was given{hint}")
    return (*types, *words[2:])


def _elements(given: Any, charges_e: Mapping[str, float], lines: list[list[str]]) -> tuple[str, ...]:
    """In type order: as given, else as the charges name them, else as they first appear in pair_coeff."""
    from ase.data import atomic_numbers

    words = given.replace(",", " ").split() if isinstance(given, str) else [str(word) for word in given]
    named = [word for line in lines for word in line[:2] if ELEMENT.fullmatch(word)]
    elements = tuple(dict.fromkeys(words or list(charges_e) or named))
    for symbol in elements:
        if symbol not in atomic_numbers or symbol == "X":
            raise TextRefused(f"{symbol!r} is not an element")
    if not elements:
        raise TextRefused("name the elements in the order of LAMMPS's atom types, for example `Li O`")
    return elements


def _charges(given: Any) -> dict[str, float]:
    if isinstance(given, str):
        words = re.sub(r"[:=,;]", " ", given).split()
        given = dict(zip(words[::2], [*words[1::2], *[""] * (len(words) % 2)], strict=True))
    if not isinstance(given, Mapping):
        raise TextRefused("give one number for each element, for example `Li 1, O -2`")
    charges_e = {}
    for symbol, value in given.items():
        try:
            charges_e[str(symbol)] = float(value)
        except (TypeError, ValueError) as error:
            raise TextRefused(f"{value!r} for {symbol} is not a number") from error
        if not abs(charges_e[str(symbol)]) <= 20:
            raise TextRefused(f"{value!r} for {symbol} is not a charge in units of e")
    return charges_e


def _files(given: Any) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise TextRefused("give the content of each potential file under its name")
    for name, content in given.items():
        if not (isinstance(name, str) and FILE_NAME.fullmatch(name)) or len(name) > 100:
            raise TextRefused(f"{name!r} is not a plain file name")
        if not isinstance(content, str) or len(content) > MAX_FILE_CHARACTERS:
            raise TextRefused(f"{name} is not a text of at most {MAX_FILE_CHARACTERS} characters")
    return dict(given)

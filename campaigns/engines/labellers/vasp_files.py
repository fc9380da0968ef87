"""VASP's four input files of one label and what it says about it: POSCAR by ase, the others here; vasprun.xml read by ase, and whether
the electronic loop converged from OUTCAR.
"""

import hashlib
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io.vasp import read_vasp_xml, write_vasp
from numpy.typing import NDArray

from campaigns.engines.job import EngineFailed
from campaigns.engines.labellers.base import Label, LabelFailed, finite_label, right_handed

FOLDER_VARIABLE = "VASP_PP_PATH"
SETS = ("potpaw_PBE.64", "potpaw_PBE.54", "potpaw_PBE.52", "potpaw_PBE", "")  # folders as VASP's licence holders unpack them
NAME = re.compile(r"[A-Z][a-z]?[A-Za-z0-9_.]*")
ELEMENT = re.compile(r"VRHFIN\s*=\s*([A-Z][a-z]?)")
VERSION = re.compile(rb"vasp\.\d[\w.]* +\d\d?[A-Z][a-z]{2}\d\d")
VALENCE = re.compile(r"ZVAL\s*=\s*([\d.]+)")
FUNCTIONAL = re.compile(r"LEXCH\s*=\s*(\w+)")
PBE = "PE"
DISPERSION: Mapping[str, int] = {"none": 0, "d2": 10, "d3": 11, "d3bj": 12}  # IVDW
OWN_WORDS = frozenset((
    "ENCUT", "PREC", "GGA", "IVDW", "LVDW", "ISPIN", "MAGMOM", "NUPDOWN", "ISMEAR", "SIGMA", "EDIFF", "NELM", "ALGO", "IALGO", "ISTART",
    "ICHARG", "NSW", "IBRION", "ISIF", "LWAVE", "LCHARG", "ISYM", "PSTRESS", "SYSTEM", "METAGGA", "KSPACING",
))  # fmt: skip
WORD = re.compile(r"([A-Za-z_]+)\s*=\s*([\w .+*-]+)")

CONVERGED = "aborting loop because EDIFF is reached"
FINISHED = "General timing and accounting"
MEMORY_WORDS = ("insufficient virtual memory", "out of memory", "Cannot allocate memory", "bad_alloc", "REAL_OPTLAY: internal ERROR")
GEOMETRY_WORDS = ("POSMAP", "ions is very small", "ions are too close")
LOOP_WORDS = ("EDDDAV", "ZHEGV", "ZPOTRF", "Sub-Space-Matrix", "BRMIX: very serious", "EDWAV", "RSPHER", "PRICEL")
# Whole sentences: a run that is well names its POTCAR too.
REFUSED_INPUT = re.compile(
    r"""^[\s|*-]*(?:
        error\ reading\b
        | error\b.*\b(?:INCAR|POSCAR|POTCAR|KPOINTS)\b
        | (?:the\ )?(?:type\ information|number\ of\ potentials)\ on\b.*\bincompatible
        | .*\blicen[cs]e\b.*\b(?:expired|invalid|missing|not|no)\b
    )""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)


@dataclass(frozen=True)
class Scf:
    """How the electronic loop goes."""

    steps: int
    algorithm: str = "Normal"
    from_scratch: bool = False


FRESH = "from scratch, all bands, more steps"
SLOW = "from scratch, damped, more steps"
LADDER: Mapping[str, tuple[str, ...]] = {"scf_not_converged": (FRESH, SLOW), "engine_error": (FRESH,)}


def variant(scf: Scf, name: str) -> Scf:
    """The loop of a step of the ladder; any other name leaves it as it is."""
    if name == FRESH:
        return replace(scf, steps=2 * scf.steps, algorithm="All", from_scratch=True)
    if name == SLOW:
        return replace(scf, steps=4 * scf.steps, algorithm="Damped", from_scratch=True)
    return scf


@dataclass(frozen=True)
class Method:
    """Everything about a label that does not change from one configuration to the next. `potcars`: texts by element."""

    cutoff_eV: float
    k_points: tuple[int, int, int]
    dispersion: str
    smearing_eV: float
    unrestricted: bool
    magnetization: Mapping[str, float]
    scf_eps_eV_atom: float
    potcars: Mapping[str, str]
    more: Mapping[str, str]


# --- POTCAR -------------------------------------------------------------------------------------------------------------------------------


class PotcarMissing(ValueError):
    """An element has no POTCAR that can be used; the message says what to do."""


def chosen(lines: Sequence[str]) -> dict[str, str]:
    """`Li Li_sv` as a name by element. Raises ValueError."""
    found = {}
    for line in lines:
        words = line.split()
        if len(words) != 2 or not NAME.fullmatch(words[1]) or ".." in words[1]:
            raise ValueError(f"{line!r} is not an element and the name of its folder, such as `Li Li_sv`")
        found[words[0]] = words[1]
    return found


def potcar(symbol: str, name: str | None) -> str:
    """The text of an element's file in the user's licensed folder. Raises PotcarMissing."""
    place = os.environ.get(FOLDER_VARIABLE)
    if not place:
        raise PotcarMissing(f"Say with {FOLDER_VARIABLE} in which folder this installation has the POTCAR files of its VASP licence")
    paths = [Path(place) / folder / (name or symbol) / "POTCAR" for folder in SETS]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise PotcarMissing(f"There is no {name or symbol}/POTCAR in {place} or its potpaw_PBE: name another, as in `{symbol} {symbol}_sv`")
    text = path.read_text(encoding="utf-8", errors="replace")
    element, functional = ELEMENT.search(text), FUNCTIONAL.search(text)
    if not element or element[1] != symbol:
        raise PotcarMissing(f"{path} is not a POTCAR of {symbol}")
    if not functional or functional[1] != PBE:
        raise PotcarMissing(f"{path} was not made for PBE (LEXCH is {functional[1] if functional else 'missing'})")
    return text if text.endswith("\n") else f"{text}\n"


def n_electrons(text: str) -> float:
    """The electrons of an atom that its POTCAR treats. Raises ValueError."""
    found = VALENCE.search(text)
    if not found:
        raise ValueError("This POTCAR does not say how many electrons it treats (ZVAL)")
    return float(found[1])


def version_of(path: Path) -> str:
    """`vasp.6.4.2 20Jul23`, as the program writes it into OUTCAR, from its own bytes: it has no option that says so. Of a script that
    starts it, and whose text tells as little, its name and a hash.
    """
    content = path.read_bytes()
    said = VERSION.search(content)
    return said[0].decode() if said else f"{path.name}, {hashlib.sha256(content).hexdigest()[:12]}"


# --- input --------------------------------------------------------------------------------------------------------------------------------


def further_words(lines: Sequence[str]) -> dict[str, str]:
    """`NCORE = 4` by name. Raises ValueError."""
    found = {}
    for line in lines:
        match = WORD.fullmatch(line.strip())
        if not match:
            raise ValueError(f"{line!r} is not of the form `NCORE = 4`")
        if match[1].upper() in OWN_WORDS:
            raise ValueError(f"{match[1].upper()} is set by another option, or would change what a label is")
        found[match[1].upper()] = match[2].strip()
    return found


def order_by_element(symbols: Sequence[str]) -> NDArray[np.int64]:
    """Indices of the atoms, each element's together, as POSCAR and POTCAR need them."""
    kinds = list(dict.fromkeys(symbols))
    return np.argsort([kinds.index(symbol) for symbol in symbols], kind="stable")


def write_inputs(folder: Path, method: Method, scf: Scf, atoms: Atoms, restart: bool) -> None:
    """`restart`: a WAVECAR of a similar configuration is there."""
    atoms = atoms[order_by_element(atoms.get_chemical_symbols())]
    atoms.set_cell(right_handed(atoms.cell.array))
    poscar = io.StringIO()
    write_vasp(poscar, atoms, direct=False, vasp5=True)
    kinds = list(dict.fromkeys(atoms.get_chemical_symbols()))
    incar = incar_values(method, scf, atoms, restart)
    texts = {
        "POSCAR": poscar.getvalue(),
        "POTCAR": "".join(method.potcars[symbol] for symbol in kinds),
        "KPOINTS": f"mesh around the centre\n0\nGamma\n{' '.join(map(str, method.k_points))}\n0 0 0\n",
        "INCAR": "".join(f"{name} = {value}\n" for name, value in incar.items()),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def incar_values(method: Method, scf: Scf, atoms: Atoms, restart: bool) -> dict[str, Any]:
    values: dict[str, Any] = {
        "SYSTEM": "label",
        "GGA": "PE",
        "PREC": "Accurate",
        "ENCUT": f"{method.cutoff_eV:g}",
        "EDIFF": f"{method.scf_eps_eV_atom * len(atoms):g}",
        "NELM": scf.steps,
        "ALGO": scf.algorithm,
        "ISMEAR": 0,
        "SIGMA": f"{method.smearing_eV:g}",
        "ISYM": 0,
        "NSW": 0,
        "IBRION": -1,
        "ISIF": 2,  # forces and the whole stress
        "ISTART": 1 if restart else 0,
        "ICHARG": 0 if restart else 2,
        "LWAVE": ".TRUE.",
        "LCHARG": ".FALSE.",
        "LREAL": ".FALSE.",
        "LASPH": ".TRUE.",
    }
    if DISPERSION[method.dispersion]:
        values["IVDW"] = DISPERSION[method.dispersion]
    if method.unrestricted:
        moments = [method.magnetization.get(symbol, 0.0) for symbol in atoms.get_chemical_symbols()]
        values |= {"ISPIN": 2, "MAGMOM": " ".join(f"{moment:g}" for moment in moments)}
    return values | dict(method.more)


# --- output -------------------------------------------------------------------------------------------------------------------------------


def read_label(folder: Path, log: str, symbols: Sequence[str]) -> Label:
    """The label, its forces in the order of `symbols`. Raises LabelFailed, or EngineFailed where the input itself is refused.

    The energy is the free one, whose derivatives the forces are.
    """
    outcar = (folder / "OUTCAR").read_text(encoding="utf-8", errors="replace") if (folder / "OUTCAR").is_file() else ""
    if FINISHED not in outcar:
        raise _stopped(log)
    if CONVERGED not in outcar:
        raise LabelFailed("scf_not_converged", "The electronic loop did not converge within its steps.")
    try:
        *_, atoms = read_vasp_xml(folder / "vasprun.xml", index=slice(None))
        found = atoms.calc.results
        energy_eV, forces, stress = float(found["free_energy"]), np.array(found["forces"]), atoms.get_stress(voigt=False)
    except Exception as error:  # ase's reader raises whatever an incomplete file makes it stumble over
        raise LabelFailed("engine_error", f"vasprun.xml lacks a whole energy, forces or stress ({error}).") from error
    order = order_by_element(symbols)
    if list(atoms.symbols) != [symbols[index] for index in order]:
        raise LabelFailed("engine_error", f"vasprun.xml is about {atoms.get_chemical_formula()}, another cell than was asked for.")
    sorted_back = np.empty_like(forces)
    sorted_back[order] = forces
    return finite_label(Label(energy_eV, sorted_back, -stress * atoms.get_volume()))


def _stopped(log: str) -> LabelFailed | EngineFailed:
    if any(word in log for word in MEMORY_WORDS):
        return LabelFailed("out_of_memory", "VASP ran out of memory: use a smaller cell or cut-off, or a machine with more memory.")
    reason = " ".join(" ".join(line.strip(" |*-") for line in log.splitlines()[-20:]).split())[-400:]
    for words, cause, what in (
        (GEOMETRY_WORDS, "bad_geometry", "VASP cannot treat this geometry"),
        (LOOP_WORDS, "scf_not_converged", "VASP's electronic loop broke down"),
    ):
        if any(word in log for word in words):
            return LabelFailed(cause, f"{what}: {reason}")
    if REFUSED_INPUT.search(log):
        return EngineFailed(
            f"VASP refuses its input: {reason} Change the options of the reference method.", cause="bad_input", permanent=True
        )
    return LabelFailed("engine_error", f"VASP stopped: {reason or 'its output ends early, without a reason'}")

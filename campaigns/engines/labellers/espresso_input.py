"""Quantum ESPRESSO's input of one label, written by ase: one self-consistent run with forces and stress."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ase import Atoms
from ase.io.espresso import str_to_value, write_espresso_in
from ase.units import Ry, kB

from campaigns.engines.labellers.espresso_pseudo import Pseudo

PREFIX = "label"  # one name for all labels of a stage, so that the wavefunction's folder has one
PSEUDO_FOLDER = "pseudo"
SCRATCH = "scratch"
MIXING_ITERATIONS = 12  # measured on Si with Goedecker's: 21 SCF steps, 29 with pw.x's own 8
DENSITY_RATIO = {False: 4.0, True: 8.0}  # of the cut-offs, where none of the pseudopotentials is ultrasoft, and where one is
DISPERSION: Mapping[str, dict[str, Any]] = {
    "none": {},
    "d2": {"vdw_corr": "grimme-d2"},
    "d3": {"vdw_corr": "grimme-d3", "dftd3_version": 3},
    "d3bj": {"vdw_corr": "grimme-d3", "dftd3_version": 4},
}
# What the other options say, or what would change what a label is.
OWN_WORDS = frozenset((
    "ibrav", "nat", "ntyp", "ecutwfc", "ecutrho", "input_dft", "vdw_corr", "london", "dftd3_version", "nspin", "noncolin", "lspinorb",
    "tot_magnetization", "tot_charge", "occupations", "smearing", "degauss", "nosym", "conv_thr", "electron_maxstep", "mixing_beta",
    "scf_must_converge", "diagonalization", "startingpot", "startingwfc",
))  # fmt: skip
WORD = re.compile(r"(system|electrons)[.\s]+([a-z_0-9]+(?:\(\d+(?:,\d+)*\))?)\s*=\s*(-?[\w.+-]+|'[\w .+-]*')", re.IGNORECASE)


@dataclass(frozen=True)
class Scf:
    """How the self-consistent field is looked for; `eps_Ry` of the whole cell."""

    steps: int
    mixing: float
    diagonalization: str
    from_scratch: bool = False


FRESH = "from scratch, mixing halved, more steps"
SLOW = "from scratch, mixing 0.1, more steps"
CONJUGATE = "from scratch, conjugate gradients, mixing 0.1, more steps"
LADDER: Mapping[str, tuple[str, ...]] = {
    "scf_not_converged": (FRESH, SLOW, CONJUGATE),
    "engine_error": (FRESH, CONJUGATE),
}


def variant(scf: Scf, name: str) -> Scf:
    """The SCF of a step of the ladder; any other name leaves it as it is."""
    if name == FRESH:
        return replace(scf, from_scratch=True, mixing=scf.mixing / 2, steps=2 * scf.steps)
    if name == SLOW:
        return replace(scf, from_scratch=True, mixing=min(scf.mixing, 0.1), steps=4 * scf.steps)
    if name == CONJUGATE:
        return replace(scf, from_scratch=True, mixing=min(scf.mixing, 0.1), steps=4 * scf.steps, diagonalization="cg")
    return scf


@dataclass(frozen=True)
class Method:
    """Everything about a label that does not change from one configuration to the next. `k_points` (1, 1, 1) is Gamma alone."""

    cutoff_Ry: float
    density_cutoff_Ry: float
    k_points: tuple[int, int, int]
    dispersion: str
    smearing_K: float
    unrestricted: bool
    multiplicity: int
    magnetization: Mapping[str, float]
    scf_eps_Ry_atom: float
    walltime_s: float
    pseudos: Mapping[str, Pseudo]
    more: Mapping[str, Mapping[str, Any]]


def further_words(lines: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`system.nbnd = 40` by namelist. Raises ValueError."""
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        match = WORD.fullmatch(line.strip())
        if not match:
            raise ValueError(f"{line!r} is not of the form `system.nbnd = 40` or `electrons.mixing_ndim = 12`")
        namelist, name, value = (match[number].lower() if number < 3 else match[number] for number in (1, 2, 3))
        if name.partition("(")[0] in OWN_WORDS or name.startswith("starting_magnetization"):
            raise ValueError(f"{name} is set by another option, or would change what a label is")
        found.setdefault(namelist, {})[name] = str_to_value(value)
    return found


def render(method: Method, scf: Scf, atoms: Atoms, restart: bool) -> str:
    """The whole input. `restart`: density and wavefunctions of a similar configuration are in the scratch folder."""
    marked = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    if method.unrestricted:  # pw.x wants the moment as a part of the valence electrons
        part = {symbol: method.magnetization.get(symbol, 0.0) / pseudo.n_electrons for symbol, pseudo in method.pseudos.items()}
        marked.set_initial_magnetic_moments([part[symbol] for symbol in marked.symbols])
    text = io.StringIO()
    write_espresso_in(
        text,
        marked,
        input_data={"control": _control(method), "system": _system(method, marked), "electrons": _electrons(method, scf, marked, restart)},
        pseudopotentials={symbol: pseudo.file_name for symbol, pseudo in method.pseudos.items()},
        kpts=None if method.k_points == (1, 1, 1) else method.k_points,
    )
    return text.getvalue()


def _control(method: Method) -> dict[str, Any]:
    return {
        "calculation": "scf",
        "prefix": PREFIX,
        "outdir": f"./{SCRATCH}",
        "pseudo_dir": f"./{PSEUDO_FOLDER}",
        "tprnfor": True,
        "tstress": True,
        "disk_io": "low",
        "max_seconds": round(method.walltime_s),
    }


def _system(method: Method, atoms: Atoms) -> dict[str, Any]:
    dense = any(pseudo.dense for pseudo in method.pseudos.values())
    values: dict[str, Any] = {
        "ibrav": 0,
        "ecutwfc": method.cutoff_Ry,
        "ecutrho": method.density_cutoff_Ry or DENSITY_RATIO[dense] * method.cutoff_Ry,
        "input_dft": "PBE",
        "nosym": True,  # the same k-points for every configuration of a cell
    }
    values |= DISPERSION[method.dispersion]
    if method.smearing_K > 0:
        values |= {"occupations": "smearing", "smearing": "fermi-dirac", "degauss": method.smearing_K * kB / Ry}
    if method.unrestricted:
        values |= {"nspin": 2} | _total_moment(method, n_electrons(method.pseudos, atoms))
    return values | method.more.get("system", {})


def n_electrons(pseudos: Mapping[str, Pseudo], atoms: Atoms) -> int:
    return round(sum(pseudos[symbol].n_electrons for symbol in atoms.get_chemical_symbols()))


def _total_moment(method: Method, electrons: int) -> dict[str, Any]:
    """Fixed occupations need it; smeared ones find it where it is not given."""
    if method.multiplicity:
        return {"tot_magnetization": float(method.multiplicity - 1)}
    return {} if method.smearing_K > 0 else {"tot_magnetization": float(electrons % 2)}


def _electrons(method: Method, scf: Scf, atoms: Atoms, restart: bool) -> dict[str, Any]:
    values = {
        "conv_thr": method.scf_eps_Ry_atom * len(atoms),
        "electron_maxstep": scf.steps,
        "mixing_beta": scf.mixing,
        "mixing_ndim": MIXING_ITERATIONS,
        "diagonalization": scf.diagonalization,
    }
    return values | ({"startingpot": "file", "startingwfc": "file"} if restart else {}) | method.more.get("electrons", {})

"""CP2K's input of one label: a plain-text template, filled in with the cell, the atoms and the settings.

The template is the section &FORCE_EVAL; &GLOBAL is written here, so that it always asks for energy and forces and nothing else.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ase import Atoms

from campaigns.engines.labellers.base import right_handed
from campaigns.engines.labellers.cp2k_data import Kind

TEMPLATE = """\
&FORCE_EVAL
  METHOD QUICKSTEP
  STRESS_TENSOR ANALYTICAL
  &PRINT
    &FORCES ON
      NDIGITS 10
    &END FORCES
    &STRESS_TENSOR ON
    &END STRESS_TENSOR
  &END PRINT
  &DFT
    {data_files}
    {spin}
    &QS
      EPS_DEFAULT {eps_default}
    &END QS
    &MGRID
      CUTOFF {cutoff_Ry}
      REL_CUTOFF {rel_cutoff_Ry}
    &END MGRID
    {k_points}
    {scf}
    &XC
      &XC_FUNCTIONAL PBE
      &END XC_FUNCTIONAL
      {dispersion}
    &END XC
  &END DFT
  &SUBSYS
    &CELL
      {cell}
    &END CELL
    &COORD
      {coordinates}
    &END COORD
    {kinds}
  &END SUBSYS
&END FORCE_EVAL
"""
PLACEHOLDERS = (
    "cell",
    "coordinates",
    "cutoff_Ry",
    "data_files",
    "dispersion",
    "eps_default",
    "k_points",
    "kinds",
    "rel_cutoff_Ry",
    "scf",
    "spin",
)
NEEDED = ("cell", "coordinates", "data_files", "kinds", "scf")  # the rest may be typed out in a template of one's own
PLACEHOLDER = re.compile(r"(?<!\$)\{(\w*)\}")
PROJECT = "label"  # one name for all labels of a stage, so that the wavefunction's file has one
OT_STEPS = 25  # between two updates of the preconditioner
# Beside these a keyword names a file of its own; &GLOBAL and what drives other programs are not a template's business.
FORBIDDEN = re.compile(r"^\s*@|\$\{|(?:^|[\s=\"'])(?:/|~|\.\.)|\.\./", re.MULTILINE)


@dataclass(frozen=True)
class Scf:
    """How the self-consistent field is looked for; `smearing_K` 0: fixed occupations."""

    steps: int
    eps: float
    diagonalize: bool
    smearing_K: float
    from_scratch: bool = False
    conjugate_gradients: bool = False
    mixing: float = 0.3


FRESH = "from scratch, more steps"
SLOW = "from scratch, diagonalisation, mixing 0.1, more steps"
SMEARED = "from scratch, diagonalisation, electrons at 300 K, mixing 0.05, more steps"
SMEARED_K = 300.0
LADDER: Mapping[str, tuple[str, ...]] = {"scf_not_converged": (FRESH, SLOW, SMEARED), "engine_error": (FRESH,)}


def variant(scf: Scf, name: str) -> Scf:
    """The SCF of a step of the ladder; any other name leaves it as it is."""
    if name == FRESH:
        return replace(scf, from_scratch=True, conjugate_gradients=True, steps=2 * scf.steps, mixing=0.15)
    if name == SLOW:
        return replace(scf, from_scratch=True, diagonalize=True, mixing=0.1, steps=4 * scf.steps)
    if name == SMEARED:
        return replace(
            scf, from_scratch=True, diagonalize=True, mixing=0.05, steps=4 * scf.steps, smearing_K=max(scf.smearing_K, SMEARED_K)
        )
    return scf


def template_problems(template: str) -> list[str]:
    """Why a template cannot be used: sentences, none if it can."""
    found = set(PLACEHOLDER.findall(template))
    problems = [f"The CP2K template lacks the placeholder {{{name}}}." for name in NEEDED if name not in found]
    problems += [f"The CP2K template has an unknown placeholder {{{name}}}." for name in sorted(found - set(PLACEHOLDERS))]
    if FORBIDDEN.search(template):
        problems.append("The CP2K template may not include files, use variables or name a path: only CP2K's own data files are read.")
    try:
        sections, keywords = outline(template)
    except ValueError as error:
        return [*problems, f"The CP2K template is not well formed: {error}."]
    outside = {path[0] for path in sections} - {"FORCE_EVAL"}
    if outside:
        problems.append(f"The CP2K template may hold the section &FORCE_EVAL alone, not &{', &'.join(sorted(outside))}.")
    if keywords.get(("FORCE_EVAL", "STRESS_TENSOR"), "NONE") not in ("ANALYTICAL", "NUMERICAL"):
        problems.append("The CP2K template must keep STRESS_TENSOR ANALYTICAL (or NUMERICAL): models are trained on the virial too.")
    for name in ("FORCES", "STRESS_TENSOR"):
        if sections.get(("FORCE_EVAL", "PRINT", name), "OFF") in ("OFF", ".FALSE.", "FALSE", "F"):
            problems.append(f"The CP2K template must print them: &{name} ON within &PRINT of &FORCE_EVAL.")
    return problems


def outline(template: str) -> tuple[dict[tuple[str, ...], str], dict[tuple[str, ...], str]]:
    """Sections with their parameter, keywords with their value, both by path, in capitals. Raises ValueError where they do not nest."""
    path: list[str] = []
    sections, keywords = {}, {}
    for line in template.splitlines():
        words = re.split(r"[!#]", line)[0].upper().split(None, 1)
        if not words:
            continue
        value = words[1].strip() if len(words) > 1 else ""
        if words[0] == "&END":
            if not path or value not in ("", path[-1]):
                raise ValueError(f"&END {value} ends no section".replace("  ", " "))
            path.pop()
        elif words[0].startswith("&"):
            path.append(words[0][1:])
            sections[tuple(path)] = value or "ON"
        else:
            keywords[(*path, words[0])] = value
    if path:
        raise ValueError(f"&{path[-1]} has no &END")
    return sections, keywords


@dataclass(frozen=True)
class Method:
    """Everything about a label that does not change from one configuration to the next. `k_points` (1, 1, 1) is Gamma alone."""

    template: str
    cutoff_Ry: float
    rel_cutoff_Ry: float
    eps_default: float
    k_points: tuple[int, int, int]
    dispersion: str
    unrestricted: bool
    multiplicity: int
    magnetization: Mapping[str, float]
    kinds: Mapping[str, Kind]
    walltime_s: float


def render(method: Method, scf: Scf, atoms: Atoms, restart: str) -> str:
    """The whole input. `restart`: the file with the wavefunction of a similar configuration, empty where there is none."""
    symbols = atoms.get_chemical_symbols()
    kinds = [method.kinds[symbol] for symbol in dict.fromkeys(symbols)]
    n_electrons = sum(method.kinds[symbol].n_electrons for symbol in symbols)
    blocks = {
        "cell": _cell(atoms),
        "coordinates": "\n".join(
            f"{symbol} {x:.12f} {y:.12f} {z:.12f}" for symbol, (x, y, z) in zip(symbols, atoms.positions, strict=True)
        ),
        "cutoff_Ry": f"{method.cutoff_Ry:g}",
        "rel_cutoff_Ry": f"{method.rel_cutoff_Ry:g}",
        "data_files": _data_files(kinds, restart),
        "dispersion": _dispersion(method.dispersion),
        "eps_default": f"{method.eps_default:g}",
        "k_points": _k_points(method.k_points),
        "kinds": "\n".join(_kind(kind, method.magnetization.get(kind.symbol)) for kind in kinds),
        "scf": _scf(scf, n_electrons, method.unrestricted, bool(restart)),
        "spin": _spin(method),
    }
    return f"{_global(method.walltime_s)}{fill(method.template, blocks)}\n"


def fill(template: str, blocks: Mapping[str, str]) -> str:
    """Each placeholder replaced; a block of several lines keeps the indent of its placeholder."""
    lines = []
    for line in template.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        filled = PLACEHOLDER.sub(lambda match: blocks[match[1]], line)
        lines += [part if number == 0 else indent + part for number, part in enumerate(filled.splitlines())] if filled.strip() else []
    return "\n".join(lines)


def _global(walltime_s: float) -> str:
    return f"&GLOBAL\n  PROJECT {PROJECT}\n  RUN_TYPE ENERGY_FORCE\n  PRINT_LEVEL MEDIUM\n  WALLTIME {walltime_s:.0f}\n&END GLOBAL\n"


def _cell(atoms: Atoms) -> str:
    axes = zip("ABC", right_handed(atoms.cell.array), strict=True)
    return "\n".join(f"{name} {x:.12f} {y:.12f} {z:.12f}" for name, (x, y, z) in axes)


def _data_files(kinds: Sequence[Kind], restart: str) -> str:
    basis = dict.fromkeys(kind.basis_file for kind in kinds)
    guess = [f"WFN_RESTART_FILE_NAME {restart}"] if restart else []
    return "\n".join([*(f"BASIS_SET_FILE_NAME {name}" for name in basis), "POTENTIAL_FILE_NAME GTH_POTENTIALS", *guess])


def _kind(kind: Kind, magnetization: float | None) -> str:
    lines = [f"&KIND {kind.symbol}", f"  BASIS_SET {kind.basis}", f"  POTENTIAL {kind.potential}"]
    return "\n".join([*lines, *([f"  MAGNETIZATION {magnetization:g}"] if magnetization else []), "&END KIND"])


def _spin(method: Method) -> str:
    if not method.unrestricted:
        return ""
    return "UKS" + (f"\nMULTIPLICITY {method.multiplicity}" if method.multiplicity else "")


def _k_points(mesh: tuple[int, int, int]) -> str:
    if mesh == (1, 1, 1):
        return ""
    return f"&KPOINTS\n  SCHEME MONKHORST-PACK {mesh[0]} {mesh[1]} {mesh[2]}\n&END KPOINTS"


def _dispersion(name: str) -> str:
    """Grimme's pair potentials: D2 doi:10.1002/jcc.20495, D3 doi:10.1063/1.3382344, D3(BJ) doi:10.1002/jcc.21759."""
    if name == "none":
        return ""
    kind = {"d2": "DFTD2", "d3": "DFTD3", "d3bj": "DFTD3(BJ)"}[name]
    table = "" if name == "d2" else "\n    PARAMETER_FILE_NAME dftd3.dat"
    return (
        "&VDW_POTENTIAL\n  POTENTIAL_TYPE PAIR_POTENTIAL\n  &PAIR_POTENTIAL\n"
        f"    TYPE {kind}\n    REFERENCE_FUNCTIONAL PBE{table}\n  &END PAIR_POTENTIAL\n&END VDW_POTENTIAL"
    )


def _scf(scf: Scf, n_electrons: int, unrestricted: bool, restart: bool) -> str:
    head = [f"SCF_GUESS {'RESTART' if restart else 'ATOMIC'}", f"EPS_SCF {scf.eps:g}"]
    body = _diagonalization(scf, n_electrons, unrestricted) if scf.diagonalize else _orbital_transformation(scf)
    tail = [
        "&PRINT",
        "  &RESTART ON",
        "    BACKUP_COPIES 0",
        "  &END RESTART",
        "  &RESTART_HISTORY OFF",
        "  &END RESTART_HISTORY",
        "&END PRINT",
    ]
    return "\n".join(["&SCF", *(f"  {line}" for line in [*head, *body, *tail]), "&END SCF"])


def _orbital_transformation(scf: Scf) -> list[str]:
    """For an insulator: the preconditioner is made anew every few steps. The steps are counted over all of these rounds."""
    inner = min(OT_STEPS, scf.steps)
    minimizer = ["MINIMIZER CG", "LINESEARCH 2PNT", "PRECONDITIONER FULL_ALL"] if scf.conjugate_gradients else [
        "MINIMIZER DIIS", "PRECONDITIONER FULL_ALL"]  # fmt: skip
    rounds = -(-scf.steps // inner) - 1
    outer = ["&OUTER_SCF", f"  EPS_SCF {scf.eps:g}", f"  MAX_SCF {rounds}", "&END OUTER_SCF"] if rounds else []
    return [f"MAX_SCF {inner}", "&OT ON", *(f"  {line}" for line in minimizer), "&END OT", *outer]


def _diagonalization(scf: Scf, n_electrons: int, unrestricted: bool) -> list[str]:
    lines = [f"MAX_SCF {scf.steps}", "&DIAGONALIZATION ON", "  ALGORITHM STANDARD", "&END DIAGONALIZATION"]
    lines += ["&MIXING ON", "  METHOD BROYDEN_MIXING", f"  ALPHA {scf.mixing:g}", "  NBROYDEN 8", "&END MIXING"]
    if scf.smearing_K > 0:
        empty = max(6, n_electrons // 10)
        lines += [f"ADDED_MOS {empty}{f' {empty}' if unrestricted else ''}", "&SMEAR ON", "  METHOD FERMI_DIRAC"]
        lines += [f"  ELECTRONIC_TEMPERATURE [K] {scf.smearing_K:g}", "&END SMEAR"]
    return lines

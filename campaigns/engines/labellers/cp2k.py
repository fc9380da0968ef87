"""PBE with Grimme's D2 by CP2K (doi:10.1063/5.0007045), GTH pseudopotentials: the paper's reference method today.

One run of the program for each label; the wavefunction of the nearest configuration before is the guess for the next.
"""

import hashlib
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.data import atomic_numbers

from campaigns.engines.job import EngineFailed
from campaigns.engines.labellers import cp2k_data, cp2k_input, cp2k_output, program
from campaigns.engines.labellers.base import (
    Label,
    LabelFailed,
    Labeller,
    Option,
    OptionsRefused,
    denser_mesh,
    option_values,
    refusal,
    times,
)
from campaigns.engines.labellers.wavefunctions import FOLDER, Wavefunctions

TITLE = "CP2K (PBE + D2, first principles, runs here)"
COMMAND_VARIABLE = "SSEWEB_CP2K_COMMAND"
PROGRAMS = ("cp2k.psmp", "cp2k.popt", "cp2k")
MAX_ENTROPY_EV_ATOM = 1e-4  # a smearing that was only to help the SCF must not show in the energy
WAVEFUNCTIONS_KEPT = 8  # a few MB each
REACH_A = 0.5  # measured: up to 0.35 Å it saves a quarter of the SCF steps, at 0.1 Å half of them
USES_CORES = True
OPTIONS: tuple[Option, ...] = (
    Option("cutoff_Ry", "number", "Ry", "Plane-wave cut-off of the density. Compare the forces of one configuration at a higher one "
           "before many are labelled.", 450.0, low=50, high=5000, label="Plane-wave cut-off", stricter=times(1.5)),
    Option("rel_cutoff_Ry", "number", "Ry", "Cut-off of the grid under a Gaussian: it decides which functions go to coarser grids.",
           60.0, low=10, high=1000, label="Relative cut-off", stricter=times(1.5)),
    Option("eps_default", "number", "", "Precision of all integrals (EPS_DEFAULT). Larger is faster, and noise in the forces.",
           1e-12, low=1e-16, high=1e-4, label="Precision of integrals"),
    Option("basis", "choice", "", "Family of the basis sets; the GTH pseudopotential of as many electrons goes with it.",
           cp2k_data.FAMILIES[0], choices=cp2k_data.FAMILIES, label="Basis sets"),
    Option("kinds", "lines", "", "Others for an element, one a line: `In DZVP-MOLOPT-SR-GTH-q13 GTH-PBE-q13`.",
           [], label="Other basis sets"),
    Option("dispersion", "choice", "", "Grimme's correction. D2 (the paper's) has parameters up to xenon; with lanthanum choose d3bj.",
           "d2", choices=("d2", "d3", "d3bj", "none")),
    Option("k_points", "text", "", "Monkhorst-Pack mesh, for example `2 2 2`. `1 1 1` is Γ alone, enough for cells wider than about 10 Å.",
           "1 1 1", label="k-points", stricter=denser_mesh),
    Option("smearing_K", "number", "K", "Electronic temperature (Fermi-Dirac). 0: fixed occupations, for insulators.",
           0.0, high=20000, label="Electronic temperature"),
    Option("spin", "choice", "", "Unrestricted: with magnetic ions or an odd number of electrons.",
           "restricted", choices=("restricted", "unrestricted"), label="Spin"),
    Option("multiplicity", "number", "2S+1", "With unrestricted spin. 0: the lowest possible.", 0.0, high=1000, label="Spin multiplicity"),
    Option("magnetization", "mapping", "µB", "Starting moment of an element, with unrestricted spin: `Fe 4`.",
           {}, label="Starting moments"),
    Option("scf_eps", "number", "", "The SCF has converged below this.", 1e-6, low=1e-12, high=1e-2, label="SCF converged below",
           stricter=times(0.1)),
    Option("scf_steps", "number", "", "SCF steps at most. A label whose SCF has not converged by then is a failed one.",
           200.0, low=1, high=10000, label="SCF steps at most", changes_label=False),
    Option("retries", "number", "", "How often a failed SCF is tried again: more steps, other mixing, then smearing.",
           3.0, high=3, label="Retries of a label", changes_label=False),
    Option("walltime_h", "number", "h", "Time limit of one label. One that reaches it is tried once more, with twice the time.",
           24.0, low=0.001, high=1000, label="Time limit of a label", changes_label=False),
    Option("template", "template", "", "Input in CP2K's own words, the section &FORCE_EVAL; the words in braces are filled in. Stress and "
           "forces must be printed.", cp2k_input.TEMPLATE, label="Input template"),
)  # fmt: skip


def check(options: Mapping[str, Any], symbols: Sequence[str]) -> dict[str, list[str]]:
    """Cheap: CP2K's data files are read, the program is looked for and not started."""
    missing = {} if program.command(COMMAND_VARIABLE, PROGRAMS, 1) else {"": [_not_installed()]}
    try:
        values = option_values(OPTIONS, options)
    except OptionsRefused as error:
        return missing | error.problems
    found = {
        "k_points": refusal(program.mesh, values["k_points"]),
        "kinds": refusal(_chosen_kinds, values["kinds"]),
        "template": cp2k_input.template_problems(values["template"]),
        "dispersion": cp2k_data.without_d2(symbols) if values["dispersion"] == "d2" else [],
    }
    if not found["kinds"]:
        chosen = _chosen_kinds(values["kinds"])
        lacking = (refusal(cp2k_data.kinds_of, [symbol], values["basis"], chosen) for symbol in sorted(set(symbols)))
        found["basis"] = list(dict.fromkeys(text for texts in lacking for text in texts))
    return missing | {name: texts for name, texts in found.items() if texts}


def propose(symbols: Sequence[str], oxidation_states: Mapping[str, float]) -> dict[str, Any]:
    """Elements that D2 does not know are described with D3."""
    return {"dispersion": "d3bj"} if any(atomic_numbers[symbol] > cp2k_data.LAST_WITH_D2 for symbol in symbols) else {}


def n_electrons(options: Mapping[str, Any], atoms: Mapping[str, int]) -> int:
    """Of a cell with so many atoms of each element. Raises ValueError."""
    values = option_values(OPTIONS, options)
    kinds = cp2k_data.kinds_of(list(atoms), values["basis"], _chosen_kinds(values["kinds"]))
    return sum(n * kinds[symbol].n_electrons for symbol, n in atoms.items())


def data_of(options: Mapping[str, Any], symbols: Sequence[str]) -> list[str]:
    """The entries of CP2K's files that a label of these elements is computed with. Raises ValueError."""
    values = option_values(OPTIONS, options)
    kinds, place = cp2k_data.kinds_of(symbols, values["basis"], _chosen_kinds(values["kinds"])), cp2k_data.folder()
    names = [(kind, file, name) for kind in kinds.values()
             for file, name in ((kind.basis_file, kind.basis), (cp2k_data.POTENTIAL_FILE, kind.potential))]  # fmt: skip
    return ["\n".join([kind.symbol, name, *cp2k_data.entry(place / file, kind.symbol, name)]) for kind, file, name in names]


def _not_installed() -> str:
    return f"CP2K is not installed here: apt-get install cp2k openmpi-bin (Debian), or say how it is started with {COMMAND_VARIABLE}."


def build(options: Mapping[str, Any], folder: Path, cores: int) -> Labeller:
    """Inputs and outputs of every label stay in `folder/cp2k`. One MPI rank a core."""
    argv = program.command(COMMAND_VARIABLE, PROGRAMS, cores)
    if argv is None:
        raise EngineFailed(_not_installed(), cause="engine_missing", permanent=True)
    wrong = check(options, [])
    if wrong:
        raise EngineFailed(f"CP2K cannot be used. {OptionsRefused(wrong)}", cause="bad_input", permanent=True)
    values = option_values(OPTIONS, options)
    place = folder / "cp2k"
    place.mkdir(parents=True, exist_ok=True)
    version = _version(argv)
    method = f"CP2K {version}, {_in_words(values)}"
    return program.ProgramLabeller(
        partial(_compute, values, argv, place), cp2k_input.LADDER, int(values["retries"]), method, {"cp2k": version}
    )


def _in_words(values: Mapping[str, Any]) -> str:
    """Of an edited template only that which its placeholders say: the functional may be another."""
    template = values["template"]
    dispersion = "" if values["dispersion"] == "none" else f" + {values['dispersion'].upper()}"
    if template == cp2k_input.TEMPLATE:
        return f"PBE{dispersion}, {values['basis']}, {values['cutoff_Ry']:g} Ry"
    used = cp2k_input.PLACEHOLDER.findall(template)
    digest = hashlib.sha256(template.encode()).hexdigest()[:12]
    return ", ".join([
        f"an edited input template (sha256 {digest}){dispersion if 'dispersion' in used else ''}",
        values["basis"],
        *([f"{values['cutoff_Ry']:g} Ry"] if "cutoff_Ry" in used else []),
    ])  # fmt: skip


def _compute(values: dict[str, Any], argv: list[str], folder: Path, atoms: Atoms, name: str, settings: str) -> Label:
    """One run. A wavefunction that led to a failure is no guess for another configuration."""
    values = program.with_time(values, settings)
    scf = cp2k_input.variant(_scf(values), settings)
    written = folder / f"{cp2k_input.PROJECT}-RESTART.{'wfn' if program.mesh(values['k_points']) == (1, 1, 1) else 'kp'}"
    written.unlink(missing_ok=True)  # of a run that failed or was killed: perhaps not whole
    kept = Wavefunctions(folder / FOLDER, WAVEFUNCTIONS_KEPT, REACH_A)
    guess = None if scf.from_scratch else kept.nearest(atoms)
    restart = (guess / written.name).relative_to(folder).as_posix() if guess else ""
    (folder / f"{name}.inp").write_text(cp2k_input.render(_method(values, atoms), scf, atoms, restart), encoding="utf-8")
    try:
        program.run("CP2K", [*argv, f"{name}.inp"], folder, f"{name}.out", 3600 * values["walltime_h"])
        text = (folder / f"{name}.out").read_text(encoding="utf-8", errors="replace")
        label = cp2k_output.read_label(text, len(atoms), atoms.get_volume())
        _require_gap(scf.smearing_K > values["smearing_K"], abs(cp2k_output.electronic_entropy_eV(text)) / len(atoms))
    except LabelFailed:
        written.unlink(missing_ok=True)
        kept.discard(guess)
        program.set_aside(folder, name)
        raise
    if written.exists():
        kept.add(atoms, [written])
    return label


def _require_gap(was_helped: bool, entropy_eV_atom: float) -> None:
    if was_helped and entropy_eV_atom > MAX_ENTROPY_EV_ATOM:
        raise LabelFailed(
            "scf_not_converged",
            f"The SCF converged with smeared electrons alone, and these changed the energy by {1000 * entropy_eV_atom:.2g} meV/atom: this "
            "configuration has no band gap. Set smearing_K for all labels if that is to be expected.",
        )


def _scf(values: Mapping[str, Any]) -> cp2k_input.Scf:
    diagonalize = values["smearing_K"] > 0 or program.mesh(values["k_points"]) != (1, 1, 1)
    return cp2k_input.Scf(int(values["scf_steps"]), values["scf_eps"], diagonalize, values["smearing_K"])


def _method(values: Mapping[str, Any], atoms: Atoms) -> cp2k_input.Method:
    try:
        kinds = cp2k_data.kinds_of(atoms.get_chemical_symbols(), values["basis"], _chosen_kinds(values["kinds"]))
    except cp2k_data.DataMissing as error:
        raise EngineFailed(str(error), cause="bad_input", permanent=True) from error
    unrestricted = values["spin"] == "unrestricted"
    if not unrestricted and sum(kinds[symbol].n_electrons for symbol in atoms.get_chemical_symbols()) % 2:
        raise EngineFailed("The cell has an odd number of electrons: choose unrestricted spin.", cause="bad_input", permanent=True)
    return cp2k_input.Method(
        template=values["template"],
        cutoff_Ry=values["cutoff_Ry"],
        rel_cutoff_Ry=values["rel_cutoff_Ry"],
        eps_default=values["eps_default"],
        k_points=program.mesh(values["k_points"]),
        dispersion=values["dispersion"],
        unrestricted=unrestricted,
        multiplicity=int(values["multiplicity"]),
        magnetization=values["magnetization"],
        kinds=kinds,
        walltime_s=3600 * values["walltime_h"],
    )


def _chosen_kinds(lines: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Raises ValueError."""
    chosen = {}
    for line in lines:
        words = line.split()
        if len(words) != 3:
            raise ValueError(f"{line!r} is not an element, a basis set and a pseudopotential.")
        chosen[words[0]] = (words[1], words[2])
    return chosen


def _version(argv: list[str]) -> str:
    """As the program says it; `unknown` where it says nothing."""
    done = subprocess.run([program.executable(argv), "--version"], capture_output=True, text=True, timeout=120, check=False)
    words = done.stdout.split()
    return words[words.index("version") + 1] if "version" in words[:-1] else "unknown"

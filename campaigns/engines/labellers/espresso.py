"""PBE with Grimme's D2 by Quantum ESPRESSO (doi:10.1088/1361-648X/aa8f79): plane waves, pseudopotentials of the user or Goedecker's.

One run of pw.x for each label; density and wavefunctions of the configuration before are the start of the next where it is near.
"""

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.data import atomic_numbers

from campaigns.engines.job import EngineFailed
from campaigns.engines.labellers import cp2k_data, espresso_input, espresso_output, espresso_pseudo, program
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
from campaigns.engines.labellers.espresso_pseudo import PseudoMissing
from campaigns.engines.labellers.wavefunctions import FOLDER, Wavefunctions

TITLE = "Quantum ESPRESSO (PBE + D2, first principles, runs here)"
COMMAND_VARIABLE = "SSEWEB_ESPRESSO_COMMAND"
PROGRAMS = ("pw.x",)
REACH_A = 0.1  # measured: a density from farther away costs more steps than one put together from atoms
USES_CORES = True
OPTIONS: tuple[Option, ...] = (
    Option("cutoff_Ry", "number", "Ry", "Plane-wave cut-off of the wavefunctions. What it has to be depends on the pseudopotentials: "
           "compare the forces of one configuration at a higher one before many are labelled.",
           80.0, low=10, high=1000, label="Plane-wave cut-off", stricter=times(1.5)),
    Option("density_cutoff_Ry", "number", "Ry", "Plane-wave cut-off of the density. 0: four times that of the wavefunctions, eight "
           "times with an ultrasoft or PAW pseudopotential.", 0.0, high=10000, label="Cut-off of the density"),
    Option("pseudopotentials", "lines", "", "File of an element, one a line: `Li Li.pbe-s-kjpaw_psl.1.0.0.UPF`, attached below or in "
           "this installation's folder; or Goedecker's from CP2K's table: `Li GTH-PBE-q3` (these are hard: check the cut-off). They "
           "must be made for PBE. An element that is not named has the only file that there is for it.", []),
    Option("files", "files", "", "Pseudopotentials in the format UPF.", {}, label="Pseudopotential files"),
    Option("dispersion", "choice", "", "Grimme's correction. D2 (the paper's) has parameters up to xenon; with lanthanum choose d3bj.",
           "d2", choices=("d2", "d3", "d3bj", "none")),
    Option("k_points", "text", "", "Monkhorst-Pack mesh, for example `2 2 2`. `1 1 1` is Γ alone, enough for cells wider than about 10 Å.",
           "1 1 1", label="k-points", stricter=denser_mesh),
    Option("smearing_K", "number", "K", "Electronic temperature (Fermi-Dirac). 0: fixed occupations, for insulators.",
           0.0, high=20000, label="Electronic temperature"),
    Option("spin", "choice", "", "Unrestricted: with magnetic ions or an odd number of electrons.",
           "restricted", choices=("restricted", "unrestricted"), label="Spin"),
    Option("multiplicity", "number", "2S+1", "With unrestricted spin. 0: the lowest possible, or free where the occupations are smeared.",
           0.0, high=1000, label="Spin multiplicity"),
    Option("magnetization", "mapping", "µB", "Starting moment of an element, with unrestricted spin: `Fe 4`.",
           {}, label="Starting moments"),
    Option("scf_eps_Ry_atom", "number", "Ry/atom", "The SCF has converged when the estimated error of the energy is below this.",
           1e-9, low=1e-14, high=1e-3, label="SCF converged below", stricter=times(0.1)),
    Option("scf_steps", "number", "", "SCF steps at most. A label whose SCF has not converged by then is a failed one.",
           100.0, low=1, high=10000, label="SCF steps at most", changes_label=False),
    Option("mixing", "number", "", "How much of the new density is mixed into the old one (mixing_beta).",
           0.5, low=0.01, high=1, label="Mixing", changes_label=False),
    Option("diagonalization", "choice", "", "Davidson's is fast; conjugate gradients (cg) need less memory and fail less.",
           "david", choices=("david", "cg"), changes_label=False),
    Option("retries", "number", "", "How often a failed SCF is tried again: less mixing, more steps, then conjugate gradients.",
           3.0, high=3, label="Retries of a label", changes_label=False),
    Option("walltime_h", "number", "h", "Time limit of one label. One that reaches it is tried once more, with twice the time.",
           24.0, low=0.001, high=1000, label="Time limit of a label", changes_label=False),
    Option("further", "lines", "", "More of pw.x's own words, one a line: `system.nbnd = 40`, `electrons.mixing_mode = 'local-TF'`.",
           [], label="Further input"),
)  # fmt: skip


def check(options: Mapping[str, Any], symbols: Sequence[str]) -> dict[str, list[str]]:
    """Cheap: pseudopotential files are read, the program is looked for and not started."""
    missing = {} if program.command(COMMAND_VARIABLE, PROGRAMS, 1) else {"": [_not_installed()]}
    try:
        values = option_values(OPTIONS, options)
    except OptionsRefused as error:
        return missing | error.problems
    found = {
        "k_points": refusal(program.mesh, values["k_points"]),
        "further": refusal(espresso_input.further_words, values["further"]),
        "pseudopotentials": refusal(espresso_pseudo.chosen, values["pseudopotentials"]),
        "dispersion": cp2k_data.without_d2(symbols) if values["dispersion"] == "d2" else [],
    }
    if not found["pseudopotentials"]:
        named = espresso_pseudo.chosen(values["pseudopotentials"])
        for symbol in sorted(set(symbols)):
            found["pseudopotentials"] += refusal(espresso_pseudo.of, symbol, named.get(symbol), values["files"])
    return missing | {name: texts for name, texts in found.items() if texts}


def propose(symbols: Sequence[str], oxidation_states: Mapping[str, float]) -> dict[str, Any]:
    """A pseudopotential for each element where the installation leaves a choice; D3 for elements that D2 does not know."""
    dispersion = {"dispersion": "d3bj"} if any(atomic_numbers[symbol] > cp2k_data.LAST_WITH_D2 for symbol in symbols) else {}
    return dispersion | {"pseudopotentials": espresso_pseudo.proposed(symbols)}


def n_electrons(options: Mapping[str, Any], atoms: Mapping[str, int]) -> int:
    """Of a cell with so many atoms of each element. Raises ValueError."""
    values = option_values(OPTIONS, options)
    named = espresso_pseudo.chosen(values["pseudopotentials"])
    return round(sum(n * espresso_pseudo.of(symbol, named.get(symbol), values["files"]).n_electrons for symbol, n in atoms.items()))


def data_of(options: Mapping[str, Any], symbols: Sequence[str]) -> list[str]:
    """The pseudopotentials that a label of these elements is computed with. Raises ValueError."""
    values = option_values(OPTIONS, options)
    named = espresso_pseudo.chosen(values["pseudopotentials"])
    return [espresso_pseudo.of(symbol, named.get(symbol), values["files"]).text for symbol in symbols]


def _not_installed() -> str:
    return (
        "Quantum ESPRESSO is not installed here: apt-get install quantum-espresso openmpi-bin (Debian), or say how pw.x is started with "
        f"{COMMAND_VARIABLE}."
    )


def build(options: Mapping[str, Any], folder: Path, cores: int) -> Labeller:
    """Inputs and outputs of every label stay in `folder/espresso`. One MPI rank a core."""
    argv = program.command(COMMAND_VARIABLE, PROGRAMS, cores)
    if argv is None:
        raise EngineFailed(_not_installed(), cause="engine_missing", permanent=True)
    wrong = check(options, [])
    if wrong:
        raise EngineFailed(f"Quantum ESPRESSO cannot be used. {OptionsRefused(wrong)}", cause="bad_input", permanent=True)
    values = option_values(OPTIONS, options)
    place = folder / "espresso"
    (place / espresso_input.PSEUDO_FOLDER).mkdir(parents=True, exist_ok=True)
    version = _version(argv)
    method = (
        f"Quantum ESPRESSO {version}, PBE{'' if values['dispersion'] == 'none' else ' + ' + values['dispersion'].upper()}, "
        f"{values['cutoff_Ry']:g} Ry"
    )
    return program.ProgramLabeller(
        partial(_compute, values, argv, place), espresso_input.LADDER, int(values["retries"]), method, {"espresso": version}
    )


def _compute(values: dict[str, Any], argv: list[str], folder: Path, atoms: Atoms, name: str, settings: str) -> Label:
    """One run. It takes the wavefunctions that it starts from along: a run that fails or is killed leaves none."""
    values = program.with_time(values, settings)
    scf = espresso_input.variant(_scf(values), settings)
    method = _method(values, atoms)
    for pseudo in method.pseudos.values():
        (folder / espresso_input.PSEUDO_FOLDER / pseudo.file_name).write_text(pseudo.text, encoding="utf-8")
    kept = Wavefunctions(folder / FOLDER, keep=1, reach_A=REACH_A)
    scratch = folder / espresso_input.SCRATCH
    saved = scratch / f"{espresso_input.PREFIX}.save"
    kept.discard(scratch)
    guess = None if scf.from_scratch else kept.nearest(atoms)
    if guess:
        guess.rename(scratch)
    else:
        scratch.mkdir()
    (folder / f"{name}.in").write_text(espresso_input.render(method, scf, atoms, guess is not None), encoding="utf-8")
    try:
        program.run("Quantum ESPRESSO", [*argv, "-in", f"{name}.in"], folder, f"{name}.out", 3600 * values["walltime_h"])
        label = espresso_output.read_label((folder / f"{name}.out").read_text(encoding="utf-8", errors="replace"), len(atoms))
    except LabelFailed:
        program.set_aside(folder, name)
        kept.discard(scratch)
        raise
    kept.add(atoms, [saved])
    kept.discard(scratch)
    return label


def _scf(values: Mapping[str, Any]) -> espresso_input.Scf:
    return espresso_input.Scf(int(values["scf_steps"]), values["mixing"], values["diagonalization"])


def _method(values: Mapping[str, Any], atoms: Atoms) -> espresso_input.Method:
    named = espresso_pseudo.chosen(values["pseudopotentials"])
    try:
        pseudos = {symbol: espresso_pseudo.of(symbol, named.get(symbol), values["files"]) for symbol in dict.fromkeys(atoms.symbols)}
    except PseudoMissing as error:
        raise EngineFailed(str(error), cause="bad_input", permanent=True) from error
    unrestricted = values["spin"] == "unrestricted"
    if not unrestricted and espresso_input.n_electrons(pseudos, atoms) % 2:
        raise EngineFailed("The cell has an odd number of electrons: choose unrestricted spin.", cause="bad_input", permanent=True)
    return espresso_input.Method(
        cutoff_Ry=values["cutoff_Ry"],
        density_cutoff_Ry=values["density_cutoff_Ry"],
        k_points=program.mesh(values["k_points"]),
        dispersion=values["dispersion"],
        smearing_K=values["smearing_K"],
        unrestricted=unrestricted,
        multiplicity=int(values["multiplicity"]),
        magnetization=values["magnetization"],
        scf_eps_Ry_atom=values["scf_eps_Ry_atom"],
        walltime_s=3600 * values["walltime_h"],
        pseudos=pseudos,
        more=espresso_input.further_words(values["further"]),
    )


def _version(argv: list[str]) -> str:
    """As the head of the program's output says, which it writes before it misses its input."""
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(
            argv, cwd=empty, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
            env=os.environ | program.ENVIRONMENT,
        )  # fmt: skip
    return espresso_output.version(done.stdout)

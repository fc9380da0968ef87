"""PBE with Grimme's D2 by VASP (doi:10.1103/PhysRevB.54.11169). Licensed: this project writes its inputs and reads its outputs, and its
tests never run it.

One run for each label; the wavefunctions of the configuration before are the start of the next where it is near.
"""

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.data import atomic_numbers

from campaigns.engines.job import EngineFailed
from campaigns.engines.labellers import cp2k_data, program, vasp_files
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

TITLE = "VASP (PBE + D2, with your licence; tested on stored outputs, never run by us)"
COMMAND_VARIABLE = "VASP_COMMAND"
REACH_A = 0.1
KEPT_FILES = ("INCAR", "OUTCAR", "vasprun.xml")
USES_CORES = True
OPTIONS: tuple[Option, ...] = (
    Option("cutoff_eV", "number", "eV", "Plane-wave cut-off (ENCUT). Compare the forces of one configuration at a higher one before many "
           "are labelled.", 520.0, low=50, high=5000, label="Plane-wave cut-off", stricter=times(1.5)),
    Option("potcars", "lines", "", "Folder of an element's POTCAR below VASP_PP_PATH or its potpaw_PBE, one a line: `Li Li_sv`. An "
           "element that is not named has the folder with its own name. They must be made for PBE.", [], label="POTCAR folders"),
    Option("dispersion", "choice", "", "Grimme's correction. D2 (the paper's) has parameters up to xenon; with lanthanum choose d3bj.",
           "d2", choices=("d2", "d3", "d3bj", "none")),
    Option("k_points", "text", "", "Mesh around Γ, for example `2 2 2`. `1 1 1` is Γ alone, enough for cells wider than about 10 Å.",
           "1 1 1", label="k-points", stricter=denser_mesh),
    Option("smearing_eV", "number", "eV", "Width of the Gaussian smearing (ISMEAR 0). Of no consequence for an insulator.",
           0.05, low=0.001, high=2, label="Smearing"),
    Option("spin", "choice", "", "Unrestricted: with magnetic ions or an odd number of electrons.",
           "restricted", choices=("restricted", "unrestricted"), label="Spin"),
    Option("magnetization", "mapping", "µB", "Starting moment of an element, with unrestricted spin: `Fe 4`.",
           {}, label="Starting moments"),
    Option("scf_eps_eV_atom", "number", "eV/atom", "The electronic loop has converged below this (EDIFF of the cell is as many times it as "
           "there are atoms).", 1e-7, low=1e-12, high=1e-3, label="SCF converged below", stricter=times(0.1)),
    Option("scf_steps", "number", "", "SCF steps at most (NELM). A label whose SCF has not converged by then is a failed one.",
           100.0, low=1, high=10000, label="SCF steps at most", changes_label=False),
    Option("retries", "number", "", "How often a failed SCF is tried again: all bands at once, then damped; more steps.",
           2.0, high=2, label="Retries of a label", changes_label=False),
    Option("walltime_h", "number", "h", "Time limit of one label. One that reaches it is tried once more, with twice the time.",
           24.0, low=0.001, high=1000, label="Time limit of a label", changes_label=False),
    Option("further", "lines", "", "More lines of INCAR: `NCORE = 4`.", [], label="Further input"),
)  # fmt: skip


def check(options: Mapping[str, Any], symbols: Sequence[str]) -> dict[str, list[str]]:
    """Cheap: POTCAR files are read, the program is looked for and not started."""
    missing = {} if program.command(COMMAND_VARIABLE, (), 1) else {"": [_not_installed()]}
    try:
        values = option_values(OPTIONS, options)
    except OptionsRefused as error:
        return missing | error.problems
    found = {
        "k_points": refusal(program.mesh, values["k_points"]),
        "further": refusal(vasp_files.further_words, values["further"]),
        "potcars": refusal(vasp_files.chosen, values["potcars"]),
        "dispersion": cp2k_data.without_d2(symbols) if values["dispersion"] == "d2" else [],
    }
    if not found["potcars"]:
        named = vasp_files.chosen(values["potcars"])
        lacking = [text for symbol in sorted(set(symbols)) for text in refusal(vasp_files.potcar, symbol, named.get(symbol))]
        found["potcars"] = list(dict.fromkeys(lacking))
    return missing | {name: texts for name, texts in found.items() if texts}


def propose(symbols: Sequence[str], oxidation_states: Mapping[str, float]) -> dict[str, Any]:
    """Elements that D2 does not know are described with D3."""
    return {"dispersion": "d3bj"} if any(atomic_numbers[symbol] > cp2k_data.LAST_WITH_D2 for symbol in symbols) else {}


def n_electrons(options: Mapping[str, Any], atoms: Mapping[str, int]) -> int:
    """Of a cell with so many atoms of each element. Raises ValueError."""
    named = vasp_files.chosen(option_values(OPTIONS, options)["potcars"])
    return round(sum(n * vasp_files.n_electrons(vasp_files.potcar(symbol, named.get(symbol))) for symbol, n in atoms.items()))


def data_of(options: Mapping[str, Any], symbols: Sequence[str]) -> list[str]:
    """The POTCAR files that a label of these elements is computed with. Raises ValueError."""
    named = vasp_files.chosen(option_values(OPTIONS, options)["potcars"])
    return [vasp_files.potcar(symbol, named.get(symbol)) for symbol in symbols]


def _not_installed() -> str:
    return (
        f"VASP is licensed and not part of this installation: say how yours is started with {COMMAND_VARIABLE} (`mpirun -np 8 vasp_std`) "
        f"and where its POTCAR files are with {vasp_files.FOLDER_VARIABLE}."
    )


def build(options: Mapping[str, Any], folder: Path, cores: int) -> Labeller:
    """Inputs and outputs of every label stay in `folder/vasp`. VASP_COMMAND says on how many cores."""
    argv = program.command(COMMAND_VARIABLE, (), cores)
    if argv is None:
        raise EngineFailed(_not_installed(), cause="engine_missing", permanent=True)
    wrong = check(options, [])
    if wrong:
        raise EngineFailed(f"VASP cannot be used. {OptionsRefused(wrong)}", cause="bad_input", permanent=True)
    values = option_values(OPTIONS, options)
    place = folder / "vasp"
    place.mkdir(parents=True, exist_ok=True)
    correction = "" if values["dispersion"] == "none" else f" + {values['dispersion'].upper()}"
    method = f"VASP, PBE{correction}, {values['cutoff_eV']:g} eV"
    return program.ProgramLabeller(
        partial(_compute, values, argv, place),
        vasp_files.LADDER,
        int(values["retries"]),
        method,
        {"vasp": vasp_files.version_of(Path(program.executable(argv)))},
    )


def _compute(values: dict[str, Any], argv: list[str], folder: Path, atoms: Atoms, name: str, settings: str) -> Label:
    """One run in a folder of its own, whose outputs are kept under the label's name. It takes the wavefunctions that it starts from
    along: a run that fails or is killed leaves none.
    """
    values = program.with_time(values, settings)
    scf = vasp_files.variant(vasp_files.Scf(int(values["scf_steps"])), settings)
    kept = Wavefunctions(folder / FOLDER, keep=1, reach_A=REACH_A)
    run = folder / "run"
    kept.discard(run)
    guess = None if scf.from_scratch else kept.nearest(atoms)
    if guess:
        guess.rename(run)
    else:
        run.mkdir()
    vasp_files.write_inputs(run, _method(values, atoms), scf, atoms, guess is not None)
    try:
        program.run("VASP", argv, run, f"{name}.out", 3600 * values["walltime_h"])
        log = (run / f"{name}.out").read_text(encoding="utf-8", errors="replace")
        label = vasp_files.read_label(run, log, atoms.get_chemical_symbols())
    except LabelFailed:
        _keep(run, folder, name)
        program.set_aside(folder, name)
        kept.discard(run)
        raise
    _keep(run, folder, name)
    if (run / "WAVECAR").exists() and (run / "WAVECAR").stat().st_size:
        kept.add(atoms, [run / "WAVECAR"])
    kept.discard(run)
    return label


def _keep(run: Path, folder: Path, name: str) -> None:
    for file in (*KEPT_FILES, f"{name}.out"):
        if (run / file).is_file():
            shutil.move(run / file, folder / (file if file.startswith(name) else f"{name}.{file}"))


def _method(values: Mapping[str, Any], atoms: Atoms) -> vasp_files.Method:
    named = vasp_files.chosen(values["potcars"])
    try:
        potcars = {symbol: vasp_files.potcar(symbol, named.get(symbol)) for symbol in dict.fromkeys(atoms.get_chemical_symbols())}
    except vasp_files.PotcarMissing as error:
        raise EngineFailed(f"{error}.", cause="bad_input", permanent=True) from error
    return vasp_files.Method(
        cutoff_eV=values["cutoff_eV"],
        k_points=program.mesh(values["k_points"]),
        dispersion=values["dispersion"],
        smearing_eV=values["smearing_eV"],
        unrestricted=values["spin"] == "unrestricted",
        magnetization=values["magnetization"],
        scf_eps_eV_atom=values["scf_eps_eV_atom"],
        potcars=potcars,
        more=vasp_files.further_words(values["further"]),
    )

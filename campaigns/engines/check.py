"""Stage `check`: one configuration of the training cell labelled with the reference method as it is set, and with stricter values.

Before a campaign spends its labels it says what one of them costs, and what a higher cut-off or a denser k-mesh would change. Each label is
computed from scratch in a folder of its own, so that their times compare; a finished one is in `check.jsonl` and is not asked for again.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.formula import Formula
from ase.io import read as read_atoms

from campaigns.engines import journal, labellers
from campaigns.engines.check_specs import CheckResult, CheckSpec, CheckVariant
from campaigns.engines.job import EngineFailed, Progress, from_json, main, to_json
from campaigns.engines.labellers import LabelFailed, Option, wavefunctions
from campaigns.engines.labellers.base import MACHINE_CAUSES
from campaigns.engines.prepare import ordered
from campaigns.engines.specs import LabellerSpec
from campaigns.science.method_convergence import Change, Values, change, verdict
from campaigns.science.selection import force_statistics, min_distance_A

JOURNAL = "check.jsonl"
CONFIGURATION_FILE = "configuration.extxyz"
DISPLACEMENT_A = 0.05  # rms of a coordinate: about that of a solid at 300 K


def run(folder: Path, spec: CheckSpec, progress: Progress) -> CheckResult:
    progress(0, 1, "labels", "placing the atoms")
    atoms = _configuration(folder, spec)
    wanted = [(None, spec.labeller), *((option, _stricter(spec.labeller, option)) for option in _options(spec))]
    entries = {entry["option"]: entry for entry in journal.read(folder / JOURNAL)}
    with journal.append_to(folder / JOURNAL) as append:
        for number, (option, labeller) in enumerate(wanted):
            name = option.name if option else ""
            if name in entries:
                continue
            progress(number, len(wanted), "labels", f"{option.title} {_value(option, labeller)}" if option else "as set")
            entries[name] = to_json(_entry(folder / f"label-{number}", option, labeller, atoms, spec.cores))
            append(entries[name])
    return _result(atoms, [entries[option.name if option else ""] for option, _ in wanted])


def _configuration(folder: Path, spec: CheckSpec) -> Atoms:
    """The cell with its atoms moved a little at random, so that forces are not zero; the same after a kill."""
    path = folder / CONFIGURATION_FILE
    if not path.exists():
        if spec.cell_file:
            cell = read_atoms(spec.cell_file, format="extxyz")
            atoms = Atoms(cell.numbers, positions=cell.positions, cell=cell.cell, pbc=True)
        else:
            found = ordered(spec.cell)[spec.cell.candidate]
            atoms = Atoms(found.symbols, positions=found.positions_A, cell=found.cell_A, pbc=True)
        atoms.positions += np.random.default_rng(spec.seed).normal(scale=DISPLACEMENT_A, size=atoms.positions.shape)
        temporary = path.with_name(f".{path.name}")
        atoms.write(temporary, format="extxyz")
        temporary.replace(path)
    atoms = read_atoms(path, format="extxyz")
    distance_A = min_distance_A(atoms.positions, atoms.cell.array)
    if distance_A < spec.cell.min_distance_A:
        raise EngineFailed(
            f"Two atoms of the cell are {distance_A:.2f} Å apart, below the limit of {spec.cell.min_distance_A:g} Å: check the CIF for "
            "sites that exclude each other, or choose another ordering.",
            cause="bad_input",
            permanent=True,
        )
    return atoms


def _options(spec: CheckSpec) -> list[Option]:
    return [
        option
        for option in labellers.module(spec.labeller.name).OPTIONS
        if option.stricter and (spec.options is None or option.name in spec.options)
    ]


def _stricter(labeller: LabellerSpec, option: Option) -> LabellerSpec:
    value = option.stricter(labeller.options.get(option.name, option.default))
    return replace(labeller, options=labeller.options | {option.name: value})


def _value(option: Option, labeller: LabellerSpec) -> str:
    value = labeller.options.get(option.name, option.default)
    return f"{value:g} {option.unit}".strip() if isinstance(value, int | float) else str(value)


def _entry(folder: Path, option: Option | None, labeller: LabellerSpec, atoms: Atoms, cores: int) -> dict[str, Any]:
    """One label or why there is none. Raises EngineFailed where the method as it is set gives none."""
    folder.mkdir(exist_ok=True)
    entry: dict[str, Any] = {
        "option": option.name if option else "",
        "title": option.title if option else "As set",
        "value": _value(option, labeller) if option else "",
    }
    started = time.perf_counter()
    try:
        _require_possible(labeller, atoms)
        method = labellers.build(labeller, folder, cores)
        started = time.perf_counter()  # loading is paid once for many labels
        label = method.label(atoms, "configuration")
    except (LabelFailed, EngineFailed) as error:
        if option is None:
            raise _unusable(error) from error
        failed = {"state": "failed", "cause": error.cause, "message": str(error), "attempts": getattr(error, "attempts", ())}
        return entry | failed | {"seconds": time.perf_counter() - started}
    return entry | {
        "state": "done",
        "cause": "",
        "message": "",
        "attempts": label.attempts,
        "seconds": time.perf_counter() - started,
        "energy_eV": label.energy_eV,
        "forces_eV_A": label.forces_eV_A.tolist(),
        "virial_eV": label.virial_eV.tolist(),
        "versions": labellers.versions(folder),
    }


def _require_possible(labeller: LabellerSpec, atoms: Atoms) -> None:
    problems = labellers.check(labeller, sorted(set(atoms.get_chemical_symbols())))
    if problems:
        raise EngineFailed(" ".join(problems), cause="bad_input", permanent=True)


def _unusable(error: LabelFailed | EngineFailed) -> EngineFailed:
    if isinstance(error, EngineFailed):
        return error
    return EngineFailed(
        f"The reference method, as it is set, cannot label this configuration: {error.message.rstrip('.')}. Change its options and check "
        "again.",
        cause=error.cause,
        permanent=error.cause not in MACHINE_CAUSES,
    )


def _result(atoms: Atoms, entries: list[dict[str, Any]]) -> CheckResult:
    as_set, *others = entries
    changes = {entry["option"]: _change(as_set, entry, atoms) for entry in others if entry["state"] == "done"}
    word, sentence = verdict(list(changes.values()), len(others) - len(changes))
    return CheckResult(
        formula=Formula.from_list(atoms.get_chemical_symbols()).format("metal"),
        n_atoms=len(atoms),
        seconds=as_set["seconds"],
        rms_force_eV_A=force_statistics(np.array(as_set["forces_eV_A"])).rms_force_eV_A,
        variants=[_variant(entry, changes.get(entry["option"])) for entry in entries],
        verdict=word,
        sentence=sentence,
        labels_computed=len(entries),
        versions=as_set["versions"],
    )


def _change(as_set: dict[str, Any], entry: dict[str, Any], atoms: Atoms) -> Change:
    one, other = (Values(found["energy_eV"], np.array(found["forces_eV_A"]), np.array(found["virial_eV"])) for found in (as_set, entry))
    return change(f"{entry['title']} {entry['value']}", one, other, atoms.get_volume())


def _variant(entry: dict[str, Any], found: Change | None) -> CheckVariant:
    names = ("option", "title", "value", "state", "cause", "message", "seconds", "attempts")
    differences = {} if found is None else {
        "energy_difference_meV_atom": found.energy_meV_atom,
        "force_rms_difference_eV_A": found.force_rms_eV_A,
        "force_max_difference_eV_A": found.force_max_eV_A,
        "stress_difference_GPa": found.stress_GPa,
    }  # fmt: skip
    return from_json(CheckVariant, {name: entry[name] for name in names} | differences)


if __name__ == "__main__":
    main(run, CheckSpec, tidy=wavefunctions.free)

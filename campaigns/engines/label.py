"""Stage `label`: the reference method's energy, forces and virial of an exploration's snapshots, and the model's error on each of them.

Every finished label is on the disk (`labels.jsonl`) before the next one is begun: a kill loses the one under way, and none is computed
twice. A label that failed is a result too: the stage goes on without it. `under_way.json` names the one that is computed now.
"""

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import read as read_atoms

from campaigns.engines import journal, labellers
from campaigns.engines.job import EngineFailed, Progress, from_json, main, read_json, to_json, write_json
from campaigns.engines.labellers import Label, LabelFailed, wavefunctions
from campaigns.engines.labellers.base import REFUSED_CAUSES
from campaigns.engines.specs import LabelRecord, LabelResult, LabelSpec
from campaigns.science.frames import Frames
from campaigns.science.selection import (
    Bonds,
    force_statistics,
    framework_bonds,
    geometry_key,
    max_bond_variation,
    min_distance_A,
    root_mean_square,
)

FRAMES_FILE = "labelled.npz"
JOURNAL = "labels.jsonl"
UNDER_WAY = "under_way.json"
SPENT = "spent.json"


def run(folder: Path, spec: LabelSpec, progress: Progress) -> LabelResult:
    snapshots = Frames.load(Path(spec.snapshots.path))[spec.snapshots.indices]
    reference = read_atoms(spec.cell_file, format="extxyz")
    _same_atoms(reference, snapshots)
    problems = labellers.check(spec.labeller, list(snapshots.symbols))
    if problems:
        raise EngineFailed(" ".join(problems), cause="bad_input", permanent=True)
    if not spec.snapshots.indices:
        raise EngineFailed("There is no snapshot to label: ask for at least one in each exploration.", cause="bad_input", permanent=True)
    entries = {entry["record"]["index"]: entry for entry in journal.read(folder / JOURNAL)}
    try:
        _label_missing(folder, spec, snapshots, reference, entries, progress)
        return _result(folder, spec, snapshots, [entries[index] for index in spec.snapshots.indices])
    except EngineFailed as error:
        error.labels_computed = sum(entry["asked"] for entry in journal.read(folder / JOURNAL)) + _spent_before(folder)
        raise


def _same_atoms(reference: Atoms, snapshots: Frames) -> None:
    if list(reference.symbols) != list(snapshots.symbols):
        raise EngineFailed(
            "The snapshots have other atoms, or another order of atoms, than the cell they are compared with.",
            cause="bad_input",
            permanent=True,
        )


def _label_missing(
    folder: Path, spec: LabelSpec, snapshots: Frames, reference: Atoms, entries: dict[int, dict[str, Any]], progress: Progress
) -> None:
    """Label what has no entry yet; `entries` (by index in the snapshots file) grows with each."""
    total = len(spec.snapshots.indices)
    progress(len(entries), total, "labels", "loading the reference method")
    labeller = labellers.build(spec.labeller, folder, spec.cores) if len(entries) < total else None
    bonds = framework_bonds(list(reference.symbols), reference.positions, reference.cell.array, spec.framework_elements)
    seen: dict[str, int] = {}
    with journal.append_to(folder / JOURNAL) as append:
        for row, index in enumerate(spec.snapshots.indices):
            atoms = Atoms(list(snapshots.symbols), positions=snapshots.positions_A[row], cell=snapshots.cell_A[row], pbc=True)
            earlier = seen.setdefault(_key(atoms, index), index)
            if index in entries:
                continue
            started = time.perf_counter()
            entry = _refused(atoms, index, earlier, spec.min_distance_A)
            if entry is None:
                write_json(folder / UNDER_WAY, {"index": index, "since": time.time()}, durable=False)
                entry = _ask(labeller, atoms, index, snapshots, row)
                entry["record"] |= _geometry_numbers(atoms, bonds, reference)
            entry["record"]["seconds"] = time.perf_counter() - started
            entries[index] = to_json(entry)
            append(entries[index])
            progress(len(entries), total, "labels", _so_far(list(entries.values())))
    (folder / UNDER_WAY).unlink(missing_ok=True)


def _so_far(entries: list[dict[str, Any]]) -> str:
    failed = sum(entry["record"]["state"] == "failed" for entry in entries)
    found = sum(entry["record"].get("found", False) for entry in entries)
    return ", ".join(f"{count} {word}" for count, word in ((failed, "failed"), (found, "computed before")) if count)


def _key(atoms: Atoms, index: int) -> str:
    """Of the geometry; one that has none (NaN) equals nothing but itself."""
    finite = np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all() and atoms.cell.volume > 0
    return geometry_key(list(atoms.symbols), atoms.positions, atoms.cell.array) if finite else f"not finite {index}"


def _refused(atoms: Atoms, index: int, earlier: int, limit_A: float) -> dict[str, Any] | None:
    """The entry of a snapshot that the reference method is not asked about, or None."""
    if earlier != index:
        return _failed(index, "duplicate", f"The same geometry as snapshot {earlier}, which is labelled once.")
    try:
        distance_A = min_distance_A(atoms.positions, atoms.cell.array)
    except ValueError as error:
        return _failed(index, "not_finite", f"The snapshot is no crystal: {error}.")
    if distance_A < limit_A:
        entry = _failed(
            index,
            "bad_geometry",
            f"Two atoms are {distance_A:.2f} Å apart, below the limit of {limit_A:g} Å: the reference method was not asked.",
        )
        entry["record"]["min_distance_A"] = distance_A
        return entry
    return None


def _failed(index: int, cause: str, message: str, asked: bool = False) -> dict[str, Any]:
    return {"record": {"index": index, "row": None, "state": "failed", "cause": cause, "message": message}, "asked": asked}


def name_of(index: int) -> str:
    """Of a label, and of the files that a method keeps for it."""
    return f"label-{index:06d}"


def _ask(labeller: labellers.Labeller, atoms: Atoms, index: int, snapshots: Frames, row: int) -> dict[str, Any]:
    try:
        label = labeller.label(atoms, name_of(index))
    except LabelFailed as error:
        entry = _failed(index, error.cause, error.message, asked=True)
        entry["record"]["attempts"] = error.attempts
        return entry
    forces = force_statistics(label.forces_eV_A)
    record = {
        "index": index,
        "row": None,
        "state": "done",
        "cause": "",
        "message": "",
        "energy_eV": label.energy_eV,
        "max_force_eV_A": forces.max_force_eV_A,
        "rms_force_eV_A": forces.rms_force_eV_A,
        "attempts": label.attempts,
        "found": label.found,
        **_model_error(label, snapshots, row),
    }
    return {"record": record, "asked": not label.found, "forces_eV_A": label.forces_eV_A.tolist(), "virial_eV": label.virial_eV.tolist()}


def _model_error(label: Label, snapshots: Frames, row: int) -> dict[str, float]:
    """The model's own values came with the snapshot: its error here is the honest test error, before the configuration enters the set."""
    errors = {}
    if snapshots.model_energy_eV is not None:
        difference_eV = float(snapshots.model_energy_eV[row]) - label.energy_eV
        errors["model_energy_error_meV_atom"] = 1000 * difference_eV / len(snapshots.symbols)
    if snapshots.model_forces_eV_A is not None:
        errors["model_force_rmse_eV_A"] = root_mean_square(snapshots.model_forces_eV_A[row] - label.forces_eV_A)
    return errors


def _geometry_numbers(atoms: Atoms, bonds: Bonds, reference: Atoms) -> dict[str, float | None]:
    return {
        "min_distance_A": min_distance_A(atoms.positions, atoms.cell.array),
        "max_bond_variation": max_bond_variation(bonds, reference.positions, reference.cell.array, atoms.positions, atoms.cell.array),
    }


def _result(folder: Path, spec: LabelSpec, snapshots: Frames, entries: list[dict[str, Any]]) -> LabelResult:
    _ask_again_for_lost(folder, spec, entries)
    done = [position for position, entry in enumerate(entries) if entry["record"]["state"] == "done"]
    for row, position in enumerate(done):
        entries[position]["record"]["row"] = row
    records = [from_json(LabelRecord, entry["record"]) for entry in entries]
    if not done:
        raise EngineFailed(_all_failed(entries), cause="bad_output", permanent=True)
    chosen = [entries[position] for position in done]
    labelled = replace(
        snapshots[done],
        energy_eV=np.array([entry["record"]["energy_eV"] for entry in chosen]),
        forces_eV_A=np.array([entry["forces_eV_A"] for entry in chosen]),
        virial_eV=np.array([entry["virial_eV"] for entry in chosen]),
    )
    labelled.save(folder / FRAMES_FILE)
    return LabelResult(
        frames_file=FRAMES_FILE,
        records=records,
        labels_computed=sum(entry["asked"] for entry in entries) + _spent_before(folder),
        seconds=sum(record.seconds for record in records),
        versions=labellers.versions(folder),
        labels_found=sum(record.found for record in records),
    )


def _ask_again_for_lost(folder: Path, spec: LabelSpec, entries: list[dict[str, Any]]) -> None:
    """Where too many labels are missing of the geometries that are fit for one, forget these and raise EngineFailed: the next try asks
    for them alone.
    """
    wanted = [entry for entry in entries if entry["record"]["cause"] not in REFUSED_CAUSES]
    lost = [entry for entry in wanted if entry["record"]["state"] == "failed"]
    if len(lost) <= (1 - spec.min_labelled_share) * len(wanted):
        return
    there = [entry for entry in entries if entry not in lost]
    names = [[entry["record"]["index"], entry["record"]["seconds"]] for entry in lost]
    if (read_json(folder / SPENT) or {}).get("lost") != names:  # a kill before the next line must not count them twice
        write_json(folder / SPENT, {"labels": _spent_before(folder) + len(lost), "lost": names})
    journal.rewrite(folder / JOURNAL, there)
    raise EngineFailed(
        f"{len(lost)} of {len(wanted)} labels are missing, more than the settings allow ({_causes(lost)}). The first: "
        f"{lost[0]['record']['message']} The others are kept; only the missing ones are computed again.",
        cause=lost[0]["record"]["cause"],
        # A program that died may live next time; a limit of time or memory has to be raised first, and an SCF ends the same again.
        permanent=any(entry["record"]["cause"] != "engine_error" for entry in lost),
    )


def _spent_before(folder: Path) -> int:
    """Reference calculations whose labels were lost and that were asked for again."""
    return (read_json(folder / SPENT) or {"labels": 0})["labels"]


def _causes(entries: list[dict[str, Any]]) -> str:
    return ", ".join(f"{count} {cause}" for cause, count in Counter(entry["record"]["cause"] for entry in entries).most_common())


def _all_failed(entries: list[dict[str, Any]]) -> str:
    return (
        f"None of the {len(entries)} snapshots could be labelled ({_causes(entries)}). The first: {entries[0]['record']['message']} "
        "If the geometries are bad, the model was not good enough for this temperature: train longer or on more configurations."
    )


if __name__ == "__main__":
    main(run, LabelSpec, tidy=wavefunctions.free)

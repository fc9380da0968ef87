"""Stage `prepare`: order one supercell of a material and relax its atoms, at the volume of the CIF, with the reference method.

An ordering that the relaxation takes apart is left for the next one, with the reason kept. The relaxation saves its positions now and then
and goes on from them after a kill; the ordering is repeated, for the same seed gives the same cells.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.formula import Formula
from ase.io import write as write_atoms
from ase.optimize import FIRE

from campaigns.engines import labellers
from campaigns.engines.cif_scan import Unusable, the_block
from campaigns.engines.job import EngineFailed, Progress, main, read_json, write_json
from campaigns.engines.labellers import LabelFailed, Labeller, wavefunctions
from campaigns.engines.labellers.base import GEOMETRY_CAUSES
from campaigns.engines.labellers.known import n_found
from campaigns.engines.specs import PrepareResult, PrepareSpec
from campaigns.science.ordering import NoRoom, OrderedCell, OxidationStatesNeeded, order
from campaigns.science.ordering_composition import CannotBeNeutral
from campaigns.science.selection import min_distance_A
from campaigns.science.structures import StructureRefused, structure_from_cif

CELL_FILE = "cell.extxyz"
SPARE_CANDIDATES = 2  # orderings beyond the one asked for, should its relaxation fail
MAX_STEP_A = 0.1  # of an atom in one step: unrelaxed cells start with forces of many eV/A
SAVE_EVERY_S = 5.0


class TakenApart(Exception):
    """A relaxation that left what is physical; the next ordering may do better. `labels` were spent on it, `labels_found` of them found."""

    labels = 0
    labels_found = 0


@dataclass(frozen=True)
class Relaxed:
    """energy_eV of the cell and largest force; None where it was not relaxed. `labels` were needed, `labels_found` of them were there."""

    atoms: Atoms
    energy_eV: float | None
    fmax_eV_A: float | None
    steps: int
    labels: int
    labels_found: int


def run(folder: Path, spec: PrepareSpec, progress: Progress) -> PrepareResult:
    progress(0, 1, "ordering", "placing the atoms")
    cells = ordered(spec)
    problems = labellers.check(spec.labeller, sorted(set(cells[0].symbols)))
    if problems:
        raise EngineFailed(" ".join(problems), cause="bad_input", permanent=True)
    labeller = None
    if spec.relax and spec.relax_max_steps > 0:
        progress(0, spec.relax_max_steps, "relaxation steps", "loading the reference method")
        labeller = labellers.build(spec.labeller, folder, spec.cores)
    first = min(spec.candidate, len(cells) - 1)
    refused = [] if first == spec.candidate else [_no_such(spec.candidate, len(cells))]
    labels = found = 0
    for cell in cells[first :: max(spec.n_candidates, 1)]:  # no two cells of a campaign fall back on the same ordering
        try:
            relaxed = _relax(folder, spec, cell, labeller, progress)
        except TakenApart as error:
            refused.append(f"ordering {cell.provenance.rank}: {error}")
            labels, found = labels + error.labels, found + error.labels_found
            continue
        except EngineFailed as error:
            error.labels_computed += labels - found
            raise
        return _result(folder, cell, relaxed, labeller, refused, labels + relaxed.labels, found + relaxed.labels_found)
    failure = EngineFailed(
        f"No ordering of this cell survives relaxation with the reference method ({'; '.join(refused)}). Choose another seed or supercell, "
        "check the CIF for atoms that are too close, or choose another reference method.",
        cause="unphysical",
        permanent=True,
    )
    failure.labels_computed = labels - found
    raise failure


def ordered(spec: PrepareSpec) -> list[OrderedCell]:
    """The ordering asked for and some to fall back on, by rank."""
    try:
        structure, _ = structure_from_cif(the_block(Path(spec.cif_file).read_text(encoding="utf-8")))
        cells = order(
            structure,
            spec.supercell,
            spec.mobile_ion,
            spec.seed,
            max(spec.n_candidates, spec.candidate + 1) * (1 + SPARE_CANDIDATES),
            spec.oxidation_states,
        )
    except (Unusable, StructureRefused, OxidationStatesNeeded, CannotBeNeutral, NoRoom) as error:
        raise EngineFailed(str(error), cause="bad_input", permanent=True) from error
    return cells


def _no_such(candidate: int, count: int) -> str:
    """How many orderings there are is known only now: the campaign goes on with the last of them."""
    return f"ordering {candidate}: this cell has {count} different ordering{'s' * (count > 1)}, counted from 0, and the last stands for it"


def _relax(folder: Path, spec: PrepareSpec, cell: OrderedCell, labeller: Labeller | None, progress: Progress) -> Relaxed:
    """Positions at rest, or as far as the allowed steps bring them. Raises TakenApart."""
    atoms = Atoms(cell.symbols, positions=cell.positions_A, cell=cell.cell_A, pbc=True)
    if labeller is None:
        return Relaxed(atoms, None, None, 0, 0, 0)
    saved = folder / f"relaxation-{cell.provenance.rank}.json"
    checkpoint = read_json(saved) or {"step": 0, "labels": 0, "positions_A": atoms.positions.tolist()}
    atoms.positions = np.array(checkpoint["positions_A"])
    atoms.calc = labeller.calculator
    done, last_save = int(checkpoint["step"]), time.monotonic()
    optimizer = FIRE(atoms, logfile=None, maxstep=MAX_STEP_A)
    spent = int(checkpoint.get("labels", checkpoint["step"]))
    step, labels = done, spent + 1  # the forces that it starts from
    found_before = int(checkpoint.get("labels_found", 0)) - n_found(atoms)

    def found() -> int:
        return found_before + n_found(atoms)

    def save() -> None:
        write_json(saved, {"step": step, "labels": labels, "labels_found": found(), "positions_A": atoms.positions.tolist()}, durable=False)

    try:
        for _ in optimizer.irun(fmax=spec.relax_fmax_eV_A, steps=max(0, spec.relax_max_steps - done)):
            step, labels = done + optimizer.nsteps, spent + optimizer.nsteps + 1
            fmax_eV_A = _watched(atoms, step, spec.min_distance_A)
            progress(step, spec.relax_max_steps, "relaxation steps", f"largest force {fmax_eV_A:.2f} eV/Å")
            if time.monotonic() - last_save > SAVE_EVERY_S:
                save()
                last_save = time.monotonic()
        save()
        return Relaxed(atoms, float(atoms.get_potential_energy()), _watched(atoms, step, spec.min_distance_A), step, labels, found())
    except LabelFailed as error:
        if error.cause in GEOMETRY_CAUSES:
            apart = TakenApart(f"at step {step}: {error.message}")
            apart.labels, apart.labels_found = labels, found()
            raise apart from error
        save()
        failure = EngineFailed(
            f"The reference method gave no forces at step {step} of the relaxation of ordering {cell.provenance.rank}: {error.message}",
            cause=error.cause, permanent=error.cause != "engine_error",
        )  # fmt: skip
        failure.labels_computed = labels - found()
        raise failure from error
    except TakenApart as error:
        error.labels, error.labels_found = labels, found()
        raise


def _watched(atoms: Atoms, step: int, limit_A: float) -> float:
    """The largest force in eV/Å. Raises TakenApart where energy, forces or distances are no longer physical."""
    fmax_eV_A = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
    if not (np.isfinite(atoms.get_potential_energy()) and np.isfinite(fmax_eV_A) and np.isfinite(atoms.positions).all()):
        raise TakenApart(f"at step {step}: energy or forces are not finite numbers")
    distance_A = min_distance_A(atoms.positions, atoms.cell.array)
    if distance_A < limit_A:
        raise TakenApart(f"at step {step}: two atoms are {distance_A:.2f} Å apart")
    return fmax_eV_A


def _result(folder: Path, cell: OrderedCell, relaxed: Relaxed, labeller: Labeller | None, refused: list[str],
            labels: int, labels_found: int) -> PrepareResult:  # fmt: skip
    atoms = Atoms(cell.symbols, positions=relaxed.atoms.positions, cell=cell.cell_A, pbc=True)
    atoms.wrap()
    temporary = folder / f".{CELL_FILE}"
    write_atoms(temporary, atoms, format="extxyz")
    temporary.replace(folder / CELL_FILE)
    provenance = asdict(cell.provenance) | {
        "elements": sorted(set(cell.symbols)),
        "relaxation_steps": relaxed.steps,
        "refused_orderings": refused,
        "labeller": labeller.describe() if labeller else None,
    }
    return PrepareResult(
        cell_file=CELL_FILE,
        formula=Formula.from_list(list(cell.symbols)).format("metal"),
        n_atoms=len(atoms),
        volume_A3=float(atoms.get_volume()),
        min_distance_A=min_distance_A(atoms.positions, atoms.cell.array),
        electrostatic_energy_eV=cell.electrostatic_energy_eV,
        relaxed_energy_eV=relaxed.energy_eV,
        relaxed_fmax_eV_A=relaxed.fmax_eV_A,
        provenance=provenance,
        labels_computed=labels - labels_found,
        labels_found=labels_found,
        versions=labellers.versions(folder),
    )


if __name__ == "__main__":
    main(run, PrepareSpec, tidy=wavefunctions.free)

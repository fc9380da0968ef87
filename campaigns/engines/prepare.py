"""Stage `prepare`: order one supercell of a CIF and relax its atoms, at the CIF's volume, with the reference method before any dynamics.

The relaxation writes its positions after every step and goes on from them; an arrangement that falls apart gives way to the next candidate.
"""

import dataclasses
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.optimize import FIRE

from campaigns.engines import labellers
from campaigns.engines.job import EngineFailed, Progress, main, read_json, to_json, write_json
from campaigns.engines.labellers import LabelFailed, Labeller
from campaigns.engines.parse_cif import Refused, parse
from campaigns.engines.specs import PrepareResult, PrepareSpec
from campaigns.science import ordering
from campaigns.science.ordering import OrderedCell
from campaigns.science.selection import min_distance_A

MIN_DISTANCE_A = 0.6
# Arrangements that are tried, from the one asked for, before the stage gives up.
SPARE_CANDIDATES = 2
MAX_STEP_A = 0.1
ORDERING_ERRORS = (ordering.OxidationStatesNeeded, ordering.NoRoom, ordering.CannotBeNeutral)


class FellApart(Exception):
    """A relaxation that ended in nonsense; the text says how."""


def run(folder: Path, spec: PrepareSpec, progress: Progress) -> PrepareResult:
    progress(0, max(spec.relax_max_steps, 1), "steps", "ordering the cell")
    candidates = _ordered(spec)
    labeller = labellers.build(spec.labeller, folder, spec.cores) if spec.relax else None
    refused = []
    for number, cell in enumerate(candidates, start=spec.candidate):
        try:
            atoms, energy_eV, fmax_eV_A = _relaxed(folder / f"candidate-{number}", cell, labeller, spec, progress)
        except FellApart as error:
            refused.append(f"arrangement {number}: {error}")
            continue
        return _result(folder, spec, cell, atoms, energy_eV, fmax_eV_A, labeller, refused)
    raise EngineFailed(
        f"No arrangement could be relaxed ({'; '.join(refused)}). Check the structure, or choose another reference method.",
        cause="unphysical",
        permanent=True,
    )


def _ordered(spec: PrepareSpec) -> list[OrderedCell]:
    """Arrangements from the one asked for onwards. Raises EngineFailed with the words of the ordering."""
    try:
        structure = parse(Path(spec.cif_file).read_text(encoding="utf-8"))
        wanted = spec.candidate + 1 + (SPARE_CANDIDATES if spec.relax else 0)
        cells = ordering.order(structure, spec.supercell, spec.mobile_ion, spec.seed, wanted, spec.oxidation_states)
    except (Refused, *ORDERING_ERRORS) as error:
        raise EngineFailed(str(error), cause="bad_input", permanent=True) from error
    if len(cells) <= spec.candidate:
        raise EngineFailed(
            f"There are only {len(cells)} different arrangements: choose a candidate below {len(cells)}.", cause="bad_input", permanent=True
        )
    return cells[spec.candidate :]


def _relaxed(
    folder: Path, cell: OrderedCell, labeller: Labeller | None, spec: PrepareSpec, progress: Progress
) -> tuple[Atoms, float | None, float | None]:
    """Atoms with energy (eV) and largest force (eV/Å) after the relaxation; without a labeller as they were ordered."""
    atoms = Atoms(list(cell.symbols), positions=cell.positions_A, cell=cell.cell_A, pbc=True)
    if labeller is None:
        _check(atoms)
        return atoms, None, None
    folder.mkdir(exist_ok=True)
    state = read_json(folder / "relaxation.json")
    if state:
        atoms.positions = np.array(state["positions_A"])
    atoms.calc = labeller.calculator
    done = state["steps"] if state else 0
    optimizer = FIRE(atoms, logfile=None, maxstep=MAX_STEP_A)
    try:
        for _ in optimizer.irun(fmax=spec.relax_fmax_eV_A, steps=max(spec.relax_max_steps - done, 0)):
            fmax = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
            _check(atoms, fmax)
            steps = done + optimizer.nsteps
            write_json(folder / "relaxation.json", {"positions_A": atoms.positions.tolist(), "steps": steps}, durable=False)
            progress(steps, max(spec.relax_max_steps, 1), "steps", f"relaxing, largest force {fmax:.2f} eV/Å")
        return atoms, float(atoms.get_potential_energy()), float(np.linalg.norm(atoms.get_forces(), axis=1).max())
    except LabelFailed as error:
        raise FellApart(str(error)) from error


def _check(atoms: Atoms, fmax_eV_A: float = 0.0) -> None:
    if not np.isfinite(fmax_eV_A) or not np.isfinite(atoms.positions).all():
        raise FellApart("forces or positions are no numbers any more")
    closest = min_distance_A(atoms.positions, atoms.cell.array)
    if closest < MIN_DISTANCE_A:
        raise FellApart(f"two atoms came to {closest:.2f} Å")


def _result(
    folder: Path,
    spec: PrepareSpec,
    cell: OrderedCell,
    atoms: Atoms,
    energy_eV: float | None,
    fmax_eV_A: float | None,
    labeller: Labeller | None,
    refused: list[str],
) -> PrepareResult:
    bare = Atoms(atoms.get_chemical_symbols(), positions=atoms.positions, cell=atoms.cell.array, pbc=True)
    ase.io.write(folder / "cell.extxyz", bare, format="extxyz")
    provenance: dict[str, Any] = to_json(dataclasses.asdict(cell.provenance)) | {
        "elements": sorted(set(cell.symbols)),
        "relaxed_with": labeller.describe() if labeller else "not relaxed",
        "relaxed_to_eV_A": spec.relax_fmax_eV_A if labeller else None,
        "refused": refused,
    }
    return PrepareResult(
        cell_file="cell.extxyz",
        formula=bare.get_chemical_formula("hill"),
        n_atoms=len(bare),
        volume_A3=float(bare.get_volume()),
        min_distance_A=min_distance_A(bare.positions, bare.cell.array),
        electrostatic_energy_eV=cell.electrostatic_energy_eV,
        relaxed_energy_eV=energy_eV,
        relaxed_fmax_eV_A=fmax_eV_A,
        provenance=provenance,
    )


if __name__ == "__main__":
    main(run, PrepareSpec)

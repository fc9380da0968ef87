"""A campaign with its cells, and the stages that it has done."""

import json
from datetime import timedelta

from django.utils import timezone

from campaigns.enums import CampaignState, StageKind, StageState
from campaigns.models import Artefact, Campaign, Cell, Material, Stage
from tests.factories.files import SYMBOLS, artefact, numbers, some_frames
from tests.factories.materials import material


def campaign(owner, name: str = "LGPS, quick", state: str = CampaignState.RUNNING, made_of: Material | None = None, **columns) -> Campaign:
    values = {"mobile_ion": "Li", "labeller": "chgnet", "preset": "quick", "protocol": {"max_loops": 3}, "loop": 1, "step": 2}
    if state not in (CampaignState.DRAFT, CampaignState.RUNNING, CampaignState.PAUSED):
        values["finished_at"] = timezone.now()
    row = Campaign.objects.create(owner=owner, name=name, state=state, **(values | columns))
    base = made_of or material(owner)
    for training, size, n_atoms in ((True, 1, 50), (False, 2, 200)):
        Cell.objects.create(
            campaign=row,
            material=base,
            for_training=training,
            for_evaluation=not training,
            supercell_a=size,
            supercell_b=size,
            formula="Li20Ge2P4S24",
            n_atoms=n_atoms,
            volume_A3=951.5 * size * size,
            min_distance_A=2.02,
            relaxed_energy_eV=-4.1 * n_atoms,
            relaxed_fmax_eV_A=0.098,
            provenance={"elements": sorted(set(SYMBOLS))},
            structure=_structure(row, size),
        )
    return row


def _structure(row: Campaign, size: int) -> Artefact:
    from ase import Atoms
    from ase.io import write

    path = row.folder / f"cell-{size}.xyz"
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = some_frames(1, seed=size)
    write(path, Atoms(SYMBOLS, positions=frames.positions_A[0], cell=frames.cell_A[0], pbc=True).repeat((size, size, 1)), format="extxyz")
    return artefact(path)


def stage(
    row: Campaign, kind: str = StageKind.TRAIN, state: str = StageState.DONE, log: str = "batch 2500: force error 0.102 eV/Å\n", **columns
) -> Stage:
    now = timezone.now()
    values = {
        "loop": 1,
        "step": 1,
        "seconds": 42.0,
        "startup_seconds": 11.0,
        "started_at": now - timedelta(seconds=42),
        "index": next(numbers),
        "finished_at": now if state == StageState.DONE else None,
    }
    found = Stage.objects.create(campaign=row, kind=kind, state=state, **(values | columns))
    found.folder.mkdir(parents=True, exist_ok=True)
    (found.folder / "log").write_text(log)
    (found.folder / "spec.json").write_text('{"schema_version": 1}')
    if state == StageState.RUNNING:
        at = now.timestamp()
        (found.folder / "progress.json").write_text(
            json.dumps(
                {
                    "done": 1600,
                    "total": 2500,
                    "unit": "batches",
                    "message": "force error 0.11 eV/Å",
                    "started_at": at - 30,
                    "updated_at": at,
                }
            )
        )
    return found

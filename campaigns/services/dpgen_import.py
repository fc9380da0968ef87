"""A run folder of DP-GEN as a campaign to look at: an iteration becomes a training step of loop 1, the data it began with S0.

Every label is kept: DP-GEN cleans nothing. The four models of an iteration stand side by side as repeats of its training step.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from campaigns.engines import bounded
from campaigns.engines.job import write_json
from campaigns.enums import CampaignState, FrameSource, RunOutcome, RunPurpose, S0Route, StageKind, StageState, Verdict
from campaigns.models import Campaign, Cell, Frame, Material, MdRun, Stage, TrainedModel, TrainingSet, VerdictChange
from campaigns.science.cleaning import MIN_HALF_WIDTH_EV_A, MIN_HALF_WIDTH_EV_ATOM, interval
from campaigns.science.frames import Frames, reduced_composition
from campaigns.science.mobile_ions import usual_charge_e
from campaigns.science.protocol import PRESETS
from campaigns.services import activity, archives, artefacts, materials, reading
from campaigns.services.errors import BadInput, Busy

READ_CPU_S, READ_WALL_S = 1800.0, 7200.0
MAX_NOTES = 5


def take_in(owner: AbstractBaseUser, path: Path, name: str = "") -> Campaign:
    """Import a run folder, or a tar or zip file of one. Raises BadInput with what is wrong; then nothing of it is here."""
    work = settings.DATA_DIR / "exports"
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        out = Path(folder) / "files"
        out.mkdir()
        try:
            arguments = [str(path.resolve()), str(out)]
            with reading.place():
                found = bounded.run_json("campaigns.engines.dpgen_folder", arguments, cpu_s=READ_CPU_S, wall_s=READ_WALL_S)
        except bounded.ChildBusy as error:
            raise Busy(f"The run folder was not read. {error}", {"archive": str(error)}) from error
        except bounded.ChildRefused as error:
            raise BadInput(f"The run folder cannot be imported: {error}", {"archive": str(error)}) from error
        material = materials.create_material(owner, found["cif"].encode(), "first-configuration.cif", name)
        with archives.placed(owner, out) as key, transaction.atomic():
            return _Builder(owner, key, found, material, name or f"DP-GEN, {material.name}").build()


@dataclass
class _Builder:
    owner: AbstractBaseUser
    key: int
    found: dict[str, Any]
    material: Material
    name: str

    def build(self) -> Campaign:
        protocol, ion = asdict(PRESETS["quick"]), self.material.mobile_ion
        self.campaign = Campaign.objects.create(
            pk=self.key,
            owner=self.owner,
            name=self.name[:200],
            state=CampaignState.IMPORTED,
            reason=self._reason(),
            mobile_ion=ion,
            mobile_ion_charge=(self.material.facts.get("oxidation_states") or {}).get(ion, usual_charge_e(ion)),
            labeller=self.found["fp_style"][:40],
            s0_route=S0Route.UPLOAD,
            preset="quick",
            protocol=protocol,
            loop=1 if len(self.found["iterations"]) > 1 else 0,
            step=max(len(self.found["iterations"]) - 1, 0),
            finished_at=timezone.now(),
        )
        self.cells: dict[tuple[str, ...], Cell] = {}
        for name in self.found["settings"]:
            self._register(name)
        for iteration in self.found["iterations"]:
            self._iteration(iteration)
        activity.record(self.owner, "imported", self.campaign, "a run of DP-GEN")
        return self.campaign

    def _reason(self) -> str:
        found = self.found
        last = found["last"]
        where = f" Its record ends in iteration {last[0]} after stage {last[1]} of 8." if last else ""
        notes = found["notes"][:MAX_NOTES]
        more = f" And {len(found['notes']) - MAX_NOTES} more of this kind." if len(found["notes"]) > MAX_NOTES else ""
        low, high = found["trust_eV_A"]
        trust = f" Labelled was what had a model deviation of the forces from {low:g} to {high:g} eV/Å." if high is not None else ""
        return f"A run of DP-GEN, imported to look at and to export.{where}{trust} {' '.join(notes)}{more}".strip()

    def _iteration(self, iteration: dict[str, Any]) -> None:
        step = iteration["number"] + 1
        loop = 1 if step else 0
        models = [self._model(step, one) for one in iteration["models"]]
        for index, one in enumerate(iteration["explorations"]):
            self._exploration(step, index, one, models)
        frames = list(self._frames(loop, step, iteration["parts"]))
        self._training_set(loop, step, frames)

    def _stage(self, kind: str, loop: int, step: int, index: int, record: dict[str, Any], **columns: Any) -> Stage:
        now = timezone.now()
        stage = Stage.objects.create(
            campaign=self.campaign, kind=kind, loop=loop, step=step, index=index, state=StageState.DONE, finished_at=now, **columns
        )
        stage.folder.mkdir(parents=True, exist_ok=True)
        write_json(stage.folder / "result.json", record)
        (stage.folder / "log").write_text("Imported from a run folder of DP-GEN.\n")
        return stage

    def _register(self, name: str) -> Any:
        return artefacts.register(artefacts.hash_file(self.campaign.folder / name))

    def _model(self, step: int, one: dict[str, Any]) -> TrainedModel:
        index = one["index"]
        stage = self._stage(StageKind.TRAIN, 1, step, index, one, repeat=index)
        training_set = TrainingSet.objects.filter(campaign=self.campaign).last()
        return TrainedModel.objects.create(
            campaign=self.campaign,
            stage=stage,
            loop=1,
            step=step,
            repeat=index,
            training_set=training_set,
            **{name: self._register(one[name]) for name in ("frozen", "learning_curve", "input_json")},
            checkpoint="",
            type_map=self.found["type_map"],
            batch_size=1,
            n_frames=training_set.n_kept if training_set else 0,
            **{name: one[name] for name in ("sel", "seed", "force_rmse_eV_A", "energy_rmse_meV_atom")},
        )

    def _exploration(self, step: int, index: int, one: dict[str, Any], models: list[TrainedModel]) -> None:
        stage = self._stage(StageKind.EXPLORE, 1, step, index, one, temperature_K=one["temperature_K"], message=_said(one)[:1000])
        if models and self.cells:
            MdRun.objects.create(
                campaign=self.campaign,
                stage=stage,
                model=models[0],
                cell=next(iter(self.cells.values())),
                purpose=RunPurpose.EXPLORE,
                temperature_K=one["temperature_K"] or 0.0,
                outcome=RunOutcome.COMPLETED,
                reason=_said(one),
                duration_ps=one["duration_ps"],
                steps_per_s=0.0,
                thermo=self._register(one["file"]),
            )

    def _frames(self, loop: int, step: int, parts: list[dict[str, Any]]) -> Iterator[Frame]:
        if not parts:
            return
        kind = StageKind.LABEL if loop else StageKind.S0
        n_labels = sum(len(part["deviations_eV_A"]) for part in parts)
        stage = self._stage(kind, loop, step, 0, {"parts": parts}, labels_computed=n_labels if loop else 0)
        for part in parts:
            artefact = self._register(part["file"])
            frames = Frames.load(artefact.file)
            cell = self._cell(frames)
            force = np.linalg.norm(frames.forces_eV_A, axis=2)
            rows = [
                Frame(
                    campaign=self.campaign,
                    stage=stage,
                    cell=cell,
                    artefact=artefact,
                    row=row,
                    source=FrameSource.EXPLORE if loop else FrameSource.S0_UPLOAD,
                    loop=loop,
                    step=step,
                    n_atoms=len(frames.symbols),
                    composition=reduced_composition(frames.symbols),
                    energy_eV_atom=float(frames.energy_eV[row]) / len(frames.symbols),
                    max_force_eV_A=float(force[row].max()),
                    rms_force_eV_A=float(np.sqrt(np.mean(frames.forces_eV_A[row] ** 2))),
                    min_distance_A=part["min_distances_A"][row],
                    model_deviation_eV_A=part["deviations_eV_A"][row],
                    verdict=Verdict.KEPT,
                )
                for row in range(len(frames))
            ]
            yield from Frame.objects.bulk_create(rows, batch_size=500)

    def _cell(self, frames: Frames) -> Cell:
        """One for each list of atoms; its structure is the first configuration that was seen of it."""
        key = tuple(frames.symbols)
        if key not in self.cells:
            self.cells[key] = Cell.objects.create(
                campaign=self.campaign,
                material=self.material,
                for_training=True,
                for_evaluation=False,
                formula=self._formula(frames),
                n_atoms=len(key),
                volume_A3=float(abs(np.linalg.det(frames.cell_A[0]))),
                provenance={"elements": sorted(set(key))},
                structure=self._structure(frames, len(self.cells)),
            )
        return self.cells[key]

    def _formula(self, frames: Frames) -> str:
        elements, counts = np.unique(frames.symbols, return_counts=True)
        return "".join(f"{element}{count}" for element, count in zip(elements, counts, strict=True))

    def _structure(self, frames: Frames, number: int) -> Any:
        from ase import Atoms
        from ase.io import write

        path = self.campaign.folder / f"cell-{number}.xyz"
        atoms = Atoms(frames.symbols.tolist(), positions=frames.positions_A[0], cell=frames.cell_A[0], pbc=True)
        write(path, atoms, format="extxyz")
        return artefacts.register(artefacts.hash_file(path))

    def _training_set(self, loop: int, step: int, new: list[Frame]) -> None:
        """Everything so far, with the medians that cleaning would have looked at."""
        known = Frame.objects.filter(campaign=self.campaign)
        if not known.exists():
            return
        values = np.array(known.values_list("energy_eV_atom", "max_force_eV_A"), dtype=float)
        energy = interval(values[:, 0], 2.0, MIN_HALF_WIDTH_EV_ATOM)
        force = interval(values[:, 1], 10.0, MIN_HALF_WIDTH_EV_A)
        made = TrainingSet.objects.create(
            campaign=self.campaign,
            loop=loop,
            step=step,
            n_new=len(new),
            n_kept=len(values),
            n_rejected=0,
            n_unlabelled=0,
            energy_median_eV_atom=energy.median,
            energy_iqr_eV_atom=energy.iqr,
            force_median_eV_A=force.median,
            force_iqr_eV_A=force.iqr,
        )
        VerdictChange.objects.bulk_create(
            [VerdictChange(frame=frame, training_set=made, verdict=Verdict.KEPT) for frame in new], batch_size=500
        )


def _said(one: dict[str, Any]) -> str:
    """What the models' disagreement was in one exploration."""
    n = one["n_accurate"] + one["n_candidate"] + one["n_failed"]
    if not n:
        return f"{one['task']}: no model deviation that is a number."
    shares = ", ".join(f"{100 * one[f'n_{name}'] / n:.0f} % {name}" for name in ("accurate", "candidate", "failed"))
    unreadable = f" {one['n_unreadable']} frames have none." if one["n_unreadable"] else ""
    return (
        f"{one['task']}: model deviation of the forces of {n} frames: {shares}; mean {one['mean_eV_A']:.3f}, "
        f"largest {one['largest_eV_A']:.3f} eV/Å.{unreadable}"
    )

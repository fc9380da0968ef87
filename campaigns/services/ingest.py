"""From a stage's result to rows. Called once for each finished stage, within the transaction that finishes it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from django.conf import settings
from django.dispatch import Signal

from campaigns.engines.job import read_json
from campaigns.enums import FrameSource, RunPurpose, S0Route, StageKind, Verdict
from campaigns.models import Artefact, Frame, Launch, MdRun, MethodCheck, Stage, TrainedModel, TrainingSet
from campaigns.science.frames import Frames, reduced_composition
from campaigns.services import artefacts, method_checks, protocol
from campaigns.services.artefacts import FileFacts

# Sent with `stage` and `result` in the same transaction: the analysis app keeps what the judge found.
stage_ingested = Signal()

Files = dict[str, Artefact]


def ingest(stage: Stage, result: dict[str, Any], files: dict[str, FileFacts]) -> None:
    registered = {name: artefacts.register(facts) for name, facts in files.items()}
    handler = HANDLERS.get(stage.kind)
    if handler:
        handler(stage, result, registered)
    stage_ingested.send(sender=Stage, stage=stage, result=result, files=registered)


def _prepare(stage: Stage, result: dict[str, Any], files: Files) -> None:
    cell = stage.cell
    for name in (
        "formula",
        "n_atoms",
        "volume_A3",
        "min_distance_A",
        "electrostatic_energy_eV",
        "relaxed_energy_eV",
        "relaxed_fmax_eV_A",
        "provenance",
    ):
        setattr(cell, name, result[name])
    cell.structure = files[result["cell_file"]]
    cell.save()


def _s0(stage: Stage, result: dict[str, Any], files: Files) -> None:
    uploaded = stage.campaign.s0_route == S0Route.UPLOAD
    source = FrameSource.S0_UPLOAD if uploaded else FrameSource.S0_FPMD
    for part, (name, distances_A) in enumerate(zip(result["frames_files"], result["frame_min_distances_A"], strict=True)):
        variations = result["frame_bond_variations"][part] if result["frame_bond_variations"] else [None] * len(distances_A)
        frames = Frames.load(files[name].file)
        force = np.linalg.norm(frames.forces_eV_A, axis=2)
        Frame.objects.bulk_create(
            [
                Frame(
                    campaign_id=stage.campaign_id,
                    stage=stage,
                    cell=stage.cell,
                    artefact=files[name],
                    row=row,
                    source=source,
                    loop=0,
                    step=0,
                    temperature_K=stage.temperature_K,
                    time_ps=None if frames.time_ps is None else float(frames.time_ps[row]),
                    n_atoms=len(frames.symbols),
                    composition=reduced_composition(frames.symbols),
                    energy_eV_atom=float(frames.energy_eV[row]) / len(frames.symbols),
                    max_force_eV_A=float(force[row].max()),
                    rms_force_eV_A=float(np.sqrt(np.mean(frames.forces_eV_A[row] ** 2))),
                    min_distance_A=distances_A[row],
                    max_bond_variation=variations[row],
                    verdict=Verdict.KEPT,
                )
                for row in range(len(frames))
            ],
            batch_size=500,
        )


def _train(stage: Stage, result: dict[str, Any], files: Files) -> None:
    spec = read_json(stage.folder / "spec.json")["spec"]
    TrainedModel.objects.create(
        campaign_id=stage.campaign_id,
        stage=stage,
        loop=stage.loop,
        step=stage.step,
        repeat=stage.repeat,
        frozen=files[result["model_file"]],
        compressed=files.get(result["compressed_model_file"]),
        learning_curve=files[result["learning_curve_file"]],
        input_json=files[result["input_file"]],
        checkpoint=str((stage.folder / result["checkpoint"]).relative_to(settings.DATA_DIR)),
        type_map=spec["type_map"],
        training_set=TrainingSet.objects.filter(campaign=stage.campaign_id).last(),
        **{
            name: result[name]
            for name in ("sel", "batch_size", "seed", "n_frames", "force_rmse_eV_A", "energy_rmse_meV_atom", "attempts", "versions")
        },
    )


def _probe(stage: Stage, result: dict[str, Any], files: Files) -> None:
    Launch.objects.create(model=protocol.current_model(stage.campaign), cell=stage.cell, trials=result["trials"], **result["best"])


def _explore(stage: Stage, result: dict[str, Any], files: Files) -> None:
    timestep_fs = stage.campaign.settings.timestep_fs
    MdRun.objects.create(
        campaign_id=stage.campaign_id,
        stage=stage,
        model=protocol.current_model(stage.campaign),
        cell=stage.cell,
        purpose=RunPurpose.EXPLORE,
        temperature_K=stage.temperature_K,
        outcome=result["outcome"],
        reason=result["reason"],
        mean_temperature_K=result["mean_temperature_K"],
        min_distance_A=result["min_distance_A"],
        duration_ps=result["steps_done"] * timestep_fs / 1000,
        steps_per_s=result["steps_per_s"],
        trajectory=files.get(result["frames_file"]),
    )


def _label(stage: Stage, result: dict[str, Any], files: Files) -> None:
    run = MdRun.objects.get(model=protocol.current_model(stage.campaign), purpose=RunPurpose.EXPLORE, cell=stage.cell)
    snapshots = Frames.load(run.trajectory.file)
    Frame.objects.bulk_create(
        [_labelled_frame(stage, record, snapshots, run.trajectory, files.get(result["frames_file"])) for record in result["records"]],
        batch_size=500,
    )
    keep_test_error(run.model)


def _relabel(stage: Stage, result: dict[str, Any], files: Files) -> None:
    """The configurations get their labels, or a newer reason why there is none; the next cleaning judges them."""
    model = protocol.model_of(stage)
    run = MdRun.objects.select_related("trajectory").get(model=model, purpose=RunPurpose.EXPLORE, cell=stage.cell)
    without = Frame.objects.filter(artefact=run.trajectory, verdict=Verdict.UNLABELLED).select_related("stage__campaign", "cell")
    by_index, snapshots = {frame.row: frame for frame in without}, Frames.load(run.trajectory.file)
    for record in result["records"]:
        if frame := by_index.get(record["index"]):
            new = _labelled_frame(frame.stage, record, snapshots, run.trajectory, files.get(result["frames_file"]))
            new.pk = frame.pk
            new.save()
    keep_test_error(model)


def keep_test_error(model: TrainedModel) -> None:
    """The model's error on everything new of its step, all training cells together; a force component counts the same in each."""
    new = Frame.objects.filter(
        campaign_id=model.campaign_id, loop=model.loop, step=model.step, stage__repeat=model.repeat, stage__kind=StageKind.LABEL
    ).exclude(verdict=Verdict.UNLABELLED)
    rows = np.array(new.values_list("n_atoms", "model_force_rmse_eV_A", "model_energy_error_meV_atom"), dtype=float).reshape(-1, 3)
    n_atoms, force_rmse, energy_error = rows[np.isfinite(rows).all(axis=1)].T
    if len(n_atoms):
        model.new_force_rmse_eV_A = float(np.sqrt(n_atoms @ force_rmse**2 / n_atoms.sum()))
        model.new_energy_rmse_meV_atom = float(np.sqrt(np.mean(energy_error**2)))
        model.save(update_fields=["new_force_rmse_eV_A", "new_energy_rmse_meV_atom"])


def _labelled_frame(stage: Stage, record: dict[str, Any], snapshots: Frames, unlabelled: Artefact, labelled: Artefact | None) -> Frame:
    done, index, n_atoms = record["state"] == "done", record["index"], len(snapshots.symbols)
    return Frame(
        campaign_id=stage.campaign_id,
        stage=stage,
        cell=stage.cell,
        artefact=labelled if done else unlabelled,
        row=record["row"] if done else index,
        source=FrameSource.EXPLORE,
        loop=stage.loop,
        step=stage.step,
        temperature_K=stage.temperature_K,
        time_ps=None if snapshots.time_ps is None else float(snapshots.time_ps[index]),
        n_atoms=n_atoms,
        composition=reduced_composition(snapshots.symbols),
        energy_eV_atom=record["energy_eV"] / n_atoms if done else None,
        label_seconds=record["seconds"],
        label_attempts=record["attempts"],
        label_found=record.get("found", False),
        **{
            name: record[name]
            for name in (
                "max_force_eV_A",
                "rms_force_eV_A",
                "min_distance_A",
                "max_bond_variation",
                "model_energy_error_meV_atom",
                "model_force_rmse_eV_A",
                "message",
                "cause",
            )
        },
        verdict=Verdict.KEPT if done else Verdict.UNLABELLED,
    )


def _evaluate(stage: Stage, result: dict[str, Any], files: Files) -> None:
    MdRun.objects.create(
        campaign_id=stage.campaign_id,
        stage=stage,
        model=protocol.current_model(stage.campaign),
        cell=stage.cell,
        purpose=RunPurpose.EVALUATE,
        temperature_K=stage.temperature_K,
        replica=stage.replica,
        outcome=result["outcome"],
        reason=result["reason"],
        mean_temperature_K=result["mean_kinetic_temperature_K"],
        mean_temperature_error_K=result["kinetic_temperature_error_K"],
        energy_drift_meV_atom_ns=result["energy_drift_meV_atom_ns"],
        min_distance_A=result["min_distance_A"],
        duration_ps=result["completed_ps"],
        steps_per_s=result["steps_per_s"],
        trajectory=files.get(result["trajectory_file"]),
        thermo=files.get(result["thermo_file"]),
    )


def _judge(stage: Stage, result: dict[str, Any], files: Files) -> None:
    """A stationary D without a line through it has not answered the campaign's question: the loops go on."""
    model = protocol.current_model(stage.campaign)
    decision, reason = result["stationarity"]["decision"], result["stationarity"]["reason"]
    if decision == "stationary" and result["arrhenius"]["activation_energy_eV"] is None:
        decision, reason = "undecided", f"{reason} But there is no activation energy: {result['arrhenius']['reason']}"
    model.convergence, model.convergence_reason = decision, reason
    model.save(update_fields=["convergence", "convergence_reason"])


def _check(stage: Stage, result: dict[str, Any], files: Files) -> None:
    MethodCheck.objects.create(
        campaign_id=stage.campaign_id,
        stage=stage,
        method_key=method_checks.key_of(stage.campaign.labeller, read_json(stage.folder / "spec.json")["spec"]["labeller"]["options"]),
        cores=stage.cores,
        **{name: result[name] for name in ("formula", "n_atoms", "seconds", "verdict", "sentence", "rms_force_eV_A", "variants")},
    )


HANDLERS: dict[str, Callable[[Stage, dict[str, Any], Files], None]] = {
    StageKind.PREPARE: _prepare,
    StageKind.S0: _s0,
    StageKind.TRAIN: _train,
    StageKind.PROBE: _probe,
    StageKind.EXPLORE: _explore,
    StageKind.LABEL: _label,
    StageKind.EVALUATE: _evaluate,
    StageKind.JUDGE: _judge,
    StageKind.CHECK: _check,
    StageKind.RELABEL: _relabel,
}

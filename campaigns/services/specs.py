"""From rows to a stage's spec: what its engine needs, and nothing that it would have to ask the database for."""

from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.db.models import Exists, Max, OuterRef

from campaigns.engines import check_specs, judge_specs, specs
from campaigns.engines.backends import BACKENDS, DEFAULT, Backend
from campaigns.engines.job import read_json
from campaigns.enums import RunOutcome, RunPurpose, S0Route, StageKind, StageState, Verdict
from campaigns.models import Artefact, Campaign, Cell, Frame, Launch, MdRun, Stage, TrainedModel
from campaigns.services import label_store, protocol, resources

ATTEMPT_SEEDS = 500_009  # from the seeds of one attempt to those of the next


def build(stage: Stage) -> Any:
    return BUILDERS[stage.kind](stage)


def seed_of(stage: Stage) -> int:
    """A seed of its own for every stage, the same whenever the campaign is run again; another where a new attempt is made."""
    return (
        1
        + (
            stage.campaign.seed * 1_000_003
            + stage.loop * 10_007
            + stage.step * 1_009
            + stage.repeat * 211
            + stage.index * 31
            + list(StageKind.values).index(stage.kind)
            + (stage.attempt - 1) * ATTEMPT_SEEDS
        )
        % 899_999_963
    )


def labeller_of(campaign: Campaign) -> specs.LabellerSpec:
    return specs.LabellerSpec(campaign.labeller, campaign.labeller_options, known_labels=str(label_store.folder()))


def type_map_of(campaign: Campaign) -> list[str]:
    """Elements of all cells of the campaign, in one order for every model, data file and pair_coeff."""
    symbols = {symbol for cell in campaign.cells.all() for symbol in cell.provenance.get("elements", [])}
    return sorted(symbols)


def _framework(campaign: Campaign) -> list[str]:
    return [symbol for symbol in type_map_of(campaign) if symbol != campaign.mobile_ion]


def _cell_file(cell: Cell) -> str:
    return str(cell.structure.file)


def _prepare(stage: Stage) -> specs.PrepareSpec:
    return _cell_to_prepare(stage, stage.cell)


def _cell_to_prepare(stage: Stage, cell: Cell) -> specs.PrepareSpec:
    chosen = stage.campaign.settings
    cif = stage.folder / "structure.cif"
    cif.parent.mkdir(parents=True, exist_ok=True)
    cif.write_text(cell.material.cif)
    return specs.PrepareSpec(
        cif_file=str(cif),
        supercell=cell.supercell,
        mobile_ion=stage.campaign.mobile_ion,
        labeller=labeller_of(stage.campaign),
        # The same for every cell, so that their orderings are counted alike; another where an attempt came to nothing.
        seed=stage.campaign.seed + (stage.attempt - 1) * ATTEMPT_SEEDS,
        candidate=cell.candidate,
        n_candidates=1 + stage.campaign.cells.filter(material=cell.material).aggregate(last=Max("candidate"))["last"],
        oxidation_states=cell.oxidation_states,
        relax=chosen.relax_cells,
        relax_fmax_eV_A=chosen.relax_fmax_eV_A,
        relax_max_steps=chosen.relax_max_steps,
        min_distance_A=chosen.min_distance_A,
        cores=stage.cores,
    )


def _s0(stage: Stage) -> specs.S0Spec:
    campaign, chosen = stage.campaign, stage.campaign.settings
    if campaign.s0_route == S0Route.UPLOAD:
        return specs.S0Spec(
            route="upload",
            labeller=labeller_of(campaign),
            upload_path=str(settings.DATA_DIR / campaign.s0_upload),
            upload_format=campaign.s0_upload_format,
            elements=type_map_of(campaign),
            check_frames=chosen.s0_check_frames,
            check_force_rmse_eV_A=chosen.s0_check_force_rmse_eV_A,
            check_energy_meV_atom=chosen.s0_check_energy_meV_atom,
            check_virial_meV_atom=chosen.s0_check_virial_meV_atom,
            cores=stage.cores,
        )
    return specs.S0Spec(
        route="fpmd",
        labeller=labeller_of(campaign),
        cell_file=_cell_file(stage.cell),
        temperature_K=stage.temperature_K,
        timestep_fs=chosen.s0_timestep_fs,
        equilibration_steps=round(chosen.s0_equilibration_ps * 1000 / chosen.s0_timestep_fs),
        n_frames=chosen.s0_frames_per_temperature,
        sample_every_steps=max(1, round(chosen.s0_sample_interval_fs / chosen.s0_timestep_fs)),
        seed=seed_of(stage),
        elements=type_map_of(campaign),
        framework_elements=_framework(campaign),
        # At rest in a minimum: half of the kinetic energy goes into the springs.
        initial_temperature_K=2 * stage.temperature_K if chosen.relax_cells else None,
        thermostat_damping_fs=chosen.thermostat_damping_fs,
        min_distance_A=chosen.min_distance_A,
        cores=stage.cores,
    )


def _train(stage: Stage) -> specs.TrainSpec:
    campaign, chosen = stage.campaign, stage.campaign.settings
    backend = resources.get(stage.resource).profile.backend if stage.resource else BACKENDS[DEFAULT]
    # A repeated step starts from scratch, so that it finds another minimum.
    before = None if stage.repeat or not chosen.warm_start else _model_before(stage, backend)
    descriptor = specs.DescriptorSpec(
        cutoff_A=chosen.cutoff_A,
        cutoff_smooth_A=chosen.cutoff_smooth_A,
        embedding_net=list(chosen.embedding_net),
        axis_neurons=chosen.axis_neurons,
        fitting_net=list(chosen.fitting_net),
        precision=chosen.precision,
        sel=before.sel if before else None,
    )
    return specs.TrainSpec(
        frames=kept_frames(campaign),
        type_map=type_map_of(campaign),
        descriptor=descriptor,
        n_batches=chosen.n_batches_step if before else chosen.n_batches_first,
        batch_size=_batch_size(stage),
        learning_rate_start=chosen.learning_rate_start,
        learning_rate_stop=chosen.learning_rate_stop,
        seed=seed_of(stage),
        max_force_rms_ratio=chosen.max_force_rms_ratio,
        max_repeats=chosen.max_training_repeats,
        init_checkpoint=str(settings.DATA_DIR / before.checkpoint) if before else None,
        compress=chosen.compress_model,
        cores=stage.cores,
        backend=backend.name,
        n_batches_from_scratch=chosen.n_batches_first,
    )


def _batch_size(stage: Stage) -> int:
    """A repetition has twice the batch of the model that was rejected, which the loss condition may have enlarged already."""
    rejected = TrainedModel.objects.filter(campaign=stage.campaign_id, loop=stage.loop, step=stage.step, repeat__lt=stage.repeat)
    last = rejected.order_by("repeat").last()
    return stage.campaign.settings.batch_size if last is None else 2 * last.batch_size


def _model_before(stage: Stage, backend: Backend) -> TrainedModel | None:
    """The last model whose exploration was accepted: one that let atoms collide is no minimum to start from. One of another backend, of a
    resource that an administrator has defined anew, cannot be read.
    """
    rejected = MdRun.objects.filter(model=OuterRef("pk"), purpose=RunPurpose.EXPLORE).exclude(outcome=RunOutcome.COMPLETED)
    models = TrainedModel.objects.filter(~Exists(rejected), campaign_id=stage.campaign_id)
    last = models.select_related("frozen").order_by("-loop", "-step", "-repeat").first()
    return last if last and last.backend is backend else None


def kept_frames(campaign: Campaign) -> list[specs.FrameSelection]:
    """The last training set as cleaning made it, by frames file, in the order of the stages whatever order they ended in.

    A verdict that was overruled since enters with the next set. A campaign that an earlier release began has no history of its first
    verdicts: there it is every kept configuration.
    """
    last, kept = campaign.training_sets.last(), Frame.objects.filter(campaign=campaign, verdict=Verdict.KEPT)
    if last is not None and (members := last.members()).count() == last.n_kept:
        kept = members
    rows = kept.order_by("stage_id", "artefact_id", "row").values_list("artefact_id", "row")
    indices: dict[int, list[int]] = {}
    for artefact_id, row in rows:
        indices.setdefault(artefact_id, []).append(row)
    files = Artefact.objects.in_bulk(indices)
    return [specs.FrameSelection(str(files[artefact_id].file), chosen) for artefact_id, chosen in indices.items()]


def _probe(stage: Stage) -> specs.ProbeSpec:
    model = protocol.current_model(stage.campaign)
    return specs.ProbeSpec(
        model_file=str(model.frozen.file),
        compressed_model_file=str(model.compressed.file) if model.compressed else None,
        cell_file=_cell_file(stage.cell),
        type_map=model.type_map,
        timestep_fs=stage.campaign.settings.timestep_fs,
        cores=stage.cores,
        shares=[protocol.evaluation_cores(stage.campaign)],
    )


def launch_of(model: TrainedModel, cell: Cell, cores: int) -> specs.LaunchChoice:
    """The fastest combination that the probe found within `cores`."""
    launch = Launch.objects.get(model=model, cell=cell)
    fitting = [
        trial
        for trial in launch.trials
        if trial["choice"]["ranks"] * trial["choice"]["threads"] <= cores and (model.compressed_id or not trial["choice"]["compressed"])
    ]
    if not fitting:
        return specs.LaunchChoice(1, 1, False)
    return specs.LaunchChoice(**max(fitting, key=lambda trial: trial["steps_per_s"])["choice"])


def _model_file(model: TrainedModel, launch: specs.LaunchChoice) -> str:
    return str(model.compressed.file if launch.compressed else model.frozen.file)


def _explore(stage: Stage) -> specs.ExploreSpec:
    model, chosen = protocol.current_model(stage.campaign), stage.campaign.settings
    launch = launch_of(model, stage.cell, stage.cores)
    return specs.ExploreSpec(
        model_file=_model_file(model, launch),
        cell_file=_cell_file(stage.cell),
        type_map=model.type_map,
        temperature_K=stage.temperature_K,
        timestep_fs=chosen.timestep_fs,
        equilibration_steps=round(chosen.explore_equilibration_ps * 1000 / chosen.timestep_fs),
        n_snapshots=chosen.snapshots_per_step,
        snapshot_every_steps=max(1, round(chosen.snapshot_interval_ps * 1000 / chosen.timestep_fs)),
        thermostat_damping_fs=chosen.thermostat_damping_fs,
        min_distance_A=chosen.min_distance_A,
        launch=launch,
        seed=seed_of(stage),
    )


def _label(stage: Stage) -> specs.LabelSpec:
    return label_spec(stage, protocol.current_model(stage.campaign))


def label_spec(stage: Stage, model: TrainedModel) -> specs.LabelSpec:
    """Every snapshot of the model's exploration of the stage's cell."""
    run = MdRun.objects.select_related("stage").get(model=model, purpose=RunPurpose.EXPLORE, cell=stage.cell)
    result = read_json(run.stage.folder / "result.json")
    return specs.LabelSpec(
        snapshots=specs.FrameSelection(str(run.stage.folder / result["frames_file"]), list(range(result["n_snapshots"]))),
        labeller=labeller_of(stage.campaign),
        cell_file=_cell_file(stage.cell),
        framework_elements=_framework(stage.campaign),
        min_distance_A=stage.campaign.settings.min_distance_A,
        min_labelled_share=stage.campaign.settings.min_labelled_share,
        cores=stage.cores,
    )


def _evaluate(stage: Stage) -> specs.EvaluateSpec:
    model, chosen = protocol.current_model(stage.campaign), stage.campaign.settings
    launch = launch_of(model, stage.cell, stage.cores)
    return specs.EvaluateSpec(
        model_file=_model_file(model, launch),
        cell_file=_cell_file(stage.cell),
        type_map=model.type_map,
        temperature_K=stage.temperature_K,
        timestep_fs=chosen.timestep_fs,
        equilibration_steps=round(chosen.evaluation_equilibration_ps * 1000 / chosen.timestep_fs),
        n_steps=round(chosen.evaluation_duration_ps * 1000 / chosen.timestep_fs),
        dump_every_steps=max(1, round(chosen.evaluation_frame_interval_fs / chosen.timestep_fs)),
        thermostat_damping_fs=chosen.thermostat_damping_fs,
        min_distance_A=chosen.min_distance_A,
        launch=launch,
        seed=seed_of(stage),
    )


def _judge(stage: Stage) -> judge_specs.JudgeSpec:
    campaign = stage.campaign
    model = protocol.current_model(campaign)
    runs = (
        MdRun.objects.filter(model=model, purpose=RunPurpose.EVALUATE)
        .select_related("stage__campaign", "cell__material")
        .order_by("cell_id", "stage_id")
    )
    return judge_specs.JudgeSpec(
        runs=[
            judge_specs.JudgedRun(
                run.number, str(run.stage.folder), run.temperature_K, _evaluate_result(run.stage), run.cell_id, str(run.cell)
            )
            for run in runs
        ],
        mobile_ion=campaign.mobile_ion,
        mobile_ion_charge=campaign.mobile_ion_charge,
        loop=stage.loop,
        step=stage.step,
        earlier=_earlier(_judged_before(stage)),
        stationary_spread_dex=campaign.settings.stationary_spread_dex,
        energy_drift_limit_meV_atom_ns=campaign.settings.energy_drift_limit_meV_atom_ns,
        temperature_limit_percent=campaign.settings.temperature_limit_percent,
        hop_length_A=campaign.settings.hop_length_A,
    )


def _check(stage: Stage) -> check_specs.CheckSpec:
    """The first training cell: as it was relaxed, where it has been, else as it will be ordered."""
    cell = stage.campaign.cells.filter(for_training=True).select_related("material", "structure").order_by("id").first()
    return check_specs.CheckSpec(
        cell=_cell_to_prepare(stage, cell),
        cell_file=_cell_file(cell) if cell.structure else None,
        # Asked anew, for what it costs is the question.
        labeller=specs.LabellerSpec(stage.campaign.labeller, stage.campaign.labeller_options),
        seed=seed_of(stage),
        cores=stage.cores,
    )


def _evaluate_result(stage: Stage) -> specs.EvaluateResult:
    return specs.EvaluateResult(**read_json(stage.folder / "result.json"))


def _judged_before(stage: Stage) -> list[Stage]:
    """The last judgement of each earlier step of the loop, if its model's exploration was accepted: D of one that let atoms collide
    says nothing. What a repetition has replaced was rejected too.
    """
    explored = MdRun.objects.filter(model__campaign=stage.campaign_id, model__loop=stage.loop, purpose=RunPurpose.EXPLORE)
    rejected = set(explored.exclude(outcome=RunOutcome.COMPLETED).values_list("model__step", "model__repeat"))
    done = stage.campaign.stages.filter(kind=StageKind.JUDGE, loop=stage.loop, step__lt=stage.step, state=StageState.DONE)
    last = {one.step: one for one in done.order_by("step", "repeat")}
    return [one for one in last.values() if (one.step, one.repeat) not in rejected]


def _earlier(stages: Iterable[Stage]) -> list[judge_specs.EarlierModel]:
    results = [(stage, read_json(stage.folder / "result.json")) for stage in stages]
    return [judge_specs.EarlierModel(stage.loop, stage.step, result["runs"], result["arrhenius"]) for stage, result in results]


BUILDERS: dict[str, Callable[[Stage], Any]] = {
    StageKind.PREPARE: _prepare,
    StageKind.S0: _s0,
    StageKind.TRAIN: _train,
    StageKind.PROBE: _probe,
    StageKind.EXPLORE: _explore,
    StageKind.LABEL: _label,
    StageKind.EVALUATE: _evaluate,
    StageKind.JUDGE: _judge,
    StageKind.CHECK: _check,
}

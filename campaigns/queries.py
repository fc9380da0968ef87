"""Reads for pages and the command line: where a campaign stands, how long it will take, what it has cost."""

from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Count, Q, Sum
from django.utils import timezone
from numpy.typing import NDArray

from campaigns.engines import job
from campaigns.engines.runners import cluster
from campaigns.enums import ASIDE, CampaignState, JobState, S0Route, StageKind, StageState
from campaigns.models import Campaign, Stage, StageFailure, TrainedModel, TrainingSet


@dataclass(frozen=True)
class StageProgress:
    """What the engine last said. `fraction` is between 0 and 1; `eta_seconds` None where it cannot be known yet."""

    done: float
    total: float
    unit: str
    message: str
    fraction: float
    eta_seconds: float | None


@dataclass(frozen=True)
class CampaignProgress:
    """`fraction` and `eta_seconds` are those of loop number `loop`, of which the first includes cells and S0."""

    loop: int
    fraction: float
    eta_seconds: float | None
    stages: list[Stage]
    summary: str


@dataclass(frozen=True)
class LedgerRow:
    kind: str
    n_stages: int
    labels: int
    labels_found: int
    seconds: float
    startup_seconds: float
    failures: dict[str, int]


@dataclass(frozen=True)
class RampStep:
    loop: int
    step: int
    temperature_K: float | None
    state: str
    model: TrainedModel | None
    training_set: TrainingSet | None
    is_evaluated: bool


def stage_progress(stage: Stage) -> StageProgress:
    if stage.state == StageState.DONE:
        return StageProgress(1, 1, "", "done", 1.0, 0.0)
    record = job.read_json(stage.folder / "progress.json")
    if stage.job_state not in (JobState.NONE, JobState.RUNNING):
        fraction = min(1.0, record["done"] / record["total"]) if record and record["total"] else 0.0
        return StageProgress(0, 1, "", job_in_words(stage), fraction, None)
    if not record:
        return StageProgress(0, 1, "", "starting" if stage.state == StageState.RUNNING else "", 0.0, None)
    fraction = min(1.0, record["done"] / record["total"]) if record["total"] else 0.0
    elapsed = record["updated_at"] - record["started_at"]
    own = fraction - record.get("done_before", 0) / record["total"] if record["total"] else 0.0
    eta = elapsed * (1 - fraction) / own if own > 0.02 and elapsed > 1 else None
    return StageProgress(record["done"], record["total"], record["unit"], record["message"], fraction, eta)


def job_in_words(stage: Stage) -> str:
    """How the job of a stage stands on its cluster, and why nothing is known where that is so."""
    found = cluster.read(stage.folder)
    detail = f": {found.detail}" if found.detail else ""
    number = f"job {found.job_id}" if found.job_id else "its job"
    return {
        JobState.SUBMITTING: f"being submitted to {stage.resource}{detail}",
        JobState.QUEUED: f"queued on {stage.resource} as {number}",
        JobState.RUNNING: f"running on {stage.resource} as {number}",
        JobState.UNKNOWN: f"{stage.resource} gives no answer, so how {number} stands is not known{detail}",
    }[JobState(stage.job_state)]


def stages_with_jobs() -> list[tuple[Stage, cluster.Job]]:
    """Every stage that has a job on a cluster now, whoever it belongs to."""
    stages = Stage.objects.exclude(job_state=JobState.NONE).select_related("campaign").order_by("resource", "id")
    return [(stage, cluster.read(stage.folder)) for stage in stages]


def stage_log_tail(stage: Stage, lines: int = job.LOG_TAIL_LINES) -> str:
    return job.log_tail(stage.folder, lines)


def campaign_progress(campaign: Campaign) -> CampaignProgress:
    """How much of the loop under way is done, weighed with the seconds that stages of each kind took so far."""
    stages = campaign.stages.exclude(state=StageState.CANCELLED).exclude(kind__in=ASIDE)
    rows = list(stages.values_list("kind", "state", "seconds", "loop"))
    unfinished = list(stages.exclude(state=StageState.DONE).select_related("campaign", "cell__material"))
    seconds, loop = _wall_seconds(rows), max(campaign.loop, 1)
    done_s = total_s = 0.0
    for kind, planned in _planned_stages(campaign, loop).items():
        states = [state for of_kind, state, _, of_loop in rows if of_kind == kind and max(of_loop, 1) == loop]
        begun = sum(stage_progress(stage).fraction for stage in unfinished if stage.kind == kind)  # one that waits keeps what it has done
        total_s += max(planned, len(states)) * seconds[kind]
        done_s += (states.count(StageState.DONE) + begun) * seconds[kind]
    is_complete = campaign.state in (CampaignState.CONVERGED, CampaignState.NOT_CONVERGED)
    fraction = 1.0 if is_complete else min(done_s / total_s, 0.999)
    known = any(state == StageState.DONE for _, state, *_ in rows)
    left = total_s - done_s if known and not campaign.has_ended else None
    running = [stage for stage in unfinished if stage.state == StageState.RUNNING]
    return CampaignProgress(loop, fraction, left, running, _summary(campaign, running))


def _planned_stages(campaign: Campaign, loop: int) -> dict[str, int]:
    """Stages of each kind in a loop; cells, S0 and probes come before or in the first."""
    chosen, n_cells = campaign.settings, campaign.cells.count()
    training = campaign.cells.filter(for_training=True).count()
    evaluation = campaign.cells.filter(for_evaluation=True).count()
    steps = len(chosen.ramp_temperatures_K)
    evaluated = min(chosen.evaluated_steps_per_loop, steps)
    planned = {
        StageKind.TRAIN: steps,
        StageKind.EXPLORE: steps * training,
        StageKind.LABEL: steps * training,
        StageKind.EVALUATE: evaluated * evaluation * len(chosen.evaluation_temperatures_K) * chosen.evaluation_replicas,
        StageKind.JUDGE: evaluated,
    }
    if loop > 1:
        return planned
    n_s0 = training * len(chosen.s0_temperatures_K) if campaign.s0_route == S0Route.FPMD else 1
    return planned | {StageKind.PREPARE: n_cells, StageKind.S0: n_s0, StageKind.PROBE: n_cells}


# Seconds of a stage of the quick preset on the reference machine (2 cores, LGPS with 50 atoms), until this campaign has measured its own.
REFERENCE_STAGE_S = {
    StageKind.PREPARE: 18.0, StageKind.S0: 50.0, StageKind.TRAIN: 85.0, StageKind.PROBE: 30.0, StageKind.EXPLORE: 15.0,
    StageKind.LABEL: 9.0, StageKind.EVALUATE: 65.0, StageKind.JUDGE: 3.0,
}  # fmt: skip
ONE_CORE_KINDS = (StageKind.S0, StageKind.EVALUATE)  # these run side by side


def _wall_seconds(rows: list[tuple[str, str, float, int]]) -> dict[str, float]:
    """Wall time that a stage of each kind adds to the campaign: measured where one is done, else the reference at this machine's speed.

    rows are kind, state, seconds and loop of every stage.
    """
    measured: dict[str, list[float]] = {}
    for kind, state, seconds, _ in rows:
        if state == StageState.DONE:
            measured.setdefault(kind, []).append(max(seconds, 0.1))
    typical = {kind: median(found) for kind, found in measured.items()}
    pace = median(seconds / REFERENCE_STAGE_S[StageKind(kind)] for kind, seconds in typical.items()) if typical else 1.0
    seconds = {kind: typical.get(kind, pace * reference_s) for kind, reference_s in REFERENCE_STAGE_S.items()}
    return {kind: found / settings.ENGINE_CORES if kind in ONE_CORE_KINDS else found for kind, found in seconds.items()}


def _summary(campaign: Campaign, running: list[Stage]) -> str:
    if not running:
        return campaign.get_state_display()
    first = running[0]
    where = f"loop {first.loop}, step {first.step}: " if first.loop else ""
    temperature = f" at {first.temperature_K:g} K" if first.temperature_K else ""
    others = f" and {len(running) - 1} more" if len(running) > 1 else ""
    return f"{where}{first.get_kind_display()}{temperature}{others}"


def cost_ledger(campaign: Campaign) -> list[LedgerRow]:
    totals = campaign.stages.values("kind").annotate(
        n=Count("id", filter=Q(state=StageState.DONE)), labels=Sum("labels_computed"), found=Sum("labels_found"),
        wall=Sum("seconds"), startup=Sum("startup_seconds"),
    )  # fmt: skip
    failures = StageFailure.objects.filter(stage__campaign=campaign).values("stage__kind", "cause").annotate(n=Count("id")).order_by()
    causes: dict[str, dict[str, int]] = {}
    for row in failures:
        causes.setdefault(row["stage__kind"], {})[row["cause"]] = row["n"]
    rows = {row["kind"]: row for row in totals}
    return [
        LedgerRow(label, *(rows[kind][name] for name in ("n", "labels", "found", "wall", "startup")), causes.get(kind, {}))
        for kind, label in StageKind.choices
        if kind in rows
    ]


def wall_time(campaign: Campaign) -> tuple[float, float]:
    """Seconds from the campaign's start to its end or to now, and for how many of them at least one engine worked.

    The rest is ours: queue, database, web. Pauses count as ours too.
    """
    if campaign.started_at is None:
        return 0.0, 0.0
    total = ((campaign.finished_at or timezone.now()) - campaign.started_at).total_seconds()
    done = campaign.stages.filter(started_at__isnull=False, seconds__gt=0).order_by("started_at").values_list("started_at", "seconds")
    busy = reached = 0.0
    for started_at, seconds in done:
        begin = (started_at - campaign.started_at).total_seconds()
        busy += max(0.0, begin + seconds - max(begin, reached))
        reached = max(reached, begin + seconds)
    return total, min(busy, total)


def ramp(campaign: Campaign) -> list[RampStep]:
    """Every training step that has begun, and the ones still to come in the loop under way."""
    temperatures = campaign.settings.ramp_temperatures_K
    first_evaluated = len(temperatures) - campaign.settings.evaluated_steps_per_loop
    if campaign.state == CampaignState.IMPORTED:  # of another program, which has no ramp: what each step explored at
        explored = dict(campaign.stages.filter(kind=StageKind.EXPLORE, loop=1).order_by("-id").values_list("step", "temperature_K"))
        temperatures = [explored.get(step) for step in range(1, campaign.step + 1)]
        first_evaluated = len(temperatures)
    models = {(model.loop, model.step): model for model in campaign.trained_models.order_by("repeat").select_related("arrhenius")}
    sets = {(found.loop, found.step): found for found in campaign.training_sets.all()}
    states: dict[tuple[int, int], set[str]] = {}
    for loop, step, state in campaign.stages.filter(loop__gt=0).exclude(kind__in=ASIDE).values_list("loop", "step", "state").distinct():
        states.setdefault((loop, step), set()).add(state)
    return [
        RampStep(
            loop,
            step,
            temperature_K,
            _step_state(states.get((loop, step), set()), campaign, loop, step),
            models.get((loop, step)),
            sets.get((loop, step)),
            step > first_evaluated,
        )
        for loop in range(1, max(campaign.loop, 1) + 1)
        for step, temperature_K in enumerate(temperatures, start=1)
    ]


def _step_state(states: set[str], campaign: Campaign, loop: int, step: int) -> str:
    if not states:
        return "to come"
    for state in (StageState.FAILED, StageState.RUNNING, StageState.PENDING, StageState.CANCELLED):
        if state in states:
            return state.value
    return "done" if (loop, step) != (campaign.loop, campaign.step) or campaign.has_ended else StageState.RUNNING.value


def learning_curve(model: TrainedModel) -> dict[str, NDArray[np.floating]]:
    """Columns of lcurve.out by the names in its header."""
    table = np.genfromtxt(model.learning_curve.file, names=True)
    return {name: np.atleast_1d(table[name]) for name in table.dtype.names}


def result(campaign: Campaign) -> dict[str, Any]:
    """What a campaign found, for programs: D(T) and Ea of its last judged model, the verdicts, the cost."""
    model = campaign.trained_models.exclude(convergence="").order_by("-loop", "-step").first()
    wall_s, in_engines_s = wall_time(campaign)
    document = {
        "id": campaign.pk,
        "name": campaign.name,
        "state": campaign.state,
        "reason": campaign.reason,
        "mobile_ion": campaign.mobile_ion,
        "labeller": campaign.labeller,
        "preset": campaign.preset,
        "labels_computed": campaign.stages.aggregate(total=Sum("labels_computed"))["total"] or 0,
        "labels_found": campaign.stages.aggregate(total=Sum("labels_found"))["total"] or 0,
        "seconds_by_stage_kind": {row.kind: round(row.seconds, 1) for row in cost_ledger(campaign)},
        "wall_seconds": round(wall_s, 1),
        "wall_seconds_in_engines": round(in_engines_s, 1),
        "activation_energy_eV": None,
        "activation_energy_error_eV": None,
        "models": [],
        "runs": [],
    }
    if model is None or not hasattr(model, "arrhenius"):
        return document
    fit = model.arrhenius
    return document | {
        "loop": model.loop,
        "step": model.step,
        "convergence": model.convergence,
        "convergence_reason": model.convergence_reason,
        "activation_energy_eV": fit.activation_energy_eV,
        "activation_energy_error_eV": fit.activation_energy_error_eV,
        "log10_prefactor_cm2_s": fit.log10_prefactor_cm2_s,
        "n_points": fit.n_points,
        "fit_note": fit.reason,
        "fit": fit.details,
        "models": _energies_of_loop(campaign, model.loop),
        "runs": [
            _run_row(run)
            for run in model.md_runs.filter(purpose="evaluate")
            .select_related("diffusion", "cell__material")
            .order_by("cell_id", "temperature_K", "replica")
        ],
    }


def _energies_of_loop(campaign: Campaign, loop: int) -> list[dict[str, Any]]:
    """Ea of every judged model of a loop: how far models differ, which the error of one fit does not hold."""
    judged = campaign.trained_models.filter(loop=loop, arrhenius__isnull=False).order_by("step", "repeat")
    columns = ("step", "arrhenius__activation_energy_eV", "arrhenius__activation_energy_error_eV")
    names = ("step", "activation_energy_eV", "activation_energy_error_eV")
    return [dict(zip(names, values, strict=True)) for values in judged.values_list(*columns)]


def _run_row(run: Any) -> dict[str, Any]:
    found = run.diffusion
    return {
        "cell": str(run.cell),
        "temperature_K": run.temperature_K,
        "kinetic_temperature_K": found.kinetic_temperature_K,
        "duration_ps": run.duration_ps,
        "diffusivity_cm2_s": found.diffusivity_cm2_s,
        "diffusivity_error_cm2_s": found.diffusivity_error_cm2_s,
        "verdict": found.verdict,
        "reason": found.reason,
    }

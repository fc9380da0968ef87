"""Reads for pages and the command line: the ramp of a campaign, what it has found, what it has cost."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Count, Q, Sum
from django.utils import timezone
from numpy.typing import NDArray

from campaigns.engines import job
from campaigns.engines.runners import cluster
from campaigns.enums import ASIDE, CampaignState, JobState, RunPurpose, StageKind, StageState
from campaigns.models import Campaign, MdRun, Stage, StageFailure, TrainedModel, TrainingSet
from campaigns.science.decorrelation import in_words

TABLE_LINES = 400  # of LAMMPS, above which the names of its columns may stand


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
    is_evaluated: bool  # in the end: dynamics with its model give D(T)


def stages_with_jobs() -> list[tuple[Stage, cluster.Job]]:
    """Every stage that has a job on a cluster now, whoever it belongs to."""
    stages = Stage.objects.exclude(job_state=JobState.NONE).select_related("campaign").order_by("resource", "id")
    return [(stage, cluster.read(stage.folder)) for stage in stages]


def stage_log_tail(stage: Stage, lines: int = job.LOG_TAIL_LINES) -> str:
    """With the names of the columns where these are the numbers of a table that began before."""
    known = job.log_tail(stage.folder, TABLE_LINES).splitlines()
    shown = known[-lines:]
    header = next((line for line in reversed(known[:-lines]) if line.split()[:1] == ["Step"]), "")
    is_headless = header and shown[0].split()[:1] and shown[0].split()[0].isdigit() and len(shown[0].split()) == len(header.split())
    return "\n".join([header, *shown] if is_headless else shown)


def sampling_of(stage: Stage) -> str:
    """Of finished dynamics for S0: whether their configurations are as good as independent."""
    if stage.kind != StageKind.S0 or stage.state != StageState.DONE:
        return ""
    result, spec = (job.read_json(stage.folder / name) or {} for name in ("result.json", "spec.json"))
    if not result.get("samples_each"):  # an uploaded set, too few configurations, or an earlier release
        return ""
    dynamics = spec["spec"]
    return in_words(result["n_frames"][0], result["samples_each"], dynamics["sample_every_steps"] * dynamics["timestep_fs"])


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


def last_judged_runs(campaign: Campaign) -> list[MdRun]:
    """The evaluation runs of the last model that was judged, each with its `diffusion`, by temperature: D(T) so far."""
    model = campaign.trained_models.filter(arrhenius__isnull=False).order_by("-loop", "-step", "-repeat").first()
    runs = MdRun.objects.filter(model=model, purpose=RunPurpose.EVALUATE, diffusion__isnull=False)
    found = runs.select_related("model", "diffusion", "cell__material").defer("cell__material__cif", "cell__material__facts")
    return list(found.order_by("cell_id", "temperature_K", "replica"))


def learning_curve(model: TrainedModel) -> dict[str, NDArray[np.floating]]:
    """Columns of lcurve.out by the names in its header."""
    table = np.genfromtxt(model.learning_curve.file, names=True)
    return {name: np.atleast_1d(table[name]) for name in table.dtype.names}


def result(campaign: Campaign) -> dict[str, Any]:
    """What a campaign found, for programs: D(T) and Ea of its last judged model, the verdicts, the cost."""
    model = campaign.trained_models.exclude(convergence="").order_by("-loop", "-step", "-repeat").first()
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
    """Ea of the judged models of a loop: how far models differ, which the error of one fit does not hold. Of a repeated step the last."""
    judged = campaign.trained_models.filter(loop=loop, arrhenius__isnull=False).order_by("step", "repeat")
    columns = ("step", "arrhenius__activation_energy_eV", "arrhenius__activation_energy_error_eV")
    names = ("step", "activation_energy_eV", "activation_energy_error_eV")
    last = {values[0]: values for values in judged.values_list(*columns)}
    return [dict(zip(names, values, strict=True)) for values in last.values()]


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

"""How far stages and campaigns are, and how long they will take.

The share that is done is counted in the plan's own measure (`science/plan.py`), which measurements do not change: it does not fall.
The time left comes from what this campaign has measured: stages of the same kind that are done or under way, in proportion to their
work, so that cells of another size count for what they are.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from campaigns.engines import job
from campaigns.engines.runners import cluster
from campaigns.enums import ASIDE, CampaignState, JobState, S0Route, StageKind, StageState
from campaigns.models import Campaign, Resource, Stage
from campaigns.science import plan
from campaigns.science.plan import PlannedCell, PlannedStages

# Where no stage of a kind has been measured yet, those that do the same work are asked: dynamics with the model, the reference method.
SAME_WORK = ((StageKind.EXPLORE, StageKind.EVALUATE), (StageKind.PREPARE, StageKind.S0, StageKind.LABEL))
LEAST_WORK_CORE_S = 1.0  # less says nothing of a speed
LEAST_SHARE, LEAST_S = 0.05, 5.0  # of a stage: what was done in less says nothing of the rest


@dataclass(frozen=True)
class StageProgress:
    """What the engine last said. `fraction` is between 0 and 1; `eta_seconds` None where it cannot be known yet."""

    done: float
    total: float
    unit: str
    message: str
    fraction: float
    eta_seconds: float | None
    measured: tuple[float, float] = (0.0, 0.0)  # seconds, and the share of the stage that was done in them


@dataclass(frozen=True)
class CampaignProgress:
    """`fraction` and `eta_seconds` are those of loop number `loop`, of which the first includes cells and S0.

    `changed`: why the loop has become longer than it was planned, which is when `fraction` may fall; empty else.
    """

    loop: int
    fraction: float
    eta_seconds: float | None
    stages: list[Stage]
    summary: str
    changed: str = ""


def stage_progress(stage: Stage) -> StageProgress:
    if stage.state == StageState.DONE:
        return StageProgress(1, 1, "", "done", 1.0, 0.0)
    record = job.read_json(stage.folder / "progress.json")
    fraction = min(1.0, record["done"] / record["total"]) if record and record["total"] else 0.0
    if stage.job_state not in (JobState.NONE, JobState.RUNNING):
        return StageProgress(0, 1, "", job_in_words(stage), fraction, None)
    if not record:
        return StageProgress(0, 1, "", "starting" if stage.state == StageState.RUNNING else "", 0.0, None)
    since, done = record.get("paced_from") or (record["started_at"], record.get("done_before", 0))
    elapsed = record["updated_at"] - since
    own = fraction - done / record["total"] if record["total"] else 0.0
    is_known = own >= LEAST_SHARE and elapsed >= LEAST_S
    return StageProgress(
        record["done"], record["total"], record["unit"], record["message"], fraction,
        elapsed * (1 - fraction) / own if is_known else None, (elapsed, own) if is_known else (0.0, 0.0),
    )  # fmt: skip


def job_in_words(stage: Stage) -> str:
    """How the job of a stage stands on its cluster, since when it waits and why, and why nothing is known where that is so."""
    found = cluster.read(stage.folder)
    detail = f": {found.detail}" if found.detail else ""
    number = f"job {found.job_id}" if found.job_id else "its job"
    since = f" since {datetime.fromtimestamp(found.submitted_at, UTC):%-d %b, %H:%M} UTC" if found.submitted_at else ""
    return {
        JobState.SUBMITTING: f"being submitted to {stage.resource}{detail}",
        JobState.QUEUED: f"queued on {stage.resource} as {number}{since}{f': {found.waits_for}' if found.waits_for else ''}",
        JobState.RUNNING: f"running on {stage.resource} as {number}",
        JobState.UNKNOWN: f"{stage.resource} gives no answer, so how {number} stands is not known{detail}",
    }[JobState(stage.job_state)]


@dataclass(frozen=True)
class _Part:
    """A stage that is there, or some that are only planned (`stage` None). `work_core_s`: what one that is done did, where that is not the
    plan's."""

    planned: PlannedStages
    n: int
    stage: Stage | None = None
    at: StageProgress | None = None
    work_core_s: float | None = None

    @property
    def done(self) -> float:
        return self.at.fraction if self.at else 0.0


def campaign_progress(campaign: Campaign) -> CampaignProgress:
    """How much of the loop under way is done, and when it will be."""
    loop = max(campaign.loop, 1)
    stages = campaign.stages.exclude(state=StageState.CANCELLED).exclude(kind__in=ASIDE)
    stages = stages.select_related("campaign", "cell__material", "trained_model")
    cells = _planned_cells(campaign)
    plans = {number: _plan(campaign, cells, number) for number in range(1, loop + 1)}
    there = [
        _Part(_planned(campaign, cells, plans[number], stage), 1, stage, stage_progress(stage), _trained_core_s(campaign, cells, stage))
        for stage in stages.defer("cell__material__cif", "cell__material__facts")
        if (number := max(stage.loop, 1)) in plans
    ]
    here = [part for part in there if max(part.stage.loop, 1) == loop]
    parts = here + _missing(campaign, plans[loop], here)
    total = sum(part.n * part.planned.reference_s for part in parts)
    done = sum(part.done * part.planned.reference_s for part in parts)
    is_complete = campaign.state in (CampaignState.CONVERGED, CampaignState.NOT_CONVERGED)
    fraction = 1.0 if is_complete else min(done / total, 0.999) if total else 0.0
    running = [part.stage for part in there if part.stage.state == StageState.RUNNING]
    left = None if campaign.has_ended else _seconds_left(campaign, parts, _Pace(there))
    waits = campaign.state == CampaignState.RUNNING and any(part.stage.state == StageState.PENDING for part in there)
    return CampaignProgress(loop, fraction, left, running, _summary(campaign, running, waits), _changed(campaign))


def _planned_cells(campaign: Campaign) -> list[PlannedCell]:
    """With as many atoms as the material's occupancies say: what ordering makes of it must not change the plan."""
    cells = campaign.cells.select_related("material").defer("material__cif", "material__facts")
    return [
        PlannedCell(cell.pk, cell.material.n_atoms * math.prod(cell.supercell), cell.for_training, cell.for_evaluation) for cell in cells
    ]


def _plan(campaign: Campaign, cells: list[PlannedCell], loop: int) -> dict[tuple[Any, ...], PlannedStages]:
    found = plan.loop_plan(campaign.settings, cells, loop, campaign.labeller, campaign.s0_route == S0Route.FPMD)
    return {(one.kind, one.step, one.cell): one for one in found}


def _planned(campaign: Campaign, cells: list[PlannedCell], plans: dict[tuple[Any, ...], PlannedStages], stage: Stage) -> PlannedStages:
    """What was planned of a stage. A training that is repeated is longer than the first; one that nothing planned counts as a start."""
    one = plans.get((stage.kind, stage.step, stage.cell_id))
    if one is None:
        return PlannedStages(stage.kind, stage.step, stage.cell_id, 1, plan.ENGINE_START_S, 0.0)
    if stage.kind == StageKind.TRAIN and stage.repeat:
        work = plan.training_core_s(campaign.settings, cells, max(stage.loop, 1), stage.step, stage.repeat)
        return PlannedStages(one.kind, one.step, one.cell, 1, one.start_s, work)
    return one


def _trained_core_s(campaign: Campaign, cells: list[PlannedCell], stage: Stage) -> float | None:
    """Of a training that is done, with the tries that its loss condition took: its pace, not its share of the loop, depends on them."""
    model = getattr(stage, "trained_model", None)
    if model is None or not model.attempts:
        return None
    n = plan.configurations_trained_on(campaign.settings, model.attempts, model.loop, model.step, model.repeat)
    return plan.batches_core_s(campaign.settings, cells, n)


def _missing(campaign: Campaign, planned: dict[tuple[Any, ...], PlannedStages], here: list[_Part]) -> list[_Part]:
    """What is planned and not there yet; nothing is added to steps that are behind us."""
    n_there: dict[tuple[Any, ...], int] = defaultdict(int)
    for part in here:
        stage = part.stage
        if stage.step != campaign.step or stage.repeat == campaign.repeat or stage.kind == StageKind.PROBE or not stage.loop:
            n_there[stage.kind, stage.step, stage.cell_id] += 1
    steps = range(campaign.step, len(campaign.settings.ramp_temperatures_K) + 1)
    return [_Part(one, one.n - n_there[key]) for key, one in planned.items() if one.step in steps and one.n > n_there[key]]


class _Pace:
    """Core-seconds that stages take for each that the plan has: of each kind in the last step that says, done or under way."""

    def __init__(self, parts: Iterable[_Part]) -> None:
        self._sums: dict[str, tuple[float, float]] = {}
        self._last: dict[str, tuple[int, int]] = {}
        for part in sorted(parts, key=lambda part: (part.stage.kind, part.stage.loop, part.stage.step)):
            took_s, share = part.at.measured
            if part.stage.state == StageState.DONE:
                took_s, share = part.stage.seconds - part.stage.startup_seconds, 1.0
            work = share * (part.planned.work_core_s if part.work_core_s is None else part.work_core_s)
            if took_s > 0 and work >= LEAST_WORK_CORE_S:
                self._add(part.stage, took_s * part.stage.cores, work)

    def _add(self, stage: Stage, took: float, work: float) -> None:
        place, before = (stage.loop, stage.step), self._sums.get(stage.kind)
        if before and self._last[stage.kind] == place:
            took, work = before[0] + took, before[1] + work
        self._sums[stage.kind], self._last[stage.kind] = (took, work), place

    @property
    def is_known(self) -> bool:
        return bool(self._sums)

    def of(self, kind: str) -> float:
        alike = next((kinds for kinds in SAME_WORK if kind in kinds), (kind,))
        for kinds in ((kind,), alike, tuple(self._sums)):
            took, work = (sum(self._sums[one][index] for one in kinds if one in self._sums) for index in (0, 1))
            if work:
                return took / work
        return 1.0


def _seconds_left(campaign: Campaign, parts: list[_Part], pace: _Pace) -> float | None:
    """Steps and kinds come one after the other; stages of one kind and step side by side, as many as cores or the resource hold."""
    if not pace.is_known and not any(part.at and part.at.fraction == 1.0 for part in parts):
        return None
    groups: dict[tuple[str, int], list[_Part]] = defaultdict(list)
    for part in parts:
        groups[part.planned.kind, part.planned.step].append(part)
    left_s, limits = 0.0, _jobs_at_a_time(campaign)
    for (kind, _), group in groups.items():
        cores = _cores(campaign, kind, group)
        each_s = [(_left_of_one(part, cores, pace), part.n) for part in group if part.done < 1.0]
        n = sum(part.n for part in group)
        slots = min(n, limits.get(campaign.resources[kind], n)) if kind in campaign.resources else max(1, settings.ENGINE_CORES // cores)
        left_s += max(sum(seconds * n for seconds, n in each_s) / slots, max((seconds for seconds, _ in each_s), default=0.0))
    return left_s


def _jobs_at_a_time(campaign: Campaign) -> dict[str, int]:
    """By resource, of those that have a limit."""
    if not campaign.resources:
        return {}
    limited = Resource.objects.filter(name__in=campaign.resources.values()).exclude(max_jobs=None)
    return dict(limited.values_list("name", "max_jobs"))


def _cores(campaign: Campaign, kind: str, group: list[_Part]) -> int:
    """Of one stage: what those that are there have, else what `services/protocol.py` will give."""
    there = [part.stage.cores for part in group if part.stage]
    if there or kind not in plan.SIDE_BY_SIDE:
        return min(there, default=settings.ENGINE_CORES)
    return max(1, settings.ENGINE_CORES // sum(part.n for part in group))


def _left_of_one(part: _Part, cores: int, pace: _Pace) -> float:
    if part.at and part.at.eta_seconds is not None and part.stage.state == StageState.RUNNING:
        return part.at.eta_seconds
    start_s = part.planned.start_s * (1 if part.done == 0.0 else 0)
    return start_s + (1 - part.done) * part.planned.work_core_s * pace.of(part.planned.kind) / cores


def _changed(campaign: Campaign) -> str:
    if not campaign.repeat or campaign.has_ended:
        return ""
    times = "" if campaign.repeat == 1 else f" {campaign.repeat} times"
    return f"Step {campaign.step} is done again{times} with a larger batch, as its exploration was rejected: this loop takes longer."


def stage_words(stage: Stage) -> str:
    """What tells a stage from others that go on beside it: `evaluate (NVE), 700 K, LGPS 2×2×1, replica 2`."""
    parts = [stage.get_kind_display()]
    parts += [f"loop {stage.loop} step {stage.step}"] if stage.loop else []
    parts += [f"{stage.temperature_K:g} K"] if stage.temperature_K else []
    parts += [str(stage.cell)] if stage.cell else []
    parts += [f"replica {stage.replica + 1}"] if stage.replica else []
    return ", ".join(parts)


def _summary(campaign: Campaign, running: list[Stage], waits: bool) -> str:
    if not running:
        return "waiting" if waits else campaign.get_state_display()
    first = running[0]
    where = f"loop {first.loop}, step {first.step}: " if first.loop else ""
    temperature = f" at {first.temperature_K:g} K" if first.temperature_K else ""
    others = f" and {len(running) - 1} more" if len(running) > 1 else ""
    return f"{where}{first.get_kind_display()}{temperature}{others}"

"""What comes next: the protocol of Marcolongo et al. 2019 as phases of a training step.

    cells -> S0 -> [ train -> probe -> explore -> label -> clean -> evaluate -> judge ] for every temperature of the ramp, loop after loop

`advance` looks at the rows alone, creates the stages of the first phase that is not complete, and can be called at
any time: what is there is not created again. It runs inside the transaction that finished a stage.
"""

from collections.abc import Callable
from enum import Enum

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from campaigns.engines import labellers
from campaigns.enums import ASIDE, CampaignState, RunOutcome, RunPurpose, S0Route, StageKind, StageState
from campaigns.models import Campaign, Frame, Launch, MdRun, Resource, Stage, TrainedModel, TrainingSet
from campaigns.services import activity, cleaning
from campaigns.services.wake import wake


class Phase(Enum):
    COMPLETE = "complete"
    WAITING = "waiting"  # stages are on their way
    AGAIN = "again"  # the training step starts over


def advance(campaign: Campaign) -> None:
    """Create the stages that can be done now, or end the campaign."""
    campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    if campaign.state != CampaignState.RUNNING:
        return
    while True:
        outcome = next((found for phase in PHASES if (found := phase(campaign)) is not Phase.COMPLETE), Phase.COMPLETE)
        if outcome is Phase.WAITING or (outcome is Phase.COMPLETE and not _next_step(campaign)):
            return


def end(campaign: Campaign, state: CampaignState, reason: str) -> None:
    """What was asked for aside has no next cleaning to come in with."""
    aside = campaign.stages.filter(kind__in=ASIDE, state__in=(StageState.PENDING, StageState.RUNNING))
    aside.update(state=StageState.CANCELLED, owner="")
    campaign.state, campaign.reason, campaign.finished_at = state, reason, timezone.now()
    campaign.save(update_fields=["state", "reason", "finished_at"])
    activity.record(None, f"ended: {state.label}", campaign, reason, nobody=activity.PROTOCOL)


# --- phases ------------------------------------------------------------------------


def _prepare(campaign: Campaign) -> Phase:
    return _stages(campaign, StageKind.PREPARE, 0, 0, [{"cell": cell, "cores": settings.ENGINE_CORES} for cell in campaign.cells.all()])


def _starting_set(campaign: Campaign) -> Phase:
    if campaign.s0_route == S0Route.UPLOAD:
        wanted = [{}]
    else:
        wanted = [
            {"cell": cell, "temperature_K": temperature_K}
            for cell in campaign.cells.filter(for_training=True)
            for temperature_K in campaign.settings.s0_temperatures_K
        ]
    if labellers.module(campaign.labeller).USES_CORES:
        wanted = _share_cores(wanted)
    outcome = _stages(campaign, StageKind.S0, 0, 0, wanted)
    if outcome is Phase.COMPLETE and campaign.loop == 0:
        cleaning.clean(campaign, 0, 0)
        campaign.loop, campaign.step = 1, 1
        campaign.save(update_fields=["loop", "step"])
    return outcome


def _train(campaign: Campaign) -> Phase:
    return _stages(campaign, StageKind.TRAIN, campaign.loop, campaign.step, [{"cores": settings.ENGINE_CORES}])


def _probe(campaign: Campaign) -> Phase:
    """Measure on every cell with the first model; later ones have the same architecture and inherit the choice."""
    model = current_model(campaign)
    first = TrainedModel.objects.filter(campaign=campaign).order_by("id").first()
    cells = list(campaign.cells.order_by("id"))
    if model == first:
        return _stages(
            campaign, StageKind.PROBE, campaign.loop, campaign.step, [{"cell": cell, "cores": settings.ENGINE_CORES} for cell in cells]
        )
    for known in Launch.objects.filter(model=first):
        Launch.objects.get_or_create(
            model=model,
            cell_id=known.cell_id,
            defaults={
                "ranks": known.ranks,
                "threads": known.threads,
                "trials": known.trials,
                "compressed": known.compressed and model.compressed_id is not None,
            },
        )
    return Phase.COMPLETE


def _explore(campaign: Campaign) -> Phase:
    temperature_K = campaign.settings.ramp_temperatures_K[campaign.step - 1]
    outcome = _stages(
        campaign,
        StageKind.EXPLORE,
        campaign.loop,
        campaign.step,
        [
            {"cell": cell, "temperature_K": temperature_K, "cores": settings.ENGINE_CORES}
            for cell in campaign.cells.filter(for_training=True)
        ],
    )
    if outcome is not Phase.COMPLETE:
        return outcome
    if rejected_runs(campaign).exists() and campaign.repeat < campaign.settings.max_training_repeats:
        # The protocol: the trajectory is rejected whole and the training step repeated with a larger batch.
        campaign.repeat += 1
        campaign.save(update_fields=["repeat"])
        return Phase.AGAIN
    return Phase.COMPLETE


def _label(campaign: Campaign) -> Phase:
    """Label the snapshots of every accepted trajectory, then clean the whole set: S_{i+1}."""
    accepted = MdRun.objects.filter(model=current_model(campaign), purpose=RunPurpose.EXPLORE, outcome=RunOutcome.COMPLETED)
    outcome = _stages(
        campaign,
        StageKind.LABEL,
        campaign.loop,
        campaign.step,
        [
            {"cell": run.cell, "temperature_K": run.temperature_K, "cores": settings.ENGINE_CORES}
            for run in accepted.select_related("cell").order_by("id")
        ],
    )
    here = {"loop": campaign.loop, "step": campaign.step, "repeat": campaign.repeat}
    if outcome is Phase.COMPLETE and not TrainingSet.objects.filter(campaign=campaign, **here).exists():
        cleaning.clean(campaign, **here)
    return outcome


def _evaluate(campaign: Campaign) -> Phase:
    if not is_evaluated(campaign, campaign.step):
        return Phase.COMPLETE
    return _stages(campaign, StageKind.EVALUATE, campaign.loop, campaign.step, _evaluation_runs(campaign))


def _evaluation_runs(campaign: Campaign) -> list[dict]:
    """Independent runs side by side, one core each, use the machine better than one after the other on all cores."""
    chosen = campaign.settings
    return _share_cores([
        {"cell": cell, "temperature_K": temperature_K, "replica": replica}
        for cell in campaign.cells.filter(for_evaluation=True)
        for replica in range(chosen.evaluation_replicas)
        for temperature_K in chosen.evaluation_temperatures_K
    ])  # fmt: skip


def evaluation_cores(campaign: Campaign) -> int:
    """What each of the runs that evaluate a model will have."""
    return (_evaluation_runs(campaign)[0] | place(campaign, StageKind.EVALUATE))["cores"]


def _judge(campaign: Campaign) -> Phase:
    if not is_evaluated(campaign, campaign.step):
        return Phase.COMPLETE
    return _stages(campaign, StageKind.JUDGE, campaign.loop, campaign.step, [{"cores": 1}])


PHASES: tuple[Callable[[Campaign], Phase], ...] = (_prepare, _starting_set, _train, _probe, _explore, _label, _evaluate, _judge)


# --- from step to step ------------------------------------------------------------------------


def _next_step(campaign: Campaign) -> bool:
    """Move on to the next training step; at the end of a loop decide. False: the campaign has ended."""
    last_step = len(campaign.settings.ramp_temperatures_K)
    if campaign.step < last_step:
        campaign.step, campaign.repeat = campaign.step + 1, 0
        campaign.save(update_fields=["step", "repeat"])
        return True
    if not Frame.objects.filter(campaign=campaign, loop=campaign.loop).exists():
        end(
            campaign,
            CampaignState.FAILED,
            (
                f"No exploration of loop {campaign.loop} gave a configuration that could be used: in every one atoms "
                "came too close or the dynamics blew up. The models are not physical. Start again with more configurations in S0, "
                "more batches, or a smaller time step."
            ),
        )
        return False
    judged, rejected = current_model(campaign), rejected_runs(campaign).first()
    reason = judged.convergence_reason
    if rejected is not None:
        reason += f" But the last model's exploration at {rejected.temperature_K:g} K was rejected: {rejected.reason}"
    elif judged.convergence == "stationary":
        end(campaign, CampaignState.CONVERGED, reason)
        return False
    if campaign.loop >= campaign.settings.max_loops:
        end(
            campaign,
            CampaignState.NOT_CONVERGED,
            (f"{reason} All {campaign.loop} training loops that the settings allow are used up."),
        )
        return False
    campaign.loop, campaign.step, campaign.repeat = campaign.loop + 1, 1, 0
    campaign.save(update_fields=["loop", "step", "repeat"])
    return True


def is_evaluated(campaign: Campaign, step: int) -> bool:
    """The models of the last steps of a loop are evaluated."""
    chosen = campaign.settings
    return step > len(chosen.ramp_temperatures_K) - chosen.evaluated_steps_per_loop


def current_model(campaign: Campaign) -> TrainedModel:
    """The model of the training step under way, its latest repetition."""
    return TrainedModel.objects.get(campaign=campaign, loop=campaign.loop, step=campaign.step, repeat=campaign.repeat)


def model_of(stage: Stage) -> TrainedModel:
    """The model of the stage's training step."""
    return TrainedModel.objects.get(campaign=stage.campaign_id, loop=stage.loop, step=stage.step, repeat=stage.repeat)


def rejected_runs(campaign: Campaign) -> QuerySet[MdRun]:
    return MdRun.objects.filter(model=current_model(campaign), purpose=RunPurpose.EXPLORE).exclude(outcome=RunOutcome.COMPLETED)


def _share_cores(wanted: list[dict]) -> list[dict]:
    """Fewer stages than cores: each gets its share of them."""
    return [values | {"cores": max(1, settings.ENGINE_CORES // max(len(wanted), 1))} for values in wanted]


def place(campaign: Campaign, kind: StageKind) -> dict:
    """Resource and cores of a stage that is sent to a cluster. The probe measures the machine that explores, the check the one that
    labels.
    """
    name = campaign.resources.get((dict.fromkeys(ASIDE, StageKind.LABEL) | {StageKind.PROBE: StageKind.EXPLORE}).get(kind, kind))
    resource = Resource.objects.filter(name=name).first() if name else None
    # One that was removed meanwhile: the stage says so.
    return {"resource": name, "cores": resource.profile.cores if resource else 1} if name else {}


def _stages(campaign: Campaign, kind: StageKind, loop: int, step: int, wanted: list[dict]) -> Phase:
    """Create the stages of one phase that are missing; COMPLETE when all of them are done."""
    repeat = campaign.repeat if loop else 0
    wanted = [values | place(campaign, kind) for values in wanted]
    there = {stage.index: stage for stage in Stage.objects.filter(campaign=campaign, kind=kind, loop=loop, step=step, repeat=repeat)}
    created = [
        Stage.objects.create(campaign=campaign, kind=kind, loop=loop, step=step, repeat=repeat, index=index, **values)
        for index, values in enumerate(wanted)
        if index not in there
    ]
    wake([stage.pk for stage in created])
    done = not created and all(stage.state == StageState.DONE for stage in there.values())
    return Phase.COMPLETE if done else Phase.WAITING

"""Missing labels of a finished stage asked for again: only these, of the same snapshots, with the same method."""

from dataclasses import replace

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet

from campaigns.engines import job
from campaigns.engines.labellers.base import REFUSED_CAUSES
from campaigns.enums import CampaignState, StageKind, StageState, Verdict
from campaigns.models import Campaign, Stage
from campaigns.services import activity, protocol, specs
from campaigns.services.errors import WrongState
from campaigns.services.wake import wake

GOES_ON = (CampaignState.RUNNING, CampaignState.PAUSED)


def missing(stage: Stage) -> list[int]:
    """Snapshots, by their place in the file, whose label failed for a reason that another try may mend."""
    failed = stage.frames.filter(verdict=Verdict.UNLABELLED).exclude(cause__in=REFUSED_CAUSES)
    return list(failed.order_by("row").values_list("row", flat=True))


def is_possible(stage: Stage) -> bool:
    return stage.kind == StageKind.LABEL and stage.state == StageState.DONE and stage.campaign.state in GOES_ON


def under_way(stage: Stage) -> Stage | None:
    """The stage that computes this one's missing labels again."""
    if stage.kind != StageKind.LABEL:
        return None
    return _again(stage).filter(state__in=(StageState.PENDING, StageState.RUNNING)).first()


def _again(stage: Stage) -> QuerySet[Stage]:
    here = {name: getattr(stage, name) for name in ("loop", "step", "repeat", "cell_id")}
    return Stage.objects.filter(campaign=stage.campaign_id, kind=StageKind.RELABEL, **here)


def start(stage: Stage, by: AbstractBaseUser | None = None) -> Stage:
    """Raises WrongState where nothing is missing, or where no cleaning follows in which the labels could come in."""
    with transaction.atomic():
        stage.campaign = Campaign.objects.select_for_update().get(pk=stage.campaign_id)
        if not is_possible(stage):
            raise WrongState("Missing labels can be computed again once their stage is done and while the campaign goes on.")
        if under_way(stage):
            raise WrongState("The missing labels of this stage are being computed again already.")
        indices = missing(stage)
        if not indices:
            raise WrongState("No label is missing that another try could give.")
        place = {"cores": stage.cores} | protocol.place(stage.campaign, StageKind.RELABEL)
        here = {name: getattr(stage, name) for name in ("campaign", "loop", "step", "repeat", "cell", "temperature_K")}
        number = Stage.objects.filter(campaign=stage.campaign, kind=StageKind.RELABEL).count()
        again = Stage.objects.create(kind=StageKind.RELABEL, index=number, **here, **place)
        spec = specs.label_spec(again, protocol.model_of(stage))
        chosen = replace(spec.snapshots, indices=indices)
        job.write_spec(again.folder, again.kind, replace(spec, snapshots=chosen, min_labelled_share=0.0))
        activity.record(by, "relabelled", stage.campaign, f"{len(indices)} missing of loop {stage.loop}, step {stage.step}")
        wake([again.pk])
    return again

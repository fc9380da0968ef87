"""The check of a reference method before the money is spent: asked for, stopped, and looked up again for the estimate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from campaigns.engines import job, labellers
from campaigns.engines.labellers.known import method_key
from campaigns.enums import CampaignState, StageKind, StageState
from campaigns.models import Campaign, MethodCheck, Stage
from campaigns.services import activity, protocol, specs
from campaigns.services.errors import BadInput, WrongState
from campaigns.services.wake import wake

UNDER_WAY = (StageState.PENDING, StageState.RUNNING)


@dataclass(frozen=True)
class StricterOption:
    """An option of a method that can be checked: its value as set, and the stricter one."""

    name: str
    title: str
    unit: str
    value: Any
    stricter: Any


def key_of(labeller: str, options: Mapping[str, Any]) -> str:
    """The same for methods that cost the same: time limits and the like apart."""
    return method_key(labeller, options, labellers.module(labeller).OPTIONS, {})


def stricter_options(labeller: str, options: Mapping[str, Any]) -> list[StricterOption]:
    found = []
    for option in labellers.module(labeller).OPTIONS:
        if option.stricter:
            value = options.get(option.name, option.default)
            found.append(StricterOption(option.name, option.title, option.unit, value, option.stricter(value)))
    return found


def start(campaign: Campaign, options: Sequence[str] | None = None, by: AbstractBaseUser | None = None) -> Stage:
    """Check these options, or all that can be. Raises BadInput or WrongState."""
    _require_draft(campaign)
    known = [option.name for option in stricter_options(campaign.labeller, campaign.labeller_options)]
    unknown = sorted(set(options or ()) - set(known))
    if unknown:
        raise BadInput(f"{campaign.labeller} has no {', '.join(unknown)} that could be checked.")
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
        _require_draft(campaign)
        checks = campaign.stages.filter(kind=StageKind.CHECK)
        if checks.filter(state__in=UNDER_WAY).exists():
            raise WrongState("The reference method is being checked already.")
        cores = settings.ENGINE_CORES if labellers.module(campaign.labeller).USES_CORES else 1
        where = {"cores": cores} | protocol.place(campaign, StageKind.CHECK)
        stage = Stage.objects.create(campaign=campaign, kind=StageKind.CHECK, index=checks.count(), **where)
        spec = replace(specs.build(stage), options=None if options is None else list(options))
        job.write_spec(stage.folder, stage.kind, spec)
        activity.record(by, "checked", campaign, "its reference method")
        wake([stage.pk])
    return stage


def _require_draft(campaign: Campaign) -> None:
    if campaign.state != CampaignState.DRAFT:
        raise WrongState("This campaign is no draft any more: its reference method is checked before the start. Copy it to check again.")


def stop(campaign: Campaign) -> int:
    """End a check that is under way, if there is one; its engine ends within a second."""
    return campaign.stages.filter(kind=StageKind.CHECK, state__in=UNDER_WAY).update(state=StageState.CANCELLED, owner="")


def under_way(campaign: Campaign) -> Stage | None:
    return campaign.stages.filter(kind=StageKind.CHECK, state__in=UNDER_WAY).first()


def failed(campaign: Campaign) -> Stage | None:
    """The last check, where it failed."""
    last = campaign.stages.filter(kind=StageKind.CHECK).exclude(state=StageState.CANCELLED).order_by("id").last()
    return last if last is not None and last.state == StageState.FAILED else None


def last(campaign: Campaign) -> MethodCheck | None:
    """The last check of the method as the campaign has it now."""
    key = key_of(campaign.labeller, campaign.labeller_options)
    return campaign.method_checks.filter(method_key=key).select_related("stage").last()


def measured(labeller: str, options: Mapping[str, Any], resource: str = "") -> MethodCheck | None:
    """The last check of this method on this installation, or on this cluster, of whatever campaign."""
    return MethodCheck.objects.filter(method_key=key_of(labeller, options), stage__resource=resource).select_related("stage").last()

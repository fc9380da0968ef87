"""Who holds the cores of the hosts that work, and what waits for them in which order: one queue, from which each host takes the oldest."""

from collections import defaultdict
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q, QuerySet
from django.utils import timezone

from campaigns.enums import CampaignState, StageState
from campaigns.models import Campaign, Stage
from campaigns.progress import stage_words

ORDINALS = {1: "next", 2: "second", 3: "third"}


@dataclass(frozen=True)
class Waiting:
    """A campaign with no engine at work whose stages wait while others hold the cores. `place` 1: its first stage is the next."""

    place: int
    holders: list[Stage]


def waiting(campaign: Campaign) -> Waiting | None:
    """None where it does not wait for cores."""
    here = campaign.stages.filter(resource="")
    first = _queue().filter(campaign=campaign).first()
    if campaign.state != CampaignState.RUNNING or first is None or here.filter(state=StageState.RUNNING).exists():
        return None
    now = timezone.now()
    holders = Stage.objects.filter(state=StageState.RUNNING, resource="", lease_until__gte=now).select_related("campaign", "cell__material")
    found = list(holders.defer("cell__material__cif", "cell__material__facts"))
    return Waiting(_queue().filter(pk__lt=first.pk).count() + 1, found) if found else None


def _queue() -> QuerySet[Stage]:
    """Stages that want cores of any host now; older ones have the first claim."""
    due = Q(due_at=None) | Q(due_at__lte=timezone.now())
    return Stage.objects.filter(due, state=StageState.PENDING, resource="", campaign__state=CampaignState.RUNNING).order_by("pk")


def in_words(found: Waiting, viewer: AbstractBaseUser | None = None) -> str:
    """Names only campaigns that `viewer` may see; without one all: the command line."""
    held_by: dict[tuple[int, str], list[Stage]] = defaultdict(list)
    for stage in found.holders:
        held_by[stage.campaign_id, stage.host].append(stage)
    several_hosts = len({host for _, host in held_by}) > 1
    seen = Campaign.objects.all() if viewer is None else Campaign.objects.visible_to(viewer)
    names = dict(seen.filter(pk__in={pk for pk, _ in held_by}).values_list("pk", "name"))
    parts = []
    for (pk, host), stages in held_by.items():
        held = sum(stage.cores for stage in stages)
        cores = f"{held} core{'s' * (held > 1)}{f' of {host}' if several_hosts else ''}"
        what = "; ".join(stage_words(stage) for stage in stages)
        parts.append(
            f"{names[pk]} (campaign {pk}) holds {cores} with {what}" if pk in names else f"a campaign of somebody else holds {cores}"
        )
    place = ORDINALS.get(found.place, f"number {found.place}")
    return f"Waiting for cores: {'. '.join(parts)}. This campaign is {place} in the queue."

"""Who holds the cores of the hosts that work, what waits for them, and whose turn it is.

Stages start in the order in which they were created, whichever message arrives first: what a campaign does next waits behind what others
have waited for. Where the oldest needs more cores than are free, these are kept for it; a smaller stage may use them meanwhile if stages
like it have taken less time than passes anyway until the oldest can start.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from campaigns import queues
from campaigns.enums import CampaignState, StageKind, StageState
from campaigns.models import Campaign, Stage
from campaigns.progress import stage_progress, stage_words

# What engines may work for: a running campaign's stages, and the check of a reference method, which precedes the start.
WANTED = Q(campaign__state=CampaignState.RUNNING) | Q(kind=StageKind.CHECK, state__in=(StageState.PENDING, StageState.RUNNING))
RETRY_DELAY_S = 10
N_SMALLER = 20  # of those that wait for a gap, so many are looked at
ORDINALS = {1: "next", 2: "second", 3: "third"}


@dataclass(frozen=True)
class Waiting:
    """A campaign with no engine at work whose stages wait while others hold the cores. `place` 1: its first stage is the `next`."""

    place: int
    holders: list[Stage]
    next: Stage


def due(now: datetime) -> QuerySet[Stage]:
    """Stages that wait and may be claimed, oldest first."""
    return Stage.objects.filter(WANTED, is_due(now), state=StageState.PENDING).order_by("pk")


def is_due(now: datetime) -> Q:
    """A time that lies further ahead than any wait was written before the clock was set back."""
    return Q(due_at=None) | Q(due_at__lte=now) | Q(due_at__gt=now + timedelta(seconds=10 * RETRY_DELAY_S * settings.STAGE_MAX_TRIES))


def _queue() -> QuerySet[Stage]:
    """Stages that want cores of this machine now; what runs on a cluster takes none."""
    return _lean(due(timezone.now()).filter(resource=""))


def _holders() -> QuerySet[Stage]:
    return _lean(Stage.objects.filter(state=StageState.RUNNING, resource="", lease_until__gte=timezone.now()))


def _lean(stages: QuerySet[Stage]) -> QuerySet[Stage]:
    return stages.select_related("campaign", "cell__material").defer("cell__material__cif", "cell__material__facts")


def next_up(host: str) -> list[int]:
    """The stages whose turn it is on the free cores of this host, of those that its worker may take, by number."""
    holders = list(_holders().filter(host=host))
    free = settings.ENGINE_CORES - sum(stage.cores for stage in holders)
    found: list[int] = []
    for stage in _queue().filter(queues.served())[: max(free, 0) + 1]:
        # A stage planned for more cores than there are now runs alone.
        if stage.cores > free and (holders or found):
            return found + ([] if found else _fill_the_gap(stage, holders, free))
        found.append(stage.pk)
        free -= stage.cores
    return found


def _fill_the_gap(first: Stage, holders: list[Stage], free: int) -> list[int]:
    """Smaller ones that will have ended before `first` could start."""
    gap_s = _seconds_until(min(first.cores, settings.ENGINE_CORES) - free, holders) if free > 0 else 0.0
    found: list[int] = []
    for stage in _queue().filter(queues.served(), pk__gt=first.pk, cores__lte=free)[:N_SMALLER] if gap_s else ():
        alike = Stage.objects.filter(campaign=stage.campaign_id, kind=stage.kind, cell=stage.cell_id, state=StageState.DONE)
        took_s = alike.aggregate(longest=Max("seconds"))["longest"]
        if took_s and took_s < gap_s and stage.cores <= free:
            found.append(stage.pk)
            free -= stage.cores
    return found


def _seconds_until(n_cores: int, holders: list[Stage]) -> float:
    """When so many more cores will be free. Who has not said how long he needs may end at once."""
    for left_s, cores in sorted((stage_progress(stage).eta_seconds or 0.0, stage.cores) for stage in holders):
        n_cores -= cores
        if n_cores <= 0:
            return left_s
    return 0.0


def waiting(campaign: Campaign) -> Waiting | None:
    """None where it does not wait for cores."""
    here = campaign.stages.filter(resource="")
    first = _queue().filter(campaign=campaign).first()
    if campaign.state != CampaignState.RUNNING or first is None or here.filter(state=StageState.RUNNING).exists():
        return None
    alike = queues.stages_of(queues.of(first.kind, ""))
    found, queue = list(_holders().filter(alike)), _queue().filter(alike)
    return Waiting(queue.filter(pk__lt=first.pk).count() + 1, found, queue[0]) if found else None


def in_words(found: Waiting, viewer: AbstractBaseUser | None = None) -> str:
    """Names only campaigns that `viewer` may see; without one all: the command line."""
    held_by: dict[tuple[int, str], list[Stage]] = defaultdict(list)
    for stage in found.holders:
        held_by[stage.campaign_id, stage.host].append(stage)
    several_hosts = len({host for _, host in held_by}) > 1
    seen = Campaign.objects.all() if viewer is None else Campaign.objects.visible_to(viewer)
    names = dict(seen.filter(pk__in={*(pk for pk, _ in held_by), found.next.campaign_id}).values_list("pk", "name"))
    parts = []
    for (pk, host), stages in held_by.items():
        held = sum(stage.cores for stage in stages)
        cores = f"{held} core{'s' * (held > 1)}{f' of {host}' if several_hosts else ''}"
        what = "; ".join(stage_words(stage) for stage in stages)
        parts.append(
            f"{names[pk]} (campaign {pk}) holds {cores} with {what}" if pk in names else f"a campaign of somebody else holds {cores}"
        )
    place = ORDINALS.get(found.place, f"number {found.place}")
    before = f": before it, {_first(found.next, names)}" if found.place > 1 else ""
    return f"Waiting for cores: {'. '.join(parts)}. This campaign is {place} in the queue{before}."


def _first(stage: Stage, names: dict[int, str]) -> str:
    needs = f"needs {stage.cores} core{'s' * (stage.cores > 1)}"
    if stage.campaign_id not in names:
        return f"a stage of somebody else {needs}"
    return f"{names[stage.campaign_id]} (campaign {stage.campaign_id}) {needs} for {stage_words(stage)}"

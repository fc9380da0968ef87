"""Who holds the places of a resource that takes a limited number of jobs, and whose turn it is: the oldest stage's, as with `cores.py`."""

from django.db.models import Q, QuerySet
from django.utils import timezone

from campaigns import cores
from campaigns.enums import JobState, StageState
from campaigns.models import Campaign, Resource, Stage

HAS_JOB = ~Q(job_state=JobState.NONE)


def _holders(resource: str) -> QuerySet[Stage]:
    """With those whose job nobody wants any more, until it is cancelled."""
    return Stage.objects.filter(Q(state=StageState.RUNNING) | HAS_JOB, resource=resource)


def turn(resource: str) -> Q:
    """The stages for which there is a place now."""
    limit = Resource.objects.filter(name=resource).values_list("max_jobs", flat=True).first()
    if limit is None:
        return Q()
    free = max(0, limit - _holders(resource).count())
    waiting = cores.due(timezone.now()).filter(~HAS_JOB, resource=resource)
    return HAS_JOB | Q(pk__in=list(waiting.values_list("pk", flat=True)[:free]))


def full() -> dict[str, str]:
    """What is said of stages that wait for a resource, by its name, where no place is free."""
    found = {}
    for name, limit in Resource.objects.exclude(max_jobs=None).values_list("name", "max_jobs"):
        n_jobs = _holders(name).count()
        if n_jobs >= limit:
            found[name] = f"waiting for a place on {name}: {n_jobs} of {limit} job{'s' * (limit > 1)}"
    return found


def waiting(campaign: Campaign) -> str:
    """'' where no stage of this campaign waits for a place."""
    said = full()
    names = set(campaign.stages.filter(state=StageState.PENDING, resource__in=said).values_list("resource", flat=True))
    return "; ".join(said[name] for name in sorted(names)).capitalize()

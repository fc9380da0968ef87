"""Queues: which worker hosts a stage is for. A host takes stages of its queues alone (`manage.py work --queues`).

A stage that was sent to a resource is in `cluster`, whose workers only look in now and then; any other is where SSEWEB_STAGE_QUEUES says
for its kind, and in `cpu` where it says nothing.
"""

from django.conf import settings
from django.db.models import Q

CPU, CLUSTER = "cpu", "cluster"


def of(kind: str, resource: str) -> str:
    return CLUSTER if resource else settings.STAGE_QUEUES.get(kind, CPU)


def stages_of(*names: str) -> Q:
    """The stages of these queues."""
    if set(names) == set(settings.QUEUES):
        return Q()
    kinds = [kind for kind in settings.STAGE_MODULES if of(kind, "") in names]
    found = Q(resource="", kind__in=kinds)
    return found | ~Q(resource="") if CLUSTER in names else found


def served() -> Q:
    """The stages that this worker may take."""
    return stages_of(*settings.WORKER_QUEUES)

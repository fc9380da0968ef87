"""Wakes a worker of its queue for a stage. A lost message is no loss: the reconciler sends it again."""

import logging

import dramatiq
from django.db import transaction
from django.utils import timezone
from dramatiq.errors import DramatiqError
from redis.exceptions import RedisError

from campaigns import queues
from campaigns.models import Stage

log = logging.getLogger(__name__)


def wake(stage_ids: list[int]) -> None:
    """Send a message for each stage when the transaction is through."""
    if stage_ids:
        transaction.on_commit(lambda: _send(stage_ids))


def _send(stage_ids: list[int]) -> None:
    Stage.objects.filter(pk__in=stage_ids).update(sent_at=timezone.now())
    rows = Stage.objects.filter(pk__in=stage_ids).values_list("pk", "kind", "resource")
    places = {pk: queues.of(kind, resource) for pk, kind, resource in rows}
    broker = dramatiq.get_broker()
    try:
        for stage_id, queue in places.items():
            broker.enqueue(dramatiq.Message(queue_name=queue, actor_name="run_stage", args=(stage_id,), kwargs={}, options={}))
    except (DramatiqError, RedisError) as error:
        log.warning("broker not reached (%s); the reconciler will send stages %s again", error, stage_ids)

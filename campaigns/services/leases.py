"""A claim's lease: renewed while its owner lives; when it has run out, the stage is free."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connections
from django.db.models import F, Q
from django.utils import timezone

from campaigns.enums import StageState
from campaigns.models import Stage
from campaigns.services import cluster_stages

log = logging.getLogger(__name__)


def until() -> datetime:
    return timezone.now() + timedelta(seconds=settings.STAGE_LEASE_S)


def lost_owner(now: datetime) -> Q:
    """A lease that ran out, or one longer than any that is given: the clock was set back since. Its owner, if alive, renews it at once."""
    here = Q(resource="", lease_until__gt=now + timedelta(seconds=2 * settings.STAGE_LEASE_S))
    on_clusters = Q(lease_until__gt=now + timedelta(seconds=2 * cluster_stages.longest_lease_s()))
    return Q(state=StageState.RUNNING) & (Q(lease_until__lt=now) | here | on_clusters)


def renew(stage: Stage, seconds: float = 0.0) -> bool:
    """Whether the stage is still ours; `seconds` of work are added to it."""
    mine = Stage.objects.filter(pk=stage.pk, owner=stage.owner, state=StageState.RUNNING)
    return unless_away(lambda: bool(mine.update(lease_until=until(), seconds=F("seconds") + seconds)))


@contextmanager
def held(stage: Stage) -> Iterator[bool]:
    """Renew the lease during work of our own that may take longer than it (files are hashed, a disk is slow). Whether the stage is ours."""
    is_done = threading.Event()

    def keep() -> None:
        while not is_done.wait(settings.STAGE_LEASE_S / 4):
            renew(stage)
        connections.close_all()

    keeper = threading.Thread(target=keep, daemon=True)
    is_ours = renew(stage)
    keeper.start()
    try:
        yield is_ours
    finally:
        is_done.set()
        keeper.join()


def unless_away(question: Callable[[], bool]) -> bool:
    """The database's answer; yes where it cannot be asked now: an engine is not stopped for a database that is started again.

    Should another owner take the stage meanwhile, he waits for this engine, and our next renewal is refused.
    """
    try:
        return question()
    except (OperationalError, InterfaceError) as error:
        log.warning("database not reached (%s): the engine goes on", error)
        close_old_connections()
        return True

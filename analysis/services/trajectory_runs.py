"""Analyses of trajectories from claim to finish: one worker at a time, which renews its claim while the bounded child computes."""

import logging
import time
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import dramatiq
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from dramatiq.errors import DramatiqError
from redis.exceptions import RedisError

from analysis.models import AnalysisState, TrajectoryAnalysis
from campaigns.engines import bounded, job
from campaigns.queues import CPU
from campaigns.services import leases
from campaigns.services.closing import closing

log = logging.getLogger(__name__)
CPU_S, WALL_S = 900.0, 1800.0
RESEND_AFTER_S = 15
ENGINE = "analysis.engines.trajectory"
ACTOR = "analyse_trajectory"
OTHER_PROCESS = 75  # what an engine says where another holds the folder


class _Claim:
    """One worker's hold on an analysis."""

    def __init__(self, pk: int, owner: str) -> None:
        self._mine = TrajectoryAnalysis.objects.filter(pk=pk, claimed_by=owner, state=AnalysisState.RUNNING)
        self._renewed_at = time.monotonic()

    def holds(self) -> bool:
        """Renewed in time; False where another has it, where it was deleted, and where this worker is to stop."""
        if closing.is_set():
            return False
        if time.monotonic() - self._renewed_at < settings.STAGE_LEASE_S / 4:
            return True
        self._renewed_at = time.monotonic()
        return leases.unless_away(lambda: bool(self._mine.update(lease_until=leases.until())))

    def end(self, **values: object) -> None:
        self._mine.update(**values, claimed_by="", lease_until=None)

    def give_back(self) -> None:
        """The reconciler sends it again."""
        self.end(state=AnalysisState.WAITING, started_at=None, sent_at=None)


def kept(row: TrajectoryAnalysis) -> list[Path]:
    """The user's files."""
    return [row.folder / Path(name).name for name in row.spec["files"]]  # the data folder may have moved


def run(pk: int) -> None:
    """What a message asks for: analyse it, if it waits or its worker is gone."""
    if closing.is_set():
        TrajectoryAnalysis.objects.filter(pk=pk).update(sent_at=None)  # the message is used up: the reconciler sends another
        return
    now, owner = timezone.now(), uuid.uuid4().hex
    free = TrajectoryAnalysis.objects.filter(Q(state=AnalysisState.WAITING) | _abandoned(now), pk=pk)
    if not free.update(state=AnalysisState.RUNNING, started_at=now, claimed_by=owner, lease_until=leases.until()):
        return
    claim = _Claim(pk, owner)
    try:
        found = _compute(TrajectoryAnalysis.objects.get(pk=pk), claim)
    except bounded.ChildRefused as error:
        claim.end(state=AnalysisState.FAILED, message=str(error))
    except (bounded.ChildStopped, job.FolderBusy) as error:
        log.info("trajectory %d waits again (%s)", pk, type(error).__name__)
        claim.give_back()
    except BaseException:
        claim.give_back()
        raise
    else:
        claim.end(state=AnalysisState.DONE, result=found)


def _compute(row: TrajectoryAnalysis, claim: _Claim) -> dict[str, object]:
    """Raises ChildRefused, ChildStopped, and FolderBusy where an engine whose worker is gone is still at it."""
    job.write_spec(row.folder, "trajectory", row.spec | {"files": list(map(str, kept(row)))})
    child = bounded.run(ENGINE, [str(row.folder)], cpu_s=CPU_S, wall_s=WALL_S, is_wanted=claim.holds)
    if child.returncode == OTHER_PROCESS:
        raise job.FolderBusy(str(row.folder))
    found = job.read_json(row.folder / "result.json")
    if found is None:
        failure = job.read_json(row.folder / "failure.json") or {}
        raise bounded.ChildRefused(failure.get("message") or bounded.DIED)
    return found


def _abandoned(now: datetime) -> Q:
    """Its claim has run out, or is longer than any that is given: the clock was set back. An earlier release gave none."""
    out = Q(lease_until=None) | Q(lease_until__lt=now) | Q(lease_until__gt=now + timedelta(seconds=2 * settings.STAGE_LEASE_S))
    return Q(state=AnalysisState.RUNNING) & out


def reconcile() -> None:
    """Send again what waits: a lost message is no loss."""
    now = timezone.now()
    stale = Q(sent_at=None) | Q(sent_at__lt=now - timedelta(seconds=RESEND_AFTER_S))
    _send(
        list(TrajectoryAnalysis.objects.filter(stale, Q(state=AnalysisState.WAITING) | _abandoned(now)).values_list("pk", flat=True)[:20])
    )


def wake(pk: int) -> None:
    """Send a message for it when the transaction is through."""
    transaction.on_commit(lambda: _send([pk]))


def _send(keys: list[int]) -> None:
    TrajectoryAnalysis.objects.filter(pk__in=keys).update(sent_at=timezone.now())
    try:
        for pk in keys:
            dramatiq.get_broker().enqueue(dramatiq.Message(queue_name=CPU, actor_name=ACTOR, args=(pk,), kwargs={}, options={}))
    except (DramatiqError, RedisError):
        return  # the reconciler sends them again

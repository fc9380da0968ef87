"""A stage from claim to finish: claim it by one conditional UPDATE, wait for its child process, register what came out.

Exactly one worker believes that it owns a stage, for as long as it renews its lease; the child holds a lock on its
folder, so that even two believers compute once; the finish is one transaction, fenced by the claim, that registers
the result and creates what comes next.
"""

import logging
import socket
import time
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Max, Q, QuerySet, Sum
from django.utils import timezone

from campaigns import cores, places, queues
from campaigns.cores import WANTED
from campaigns.engines import job
from campaigns.engines.runners import local
from campaigns.enums import ASIDE, CampaignState, JobState, StageState
from campaigns.models import Campaign, Stage, StageFailure
from campaigns.services import artefacts, cluster_stages, ingest, leases, logs, protocol, specs, storage
from campaigns.services.claims import one_at_a_time
from campaigns.services.closing import closing
from campaigns.services.silence import Silence, limit_s
from campaigns.services.wake import wake

__all__ = ["claim", "reconcile", "run"]

log = logging.getLogger(__name__)
POLL_S = 0.25
SETUP = "bad_input"  # the cause of a failure that lies in what was set up, which cannot be changed after the start
LIMITS = ("walltime", "out_of_memory", "scf_not_converged")  # those of a reference method whose limits can (`limits.py`)
MEND = "Mend the cause, then press “Retry”: nothing that is finished is lost."
WHAT_THEN = {
    **dict.fromkeys(
        LIMITS,
        "Time limits, SCF steps and retries of the reference method can be changed now, on the page “Settings”; then "
        "press “Retry”: nothing that is finished is lost. Other options are changed in a copy, which finds the labels that are "
        "known where its method gives the same ones.",
    ),
    SETUP: "If the cause lies in the set-up, which stays as it is: press “Copy”, change it there, and start the copy; labels that are "
    "known are found again. If it lies in a file of this machine, mend that and press “Retry”.",
}
RESEND_AFTER_S = 15
STORAGE_DELAY_S = 15
ENGINE_FILES = ("progress.json", "result.json", "failure.json")  # of which an engine writes one while it works


def run(stage_id: int) -> None:
    """What a message asks for: do this stage, if it is to be done and nobody is at it."""
    if closing.is_set():
        Stage.objects.filter(pk=stage_id).update(sent_at=None)  # the message is used up: the reconciler sends another
        return
    if message := storage.trouble():
        _wait_for_storage(Stage.objects.filter(pk=stage_id, state=StageState.PENDING), message)
        return
    stage = claim(stage_id)
    logs.is_about(stage)
    if stage is None:
        cluster_stages.stop_unwanted(stage_id)
        return
    try:
        if not stage.resource:
            wake_waiting()  # there may be room for another
        outcome = cluster_stages.look(stage) if stage.resource else _compute(stage)
        {"done": finish, "failed": fail, "hung": fail_hung, "released": release, "left": _leave, "away": _leave}[outcome](stage)
    except (OperationalError, InterfaceError):
        raise  # the database is away: our lease runs out, and the next owner goes on from where the folder stands
    except artefacts.OutputsLost as error:
        _set_aside(stage, error.names)
    except Exception as error:
        # Unforeseen: the traceback is for the log, the user gets a stage that failed with a reason, and nothing is lost.
        _fail_with(stage, {"message": _unforeseen(error), "cause": "unforeseen", "permanent": False})
        raise
    except BaseException:
        release(stage)
        raise
    finally:
        if not stage.resource and not closing.is_set():
            wake_waiting()


def _set_aside(stage: Stage, lost: list[str]) -> None:
    """Only where nobody else has made the result anew: asked while no engine can write in the folder."""
    try:
        with job.folder_lock(stage.folder):
            is_ours = Stage.objects.filter(pk=stage.pk, owner=stage.owner, state=StageState.RUNNING).exists()
            failure = artefacts.set_aside(stage.folder, lost) if is_ours else None
    except job.FolderBusy:
        return  # an engine of whoever has the stage now
    if failure:
        _fail_with(stage, failure)


def _unforeseen(error: Exception) -> str:
    return f"The stage could not be carried out or registered ({type(error).__name__}: {error}): the worker's log has the details."


def wake_waiting() -> None:
    """Cores are free: those whose turn it is are sent at once."""
    wake(cores.next_up(socket.gethostname()))


def claim(stage_id: int) -> Stage | None:
    """Take a stage that waits, or one whose owner is gone. None: done, taken, paused, not due, not its turn (`cores`, `places`)."""
    now = timezone.now()
    with transaction.atomic():
        host = socket.gethostname()
        resource = Stage.objects.filter(pk=stage_id).values_list("resource", flat=True).first()
        one_at_a_time(f"places of {resource}" if resource else f"cores of {host}")
        busy = Stage.objects.filter(state=StageState.RUNNING, lease_until__gte=now, host=host).exclude(pk=stage_id)
        busy = busy.filter(resource="")  # what runs on a cluster takes no core here
        used = busy.aggregate(total=Sum("cores"))["total"] or 0
        turn = places.turn(resource) if resource else Q(pk__in=cores.next_up(host))
        free = Q(state=StageState.PENDING) & cores.is_due(now) & turn
        abandoned = leases.lost_owner(now)
        owner = uuid.uuid4().hex
        # An engine that lost its worker may be at work still, whoever's turn it is. One planned for more cores than there are runs alone.
        room = Q(cores__lte=settings.ENGINE_CORES - used) | ~Q(resource="") if used else Q()
        unwatched_since = Stage.objects.filter(abandoned, pk=stage_id, resource="").values_list("lease_until", flat=True).first()
        taken = Stage.objects.filter(WANTED, queues.served(), free | abandoned & room, pk=stage_id).update(
            state=StageState.RUNNING, owner=owner, host=host, lease_until=leases.until(), message=""
        )
        if not taken:
            return None
        Stage.objects.filter(pk=stage_id, started_at=None).update(started_at=now)
    stage = Stage.objects.select_related("campaign", "cell").get(pk=stage_id)
    if unwatched_since is not None:
        _count_seconds(stage, _unwatched_seconds(stage, unwatched_since - timedelta(seconds=settings.STAGE_LEASE_S)))
    return stage


def _count_seconds(stage: Stage, seconds: float) -> None:
    """To a stage that is ours: who took it from us counts for himself."""
    Stage.objects.filter(pk=stage.pk, owner=stage.owner).update(seconds=F("seconds") + seconds)


def _unwatched_seconds(stage: Stage, since: datetime) -> float:
    """What an engine has worked since its worker last said that it lives: to this moment, or until it last wrote."""
    written = [path.stat().st_mtime for name in ENGINE_FILES if (path := stage.folder / name).exists()]
    until_s = time.time() if local.find(stage.folder) else max(written, default=0.0)
    return max(0.0, until_s - since.timestamp())


def _compute(stage: Stage) -> str:
    """See to it that the stage's engine runs to its end: `done`, `failed`, or `released` when it was paused or taken from us, or when
    this worker is to stop.
    """
    folder = stage.folder
    if job.has_result(folder):
        return "done"
    if not (folder / "spec.json").exists():
        job.write_spec(folder, stage.kind, specs.build(stage))
    if closing.is_set():
        return "released"  # the signal came after the claim
    child = local.find(folder) or _start(stage)
    last_renewal = time.monotonic()
    silence = Silence(folder)
    try:
        while child is not None and child.is_running():
            closing.wait(POLL_S)
            if time.monotonic() - last_renewal > settings.STAGE_LEASE_S / 4:
                seconds, last_renewal = time.monotonic() - last_renewal, time.monotonic()
                if not leases.renew(stage, seconds):
                    return "released"
                if silence.seconds() > limit_s(stage):
                    child.stop()
                    return "hung"
            if closing.is_set() or not _is_wanted(stage):
                return "released" if child.stop() else "left"
            if not child.is_running():
                child = local.find(folder)  # another process held the folder: wait for that one
    except BaseException:
        if child is not None:
            child.stop()
        raise
    finally:
        _count_seconds(stage, time.monotonic() - last_renewal)
    return "done" if job.has_result(folder) else "failed"


def _start(stage: Stage) -> local.Child:
    return local.start(settings.STAGE_MODULES[stage.kind], stage.folder, stage.cores)


def _is_wanted(stage: Stage) -> bool:
    return leases.unless_away(Stage.objects.filter(WANTED, pk=stage.pk).exists)


def _leave(stage: Stage) -> None:
    """`away`: its job is queued or runs, and the reconciler sends the stage when it is to be looked at again. `left`: the engine runs on
    another host, where the worker has died; that host stops it (see `reconcile`), after which the stage is free.
    """


def release(stage: Stage) -> None:
    """Give a stage back; the next owner goes on from the checkpoints in its folder."""
    Stage.objects.filter(pk=stage.pk, owner=stage.owner, state=StageState.RUNNING).update(
        state=StageState.PENDING, owner="", lease_until=None, sent_at=None
    )


def finish(stage: Stage) -> None:
    """Register the result and create what comes next, in one transaction. Nothing happens where the claim is no longer ours."""
    result = job.read_json(stage.folder / "result.json")
    if result is None:
        raise RuntimeError(f"{stage.folder}/result.json is not readable")
    with leases.held(stage) as is_ours:
        if not is_ours:
            return
        files = artefacts.hash_outputs(stage.folder, result)
    with transaction.atomic():
        mine = Stage.objects.filter(pk=stage.pk, owner=stage.owner, state=StageState.RUNNING).update(
            state=StageState.DONE,
            owner="",
            lease_until=None,
            finished_at=timezone.now(),
            startup_seconds=_startup_seconds(stage, result),
            cores_short=_cores_short(stage),
            labels_computed=_labels_of_all_attempts(stage, result),
            labels_found=result.get("labels_found") or 0,
            versions=result.get("versions") or {},
        )
        if not mine:
            return
        finished = Stage.objects.select_related("campaign", "cell").get(pk=stage.pk)
        ingest.ingest(finished, result, files)
        protocol.advance(finished.campaign)


def _startup_seconds(stage: Stage, result: dict[str, Any]) -> float:
    """Of the engine's own process, and of the programs that it started."""
    own = (job.read_json(stage.folder / "load.json") or {}).get("startup_seconds") or 0.0
    return own + (result.get("startup_seconds") or 0.0)


def _cores_short(stage: Stage) -> float | None:
    """Of its cores, how many other work used: what it measured then is not what the machine can. A cluster is another machine."""
    load = None if stage.resource else job.read_json(stage.folder / "load.json")
    return None if load is None else max(0.0, stage.cores + load["others_cores"] - load["n_cores"])


def fail(stage: Stage) -> None:
    """Keep the reason; try again from the checkpoints where the failure may pass by itself, else stop the campaign with what to do."""
    _fail_with(stage, job.read_json(stage.folder / "failure.json") or job.ended_silently(stage.folder))


def _labels_of_all_attempts(stage: Stage, said: dict[str, Any]) -> int:
    """A result or failure says how many labels were computed in its folder so far; attempts in other folders come on top."""
    failures = StageFailure.objects.filter(stage=stage).values_list("attempt").annotate(Max("labels_computed")).order_by()
    by_attempt = dict(failures)
    by_attempt[stage.attempt] = max(by_attempt.get(stage.attempt, 0), said.get("labels_computed") or 0)
    return sum(by_attempt.values())


def fail_hung(stage: Stage) -> None:
    waited = limit_s(stage)
    by = "SSEWEB_STAGE_SILENCE_S" if waited == settings.STAGE_SILENCE_S else "The time limit of a label"
    message = f"The engine wrote nothing for {waited:g} s and was stopped: it hangs. ({by} sets how long is waited.)"
    _fail_with(stage, {"message": message, "cause": "timeout", "permanent": False})


def _wait_for_storage(stages: QuerySet[Stage], message: str) -> None:
    """Wait and say why, without using up a try; where the row itself cannot be written, the reconciler comes back anyway."""
    due_at = timezone.now() + timedelta(seconds=STORAGE_DELAY_S)
    values = {"state": StageState.PENDING, "owner": "", "lease_until": None, "message": message, "cause": "disk_full", "due_at": due_at}
    try:
        stages.update(**values)
    except OperationalError as error:
        log.error("%s (and the database cannot be written: %s)", message, error)


def _fail_with(stage: Stage, failure: dict[str, Any]) -> None:
    if message := storage.trouble():  # whatever went wrong, this may be why
        _wait_for_storage(Stage.objects.filter(pk=stage.pk, owner=stage.owner, state=StageState.RUNNING), message)
        return
    tries = stage.tries + bool(failure.get("counts", True))
    again = not failure["permanent"] and tries < settings.STAGE_MAX_TRIES
    with transaction.atomic():
        mine = Stage.objects.filter(pk=stage.pk, owner=stage.owner, state=StageState.RUNNING).update(
            state=StageState.PENDING if again else StageState.FAILED,
            owner="",
            lease_until=None,
            tries=tries,
            labels_computed=_labels_of_all_attempts(stage, failure),
            message=failure["message"],
            cause=failure["cause"],
            due_at=timezone.now() + timedelta(seconds=cores.RETRY_DELAY_S * max(tries, 1)),
        )
        if mine:
            StageFailure.objects.create(
                stage=stage, attempt=stage.attempt, cause=failure["cause"], message=failure["message"], permanent=failure["permanent"],
                labels_computed=failure.get("labels_computed") or 0,
            )  # fmt: skip
        if mine and again and is_given_up(stage):
            Stage.objects.filter(pk=stage.pk).update(attempt=F("attempt") + 1)
        if mine and not again and stage.kind not in ASIDE:
            campaign = Campaign.objects.select_for_update().get(pk=stage.campaign_id)
            protocol.end(
                campaign,
                CampaignState.FAILED,
                f"{stage.get_kind_display().capitalize()} failed (loop {stage.loop}, step {stage.step}): "
                f"{failure['message'].rstrip('.')}. {WHAT_THEN.get(failure['cause'], MEND)}",
            )


def is_given_up(stage: Stage) -> bool:
    """Whether its folder has lost a file of a result and could not be gone on with since: another attempt then begins in a new one."""
    causes = list(stage.failures.filter(attempt=stage.attempt).values_list("cause", flat=True))
    return artefacts.LOST in causes[:-1]


def reconcile() -> int:
    """Send what is due and what lost its worker. Safe at any time, from anywhere; returns how many messages were sent."""
    now = timezone.now()
    _stop_orphans(now)
    stale = Q(sent_at=None) | Q(sent_at__lt=now - timedelta(seconds=RESEND_AFTER_S)) | Q(sent_at__gt=now + timedelta(seconds=1))
    abandoned = Stage.objects.filter(WANTED, leases.lost_owner(now))
    # A message from before the lease ran out was for its owner, or came too early.
    unsent = stale | Q(sent_at__lt=F("lease_until"))
    rows = (cores.due(now).filter(stale), abandoned.filter(unsent), cluster_stages.unwanted().filter(stale))
    due = [pk for found in rows for pk in found.values_list("pk", flat=True)[:100]]
    wake(due)
    return len(due)


def _stop_orphans(now: datetime) -> None:
    """Engines whose worker was killed, of campaigns that were paused or cancelled since: nobody else would stop them."""
    unfinished = [state for state in StageState if state != StageState.DONE]  # each by its name: so an index is used
    left = Stage.objects.filter(state__in=unfinished, lease_until__lt=now, job_state=JobState.NONE).exclude(WANTED)
    for stage in left.select_related("campaign"):
        child = local.find(stage.folder)
        if child is not None and not child.is_here:
            continue  # the reconciler of its own host stops it
        mine = Stage.objects.filter(pk=stage.pk, owner=stage.owner, lease_until=stage.lease_until).exclude(WANTED)
        if not mine.update(lease_until=leases.until()):
            continue  # a worker has it again
        if child is not None:
            log.warning("stopping the engine of %s: its campaign is not running", stage)
            child.stop()
        Stage.objects.filter(pk=stage.pk, owner=stage.owner, state=StageState.RUNNING).update(state=StageState.PENDING, owner="")
        Stage.objects.filter(pk=stage.pk, owner__in=(stage.owner, "")).update(lease_until=None)

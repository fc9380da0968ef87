"""Stages that run as jobs of a cluster: a worker looks at each now and then, and never waits for one.

A stage whose job is queued or runs stays RUNNING. Its lease ends when it is to be looked at again, and the reconciler sends it then; so
jobs of days take no thread, and no core of this machine. What the queue does not say is `unknown`, and nothing follows from it.
"""

import time
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from campaigns.cores import WANTED
from campaigns.engines import job
from campaigns.engines.runners import cluster
from campaigns.engines.runners.cluster import Job
from campaigns.engines.runners.profile import Profile
from campaigns.enums import JobState, StageState
from campaigns.models import Stage
from campaigns.services import resources, specs
from campaigns.services.errors import ServiceError
from campaigns.services.silence import limit_s

VISIT_S = 5.0  # files are looked at more often than the queue is asked
TALK_S = cluster.ANSWER_LIMIT_S + VISIT_S  # nobody else need look while the queue is spoken with
STOP_S = 2 * cluster.ANSWER_LIMIT_S
MORE_TIME = ("walltime", "job_lost")  # may have been the end of its time
SEEN = {"submitting": JobState.SUBMITTING, "queued": JobState.QUEUED, "running": JobState.RUNNING, "ending": JobState.RUNNING}


def longest_lease_s() -> float:
    """Of all that a stage of a cluster is given."""
    return max(TALK_S, STOP_S, settings.CLUSTER_POLL_S, settings.STAGE_LEASE_S)


def look(stage: Stage) -> str:
    """Submit, ask, or read what came out: `done`, `failed`, `hung`, or `away` while the job is queued or runs."""
    known = cluster.read(stage.folder)
    if verdict := _said(stage, known):
        return _over(stage, verdict)
    try:
        profile = resources.get(stage.resource).profile
    except (ServiceError, ValueError) as error:
        return _over(stage, "failed", _failure(stage, "no_resource", str(error), permanent=True))
    asked_s_ago = time.time() - known.asked_at
    if known.is_over or (known.state == "submitting" and asked_s_ago > settings.CLUSTER_POLL_S):
        return _submit(stage, profile)
    if known.state == "ending" or asked_s_ago > settings.CLUSTER_POLL_S:
        return _ask(stage, profile)
    return _away(stage, stage.job_state or SEEN[known.state])


def _said(stage: Stage, known: Job) -> str:
    """What the files say. That an engine died is not the last word: the queue may know why."""
    if job.has_result(stage.folder):
        return "done"
    failure = job.read_json(stage.folder / "failure.json")
    return "failed" if failure and not known.is_over and failure.get("cause") != "engine_died" else ""


def _submit(stage: Stage, profile: Profile) -> str:
    if not (stage.folder / "spec.json").exists():
        job.write_spec(stage.folder, stage.kind, specs.build(stage))
    if not _note(stage, JobState.SUBMITTING, TALK_S):
        return "away"  # cancelled meanwhile
    said = cluster.submit(settings.STAGE_MODULES[stage.kind], stage.folder, stage.resource, profile)
    if said.outcome == "refused":
        message = f"{stage.resource} refuses the job: {said.detail} An administrator can correct the resource."
        return _over(stage, "failed", _failure(stage, "cluster_refused", message, permanent=True))
    return _away(stage, JobState.UNKNOWN if said.outcome == "unknown" else SEEN[said.state])


def _ask(stage: Stage, profile: Profile) -> str:
    module = settings.STAGE_MODULES[stage.kind]
    if not _note(stage, stage.job_state, TALK_S):
        return "away"
    said = cluster.ask(module, stage.folder, stage.resource, profile)
    if said.outcome != "ok":
        return _away(stage, JobState.UNKNOWN)
    if said.state == "ended":
        return _over(stage, *_ended(stage, said))
    if said.state == "running" and cluster.seconds_of_silence(stage.folder) > limit_s(stage):
        if cluster.stop(module, stage.folder, stage.resource, profile).outcome == "ok":
            return _over(stage, "hung")
        return _away(stage, JobState.UNKNOWN)
    return _away(stage, SEEN[said.state])


def _ended(stage: Stage, said: Job) -> tuple[str, dict[str, Any] | None]:
    """A job that is gone: its last files, or why there are none."""
    if job.has_result(stage.folder):
        return "done", None
    failure = job.read_json(stage.folder / "failure.json")
    if failure and said.cause in ("job_lost", "engine_died"):
        return "failed", None
    advanced = _advanced(stage, said)
    if advanced:
        words = "The next job goes on from the last checkpoint."
    else:
        words = f"It came no further than the job before{': ask for more time' if said.cause in MORE_TIME else ''}."
    return "failed", _failure(stage, said.cause, f"{said.detail} (Job {said.job_id} on {stage.resource}.) {words}", counts=not advanced)


def _advanced(stage: Stage, said: Job) -> bool:
    """Such a job has earned another, whatever ended it: only Slurm says that it was a time limit or a node, and not for long."""
    progress = job.read_json(stage.folder / "progress.json")
    return bool(progress) and progress["done"] > said.progress_before


def _failure(stage: Stage, cause: str, message: str, *, permanent: bool = False, counts: bool = True) -> dict[str, Any]:
    return {"message": message, "cause": cause, "permanent": permanent, "counts": counts, "log_tail": job.log_tail(stage.folder)}


def _over(stage: Stage, verdict: str, failure: dict[str, Any] | None = None) -> str:
    """No job is left, and what it took is counted, once. Who was frozen until the stage was another's leaves its files alone."""
    seconds = 0.0 if cluster.read(stage.folder).state in ("", cluster.CLOSED) else cluster.seconds_at_work(stage.folder)
    if not cluster.close(stage.folder, lambda: _note(stage, stage.job_state, TALK_S), failure):
        return _away(stage, stage.job_state)
    Stage.objects.filter(pk=stage.pk, owner=stage.owner).update(job_state=JobState.NONE, seconds=F("seconds") + seconds)
    return verdict


def _away(stage: Stage, state: str) -> str:
    _note(stage, state, settings.CLUSTER_POLL_S if state == JobState.UNKNOWN else min(VISIT_S, settings.CLUSTER_POLL_S))
    return "away"


def _note(stage: Stage, state: str, seconds: float) -> bool:
    """Say how the job stands, and that nobody else need look at it for so long. False: the stage is not ours any more."""
    values: dict[str, Any] = {"job_state": state, "lease_until": timezone.now() + timedelta(seconds=seconds), "sent_at": None}
    return bool(Stage.objects.filter(pk=stage.pk, owner=stage.owner, state=StageState.RUNNING).update(**values))


def unwanted() -> Any:
    """Stages with a job that nobody wants any more: their campaign was paused or cancelled, or has failed."""
    gone = Q(lease_until=None) | Q(lease_until__lt=timezone.now())
    with_job = Stage.objects.filter(job_state__gt=JobState.NONE).order_by("job_state")  # by its index, which holds no others
    return with_job.filter(gone).exclude(WANTED)


def stop_unwanted(stage_id: int) -> None:
    """Cancel the job of such a stage. Where the cluster is not reached, the reconciler has it tried again."""
    owner = uuid.uuid4().hex
    if not unwanted().filter(pk=stage_id).update(owner=owner, lease_until=timezone.now() + timedelta(seconds=STOP_S)):
        return
    stage = Stage.objects.select_related("campaign").get(pk=stage_id)
    mine = Stage.objects.filter(pk=stage_id, owner=owner)
    try:
        profile = resources.get(stage.resource).profile
    except (ServiceError, ValueError):
        said = Job()  # an administrator has removed it with its jobs
    else:
        said = cluster.stop(settings.STAGE_MODULES[stage.kind], stage.folder, stage.resource, profile)
    if said.outcome != "ok":
        mine.update(lease_until=timezone.now() + timedelta(seconds=settings.CLUSTER_POLL_S), sent_at=None)
        return
    mine.filter(state=StageState.RUNNING).update(state=StageState.PENDING)
    mine.update(job_state=JobState.NONE, owner="", lease_until=None)

"""Resources of clusters: defined from the machine files that DP-GEN users have, checked by a job, removed when nothing needs them."""

import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from campaigns.engines import backends, hello, job
from campaigns.engines.backends import BACKENDS, DEFAULT, PYTORCH, Backend
from campaigns.engines.runners import cluster, profile
from campaigns.engines.runners.profile import Profile, ProfileRefused
from campaigns.enums import ENDED, JobState, StageKind
from campaigns.models import Campaign, Resource, Stage
from campaigns.services.errors import BadInput, WrongState

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,29}")
PURPOSES = {"": "", "train": "-train", "model_devi": "-explore", "fp": "-label"}  # what DP-GEN's sections are called here
HELLO = "campaigns.engines.hello"
MAX_JOBS = 10000
WITHOUT_QUEUE = "Shell"  # one job at a time, as nobody else keeps them apart


@dataclass(frozen=True)
class Found:
    """What a check found: `is_ready`, and why not or what is there in a sentence."""

    is_ready: bool
    message: str


def add(name: str, document: Any, python: str = "", backend: str = "", max_jobs: int | None = None) -> list[tuple[Resource, list[str]]]:
    """Define a resource, or one for each section of a DP-GEN file; each with remarks on what is not used. Raises BadInput.

    `max_jobs` at a time; 0: no limit; None: none where a queue keeps jobs apart, else one.
    """
    if not NAME.fullmatch(name):
        raise BadInput(f"{name!r} is no name for a resource: use up to 30 small letters, digits and hyphens, such as gpu-queue.")
    try:
        found = profile.read(document, python, backend)
    except ProfileRefused as error:
        raise BadInput(f"{name} cannot be used: {error}.", error.problems) from error
    wanted = {name + PURPOSES[section]: one for section, one in found.items()}
    with transaction.atomic():
        if known := sorted(Resource.objects.filter(name__in=wanted).values_list("name", flat=True)):
            raise BadInput(f"There is a resource {', '.join(known)} already: remove it first, or choose another name.")
        return [
            (Resource.objects.create(name=one, definition=chosen.to_json(), max_jobs=_at_a_time(chosen, max_jobs)), chosen.notes)
            for one, chosen in wanted.items()
        ]


def limit(name: str, max_jobs: int) -> Resource:
    """How many jobs the resource takes at a time; 0: no limit. Jobs that it has already go on. Raises BadInput."""
    resource = get(name)
    resource.max_jobs = _at_a_time(resource.profile, max_jobs)
    resource.save(update_fields=["max_jobs"])
    return resource


def _at_a_time(chosen: Profile, max_jobs: int | None) -> int | None:
    if max_jobs is None:
        return 1 if chosen.batch_type == WITHOUT_QUEUE else None
    if not 0 <= max_jobs <= MAX_JOBS:
        raise BadInput(f"The number of jobs at a time must be between 1 and {MAX_JOBS}, or 0 for no limit; not {max_jobs}.")
    return max_jobs or None


def remove(name: str, force: bool = False) -> None:
    """Raises WrongState while campaigns need it. `force`: jobs that it may still have are forgotten, and stages that want it fail."""
    resource = get(name)
    jobs = Stage.objects.filter(resource=name).exclude(job_state=JobState.NONE)
    users = [campaign for campaign in Campaign.objects.exclude(state__in=ENDED) if name in campaign.resources.values()]
    if not force and (jobs.exists() or users):
        numbers = ", ".join(str(campaign.pk) for campaign in users) or "that has ended"
        raise WrongState(f"{name} is needed by campaign {numbers}: let it end or cancel it first, or remove the resource with --force.")
    with transaction.atomic():
        jobs.update(job_state=JobState.NONE)
        resource.delete()


def get(name: str) -> Resource:
    """Raises BadInput where there is none of this name."""
    found = Resource.objects.filter(name=name).first()
    if found is None:
        known = ", ".join(Resource.objects.values_list("name", flat=True)) or "none yet"
        raise BadInput(f"There is no resource {name} (there is: {known}). An administrator adds one: manage.py resource add.")
    return found


def problems(wanted: Any, kinds: tuple[str, ...]) -> dict[str, str]:
    """What is wrong with the resources that a campaign asks for, as `{kind: name}`."""
    if not isinstance(wanted, dict):
        return {"": "give a resource for each kind of stage, such as train: gpu-queue"}
    known = dict(Resource.objects.values_list("name", "definition")) if wanted else {}
    found = {}
    for kind, name in wanted.items():
        if kind not in kinds:
            found[str(kind)] = f"only {', '.join(kinds)} can be sent to a cluster"
        elif not isinstance(name, str) or name not in known:
            found[kind] = f"there is no resource {name!r}; there is: {', '.join(sorted(known)) or 'none'}"
    return found or _other_backend(wanted, {name: _backend(definition) for name, definition in known.items()})


def _backend(definition: dict[str, Any]) -> Backend:
    """Of a resource as it is kept; one of an earlier release says none."""
    return BACKENDS[definition.get("backend", DEFAULT)]


def _other_backend(wanted: dict[str, str], known: dict[str, Backend]) -> dict[str, str]:
    """Dynamics load the model that the training wrote: where they run, its backend must be there. PyTorch's environment has both."""
    trained = known[wanted[StageKind.TRAIN]] if StageKind.TRAIN in wanted else BACKENDS[DEFAULT]
    found = {}
    for kind in (StageKind.EXPLORE, StageKind.EVALUATE) if trained is PYTORCH else ():
        name, lacking = wanted.get(kind), ""
        if name is None:
            lacking = (here := backends.missing(trained)) and f"this machine lacks {here}"
        elif known[name] is not trained:
            lacking = f"{name} is of the {known[name].title} backend"
        if lacking:
            found[kind] = f"{wanted[StageKind.TRAIN]} trains with {trained.title}, and {lacking}: choose a resource of that backend"
    return found


def check(name: str, limit_s: float, poll_s: float = 2.0) -> Found:
    """Send a job that only says hello, and wait for its answer. Raises BadInput where there is no such resource."""
    chosen = get(name).profile
    folder = settings.DATA_DIR / "resource-checks" / f"{name}-{time.time_ns()}"
    job.write_spec(folder, "hello", hello.HelloSpec(chosen.backend.name))
    try:
        return _ask_until(folder, name, chosen, time.monotonic() + limit_s, poll_s)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ask_until(folder: Path, name: str, chosen: Profile, deadline: float, poll_s: float) -> Found:
    said = cluster.submit(HELLO, folder, name, chosen)
    while said.outcome == "ok" and said.state != "ended" and time.monotonic() < deadline:
        time.sleep(poll_s)
        if answer := job.read_json(folder / "result.json") or job.read_json(folder / "failure.json"):
            return _words(name, chosen, answer)
        said = cluster.ask(HELLO, folder, name, chosen)
    if answer := job.read_json(folder / "result.json"):
        return _words(name, chosen, answer)
    tail = job.log_tail(folder, 3)
    if said.outcome != "ok":
        return Found(False, f"{name} cannot be used now: {said.detail}")
    if said.is_over:
        return Found(False, f"The job on {name} ended without an answer. {said.detail} {tail}".strip())
    cluster.stop(HELLO, folder, name, chosen)
    where = "still in the queue" if said.state == "queued" else said.state
    return Found(False, f"Job {said.job_id} on {name} was {where} when the time for this check was up; it was cancelled. {tail}".strip())


def _words(name: str, chosen: Profile, answer: dict[str, Any]) -> Found:
    if "host" not in answer:
        return Found(False, f"The job on {name} failed: {answer.get('message')}")
    missing = answer["missing"]
    if missing:
        return Found(False, f"{chosen.python} on {answer['host']} lacks {', '.join(missing)}: install this program there, or name another "
                            "Python with --python.")  # fmt: skip
    return Found(True, f"{name} is ready: a job ran on {answer['host']} with Python {answer['python']} and {answer['cores']} cores.")

"""Runs a stage's engine as a job of a queueing system: submitted, looked at now and then, cancelled. Nothing here blocks for long.

`result.json` and `failure.json` in the stage folder are the truth about what a job did; the queue is only asked whether it still is
at it. What is known of the job stands in `job.json` (campaigns/engines/runners/dispatch.py writes it).
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from campaigns.engines.environment import without_secrets
from campaigns.engines.job import read_json, write_json
from campaigns.engines.runners.dispatch import CLOSED, OVER, RECORD, ROOT, CouldNotAsk, alone
from campaigns.engines.runners.profile import Profile

ANSWER_LIMIT_S = 60.0
OURS = ("job.json", "job.lock", "result.json", "failure.json")


@dataclass(frozen=True)
class Job:
    """What is known of a stage's job. `state`: submitting | queued | running | ending | ended | stopped | closed; '' where there is none.

    `asked_at` and `submitted_at` are seconds since the epoch by the clock of the machine that asks. `progress_before` is the progress when
    it was submitted, in the engine's own units. `waits_for`: what the queue says why a queued job does not start.
    """

    state: str = ""
    job_id: str = ""
    resource: str = ""
    name: str = ""
    detail: str = ""
    waits_for: str = ""
    cause: str = ""
    asked_at: float = 0.0
    submitted_at: float | None = None
    progress_before: float = 0.0
    outcome: str = "ok"

    @property
    def is_over(self) -> bool:
        return self.state in OVER


def _job(record: dict[str, Any]) -> Job:
    return Job(**{name: value for name, value in record.items() if name in Job.__dataclass_fields__})


def read(folder: Path) -> Job:
    """The job of a stage as it was last heard of."""
    return _job(read_json(folder / RECORD) or {})


def submit(module: str, folder: Path, resource: str, profile: Profile) -> Job:
    """Submit `python -m module folder`, or find the job where an earlier try to submit it was cut off."""
    return _dispatch("submit", folder, resource, profile, module)


def ask(module: str, folder: Path, resource: str, profile: Profile) -> Job:
    return _dispatch("ask", folder, resource, profile, module)


def stop(module: str, folder: Path, resource: str, profile: Profile) -> Job:
    """Cancel the job. Its checkpoints stay."""
    return _dispatch("stop", folder, resource, profile, module)


def close(folder: Path, is_ours: Callable[[], bool], failure: dict[str, Any] | None = None) -> bool:
    """The job has said how it ended, or `failure` says it: a later try is a new one. Whether the stage is still ours is asked while nobody
    else can talk about its job; False: it is not, or somebody is talking, and nothing was written."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with alone(folder):
            if not is_ours():
                return False
            if failure:
                write_json(folder / "failure.json", failure)
            if record := read_json(folder / RECORD):
                write_json(folder / RECORD, record | {"state": CLOSED})
    except CouldNotAsk:
        return False
    return True


def _dispatch(verb: str, folder: Path, resource: str, profile: Profile, module: str) -> Job:
    """An answer that does not come in time is `unknown`, like every lost connection."""
    request = json.dumps({"resource": resource, "profile": profile.to_json(), "module": module})
    argv = [sys.executable, "-W", "ignore", "-m", "campaigns.engines.runners.dispatch", verb, str(folder)]
    environment = without_secrets(PYTHONPATH=os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])))
    # Its own session: a worker that is killed does not take it along between the submission and its record. dpdispatcher keeps a log in
    # the folder that it starts in.
    with tempfile.TemporaryDirectory(prefix="sseweb-dispatch-", ignore_cleanup_errors=True) as away, subprocess.Popen(
        argv, cwd=away, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            output, errors = process.communicate(request, timeout=ANSWER_LIMIT_S)
            return _job(json.loads(output))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return Job(outcome="unknown", detail=f"there was no answer within {ANSWER_LIMIT_S:g} s")
        except json.JSONDecodeError:
            return Job(outcome="unknown", detail=(errors.strip().splitlines() or ["the question was cut off"])[-1][:400])


def seconds_at_work(folder: Path) -> float:
    """From the start of the engine to the last that it wrote, by the clock of the file system alone."""
    began = _written_at(folder / "child.json")
    ended = max((_written_at(folder / name) for name in ("log", "progress.json", "result.json", "failure.json")), default=0.0)
    return max(0.0, ended - began) if began else 0.0


def seconds_of_silence(folder: Path) -> float:
    """How long a job has written nothing, by the clock of the file system: from its last file to the last time we wrote ours.

    That it was seen to start is a file as well: the others may be days old then, of its submission or of the job before.
    """
    last = 0.0
    for path in folder.rglob("*"):
        if path.name not in OURS and not path.is_dir():
            last = max(last, _written_at(path))
    return _written_at(folder / RECORD) - last if last else 0.0


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # replaced or removed meanwhile
        return 0.0

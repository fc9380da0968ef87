"""Talks with a queueing system about the job of one stage, through dpdispatcher: submit it, ask for it, stop it.

    python -m campaigns.engines.runners.dispatch submit|ask|stop FOLDER

The request comes as JSON on standard input, the answer goes as JSON to standard output. It is a process of its own because
dpdispatcher blocks: whoever waits for the answer sets a limit, and no answer means that nothing is known, never that a job failed.

`job.json` in the stage folder is the record of the job. It says `submitting` before the job is submitted: who finds it so asks the
queue for the job's name before it submits again. A Slurm job is also a singleton of its name, and every engine holds the lock of its
folder: a job that was submitted twice still runs once.
"""

import fcntl
import hashlib
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from campaigns.engines import job as stage_folder
from campaigns.engines.runners import words
from campaigns.engines.runners.profile import Profile, ProfileRefused, from_json

ROOT = Path(__file__).resolve().parents[3]
RECORD = "job.json"
STARTED = "started"  # written when a job is first seen at work: until then its folder is as old as its place in the queue
CLOSED = "closed"
OVER = ("", "ended", "stopped", CLOSED)
FULL = "The queue does not take the job now, and it is tried again. It says: {}"


class CouldNotAsk(Exception):
    """The queueing system gave no answer. Nothing follows from that."""


class Refused(Exception):
    """The queueing system does not want the job: asking again would not help."""


class Full(Exception):
    """The queueing system takes no more jobs now. It says so in its own words."""


class _Declined(RuntimeError):
    """What the queueing system answered instead of taking the job."""


class _NoWaiting:
    """dpdispatcher sleeps for a minute when its queueing system does not answer. We would rather know, and come back."""

    time = staticmethod(time.time)

    @staticmethod
    def sleep(seconds: float) -> None:
        error = sys.exc_info()[1]
        if isinstance(error.__cause__, _Declined):  # bsub answered: dpdispatcher would ask LSF again whatever it says
            raise error.__cause__
        raise CouldNotAsk(f"the queueing system does not answer: {error}")


def job_name(folder: Path) -> str:
    """Unique to the stage folder, at most 15 characters (PBS)."""
    return "sse-" + hashlib.sha256(str(folder).encode()).hexdigest()[:10]


class Dispatcher:
    """One stage's job on one machine, as dpdispatcher sees it."""

    def __init__(self, folder: Path, number: int, profile: Profile, module: str) -> None:
        import dpdispatcher.utils.utils
        from dpdispatcher import Machine, Resources, Submission, Task

        dpdispatcher.utils.utils.time = _NoWaiting
        self.folder, self.name, self.batch_type = folder, job_name(folder), profile.batch_type
        self.own = folder / f"job-{number}"
        self.own.mkdir(exist_ok=True)
        root = str(self.own)
        context = {"context_type": "LazyLocalContext"} if not profile.is_remote else profile.machine | {"create_remote_root": False}
        machine = {"batch_type": profile.batch_type, "local_root": root, "remote_root": root, "retry_count": 0} | context
        try:
            self.machine = Machine.load_from_dict(machine)
        except FileNotFoundError as error:
            if error.filename is None:  # said by the other machine: one of ours would have its name
                raise Refused(self._not_shared()) from error
            raise
        task = Task(self._command(profile, module), ".", outlog=None, errlog=None, task_name=self.name)
        resources = Resources.load_from_dict(self._resources(profile))
        submission = Submission(".", machine=self.machine, resources=resources, task_list=[task])
        submission.generate_jobs()
        (self.job,) = submission.belonging_jobs

    def _not_shared(self) -> str:
        where = f"it does not see {self.folder}: a job works in the stage's own folder"
        return f"{where}, so the data folder must be shared with the cluster, under the same path."

    def _command(self, profile: Profile, module: str) -> str:
        log = shlex.quote(str(self.folder / "log"))
        return f"{shlex.join([profile.python, '-m', module, str(self.folder)])} >> {log} 2>&1"

    def _resources(self, profile: Profile) -> dict[str, Any]:
        """The profile's, with what our programs need, and the flags that keep a job from running twice."""
        given = profile.resources
        path = ":".join(filter(None, [str(ROOT), given["envs"].get("PYTHONPATH", "")]))
        envs = {"OMP_NUM_THREADS": profile.cores, "PYTHONUNBUFFERED": 1} | given["envs"] | {"PYTHONPATH": path}
        singleton = ["#SBATCH --dependency=singleton"] if profile.batch_type == "Slurm" else []
        return given | {"envs": envs, "custom_flags": [*given["custom_flags"], *singleton]}

    def call(self, command: str) -> tuple[int, str, str]:
        status, _, output, errors = self.machine.context.block_call(command)
        return status, output.read().decode(errors="replace"), errors.read().decode(errors="replace")

    def submit(self) -> str:
        """The job's id. Raises Refused, Full or CouldNotAsk."""
        if self.call(f"test -f {shlex.quote(str(self.folder / 'spec.json'))}")[0] != 0:
            raise Refused(self._not_shared())
        self.machine.context.block_call = _insisting(self.machine.context.block_call)
        try:
            return str(self.machine.do_submit(self.job))
        except _Declined as error:
            said = str(error)
            if words.is_full(said):
                raise Full(words.of_a_refusal(said)) from error
            if not said.strip() or words.UNREACHED.search(said):  # nothing is what a connection says that broke
                raise CouldNotAsk(words.last_words(said)) from error
            raise Refused(words.of_a_refusal(said)) from error
        finally:
            del self.machine.context.block_call

    def state(self, job_id: str) -> str:
        """queued | running | gone. Raises CouldNotAsk."""
        from dpdispatcher.utils.job_status import JobStatus

        states = {JobStatus.waiting: "queued", JobStatus.running: "running", JobStatus.completing: "running",
                  JobStatus.finished: "gone", JobStatus.terminated: "gone"}  # fmt: skip
        self.job.job_id = job_id
        try:
            status = self.machine.check_status(self.job)
        except RuntimeError as error:
            raise CouldNotAsk(words.last_words(str(error))) from error
        if status not in states:
            raise CouldNotAsk("the queueing system gives the job a state that is not known")
        return states[status]

    def find(self) -> list[str]:
        """Ids of this stage's jobs in the queue, by name. Raises CouldNotAsk."""
        script = self.job.script_file_name.lstrip(".")
        commands = {
            "Slurm": f"squeue -h -n {self.name} -o %i",
            "PBS": f"qselect -N {self.name}",
            "Torque": f"qselect -N {self.name}",
            "LSF": f"bjobs -noheader -o jobid -J {self.name}",
            # The bracket keeps the pattern from finding the shell that it stands in.
            "Shell": f"pgrep -f 'bash [.]{script}'",
        }
        status, output, errors = self.call(commands[self.batch_type])
        if status != 0 and not ((self.batch_type == "Shell" and status == 1) or "is not found" in errors):
            raise CouldNotAsk(words.last_words(errors))
        return output.split()

    def kill(self, job_id: str) -> None:
        if self.batch_type == "Shell":  # all that the script started, not the script alone
            self.call(f'kill -s TERM -- "-$(ps -o pgid= -p {int(job_id)} | tr -d " ")"')
            return
        self.job.job_id = job_id
        self.machine.kill(self.job)

    def ending(self, job_id: str) -> tuple[str, str]:
        """Cause and words for a job that is gone, as far as the queueing system still knows."""
        if self.batch_type != "Slurm":
            return words.UNKNOWN_END
        return words.ending(self.call(f"scontrol -o show job {shlex.quote(job_id)}")[1])

    def why_waiting(self, job_id: str) -> str:
        """What the queueing system waits for; '' where it does not say."""
        if self.batch_type not in words.WHY_WAITING:
            return ""
        status, output, _ = self.call(words.WHY_WAITING[self.batch_type][0].format(shlex.quote(job_id)))
        return words.why_waiting(self.batch_type, output) if status == 0 else ""


def _insisting(block_call: Callable[[str], Any]) -> Callable[[str], Any]:
    """Of a submission that fails dpdispatcher keeps some of what the queue says to itself, and repeats others: here it is said."""

    def call(command: str) -> Any:
        answer = block_call(command)
        if answer[0] != 0:
            raise _Declined(answer[3].read().decode(errors="replace"))
        return answer

    return call


# --- what can be asked for ------------------------------------------------------------------------


def submit(folder: Path, request: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """Submit, unless an earlier try of the same submission is in the queue already, or its job is not over yet."""
    adopted, state = [], record.get("state", "")
    if state not in ("submitting", *OVER):
        return record  # another worker was first: a second job would take the folder from the one that works there
    if state in OVER:
        progress = stage_folder.read_json(folder / "progress.json") or {}
        _forget_the_last_job(folder)
        record = {
            "resource": request["resource"],
            "name": job_name(folder),
            "job_id": "",
            "state": "submitting",
            "number": record.get("number", 0) + 1,
            "progress_before": progress.get("done", 0),
        }
        _write(folder, record)
        dispatcher = _dispatcher(folder, record, request)
    else:
        dispatcher = _dispatcher(folder, record, request)
        written = [path.read_text().strip() for path in dispatcher.own.rglob("*_job_id")]
        adopted = dispatcher.find() or written
    try:
        job_id = adopted[0] if adopted else dispatcher.submit()
    except Full as error:
        return record | {"detail": FULL.format(error)}
    return record | {"job_id": job_id, "state": "queued", "detail": "", "submitted_at": time.time()}


def _forget_the_last_job(folder: Path) -> None:
    """Only where none of its processes is left: by `child.json` an engine knows that the folder is still its own. Raises CouldNotAsk."""
    try:
        with stage_folder.folder_lock(folder):
            for name in ("failure.json", "child.json", "under_way.json"):
                (folder / name).unlink(missing_ok=True)
    except stage_folder.FolderBusy as error:
        raise CouldNotAsk("the engine of the last job still works in the folder") from error


def ask(folder: Path, request: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """A job that is gone is `ending` at first: its last files may not have reached this machine yet."""
    dispatcher = _dispatcher(folder, record, request)
    state = dispatcher.state(record["job_id"])
    if state == "queued":
        return record | {"state": state, "detail": "", "waits_for": dispatcher.why_waiting(record["job_id"])}
    if state == "running":
        if record["state"] != state:
            (dispatcher.own / STARTED).touch()
        return record | {"state": state, "detail": ""}
    if others := [job_id for job_id in dispatcher.find() if job_id != record["job_id"]]:
        return record | {"job_id": others[0], "state": "queued", "detail": ""}  # it was submitted twice: the other one does the work
    if record["state"] != "ending":
        return record | {"state": "ending", "detail": ""}
    cause, detail = dispatcher.ending(record["job_id"])
    return record | {"state": "ended", "cause": cause, "detail": detail}


def stop(folder: Path, request: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """Cancel every job of this name, and see that they are gone."""
    if record.get("state", "") in OVER:
        return record
    dispatcher = _dispatcher(folder, record, request)
    jobs = {*dispatcher.find(), *filter(None, [record["job_id"]])}
    for job_id in jobs:
        dispatcher.kill(job_id)
    for job_id in jobs:
        if dispatcher.state(job_id) == "queued":
            raise CouldNotAsk("the job is still in the queue")
    return record | {"state": "stopped", "detail": ""}


def _dispatcher(folder: Path, record: dict[str, Any], request: dict[str, Any]) -> Dispatcher:
    return Dispatcher(folder, record["number"], from_json(request["profile"]), request["module"])


def _read(folder: Path) -> dict[str, Any]:
    return stage_folder.read_json(folder / RECORD) or {}


def _write(folder: Path, record: dict[str, Any]) -> None:
    stage_folder.write_json(folder / RECORD, record)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time talks about a job. Raises CouldNotAsk."""
    with (folder / "job.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CouldNotAsk("another worker is talking with the queueing system") from error
        yield


def answer(verb: str, folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """What the queueing system said: the record as it is written down, with `outcome`: ok | unknown | refused."""
    try:
        with alone(folder):
            return _answer(verb, folder, request)
    except CouldNotAsk as error:
        return {"outcome": "unknown", "detail": str(error)}


def _answer(verb: str, folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    outcome, detail = "ok", {}
    try:
        _write(folder, {"submit": submit, "ask": ask, "stop": stop}[verb](folder, request, _read(folder)))
    except (Refused, ProfileRefused) as error:
        outcome, detail = "refused", {"detail": str(error)}
    except Exception as error:  # a lost connection has many names, and none of them says anything about the job
        outcome, detail = "unknown", {"detail": words.last_words(str(error) or type(error).__name__)}
    record = _read(folder) | detail | {"asked_at": time.time()}
    _write(folder, record)
    return record | {"outcome": outcome}


def main() -> None:
    """Standard output is for the answer alone: dpdispatcher's own messages go where errors go."""
    with os.fdopen(os.dup(1), "w") as stream:
        os.dup2(2, 1)
        json.dump(answer(sys.argv[1], Path(sys.argv[2]), json.load(sys.stdin)), stream)


if __name__ == "__main__":
    main()

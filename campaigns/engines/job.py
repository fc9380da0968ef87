"""The stage folder: the contract between the database and the physics.

A stage is one folder. `spec.json` says everything the stage needs; `progress.json` (replaced atomically) says how far
it is; `log` is what it prints; `result.json` (written, fsynced, renamed: never half) is the last file, after all that it
names, and is never computed again; `failure.json` says why there is none; `load.json` how busy other work kept the machine,
and how long the engine took to start.

    python -m campaigns.engines.train FOLDER

does one stage, by hand, under a worker or under a queueing system. A file lock held by the process itself keeps an
orphan and its successor from computing twice; a stage that is started again in the same folder goes on from its own
checkpoints.
"""

import contextlib
import dataclasses
import errno
import fcntl
import functools
import json
import os
import socket
import sys
import time
import traceback
import types
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil

from campaigns.engines import disk, memory, outputs, startup
from campaigns.engines.load import Load

SCHEMA_VERSION = 1
LOG_TAIL_LINES = 40
PROCESS_FILES = frozenset({"lock", "child.json", "load.json"})  # of the process that works in the folder: nobody else needs them

Spec = TypeVar("Spec")


class EngineFailed(Exception):
    """A stage could not be done. The message says what happened, why, and what to do; a user reads it.

    `permanent` is False where the same stage may succeed when it is tried again (a killed process, a full disk).
    `cause` is one word for the cost ledger: `engine_missing`, `engine_died`, `timeout`, `disk_full`, `bad_input`,
    `bad_output`, `unphysical`. `labels_computed`: reference calculations that were spent in this folder so far, by earlier tries too.
    """

    labels_computed = 0

    def __init__(self, message: str, *, cause: str, permanent: bool, log_tail: str = "") -> None:
        super().__init__(message)
        self.cause = cause
        self.permanent = permanent
        self.log_tail = log_tail


class FolderBusy(Exception):
    """Another process holds the lock of this stage folder: it is computing the same stage now."""


class Progress:
    """Reports how far a stage is: `Progress(folder)(120, 500, "MD steps", "NVT at 600 K")`.

    At most one write a half second, and always the last. `is_ours` is asked before each: an engine of a host that was cut off, whose stage
    another host has taken over, ends here by FolderBusy and writes nothing over its successor's files.
    """

    def __init__(self, folder: Path, min_interval_s: float = 0.5, is_ours: Callable[[], bool] = lambda: True) -> None:
        self._path = folder / "progress.json"
        self._is_ours = is_ours
        self._min_interval_s = min_interval_s
        self._last = 0.0
        self._started_at = time.time()
        self._reported = 0.0
        self._done_before: float | None = None  # by processes before this one, which were killed
        self._paced: tuple[float, float] | None = None  # when the first work was done, and how much: a start-up tells no speed

    def __call__(self, done: float, total: float, unit: str, message: str = "") -> None:
        now = time.time()
        if self._done_before is None or done < self._reported:  # it starts again, as a training with another batch size does
            self._started_at, self._done_before, self._paced = now, done, None
        if self._paced is None and done > self._done_before:
            self._paced = now, done
        self._reported = done
        if done < total and now - self._last < self._min_interval_s:
            return
        self._last = now
        if not self._is_ours():
            raise FolderBusy(str(self._path.parent))
        write_json(
            self._path,
            {
                "done": done,
                "total": total,
                "unit": unit,
                "message": message,
                "started_at": self._started_at,
                "updated_at": now,
                "done_before": self._done_before,
                "paced_from": self._paced,
            },
            durable=False,
        )


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Write JSON so that a reader sees the old file or the new one, never a half. `durable` also survives a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump(value, stream, indent=1, allow_nan=False)
        stream.flush()
        if durable:
            os.fsync(stream.fileno())
    os.replace(temporary, path)
    if durable:
        outputs.sync(path.parent)


def read_json(path: Path) -> Any | None:
    """The JSON of a file, or None where there is none (or it is not whole: another program wrote it)."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
        return None


def has_result(folder: Path) -> bool:
    """Whether the stage is done. A result that is not whole (a full disk, a file system that lost it) is set aside, and counts as a
    failure: it is computed again from the checkpoints.
    """
    path = folder / "result.json"
    if not path.exists():
        return False
    if read_json(path) is not None:
        return True
    os.replace(path, path.with_suffix(".json.unreadable"))
    message = "The result was not written whole: was the disk full? It is set aside and made again."
    write_json(folder / "failure.json", {"message": message, "cause": "disk_full", "permanent": False, "log_tail": log_tail(folder)})
    return False


def to_json(value: Any) -> Any:
    """Dataclasses, tuples and paths as plain JSON values; a number that is not finite becomes null (JSON has none)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item") and not isinstance(value, str):  # a numpy scalar
        value = value.item()
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def from_json(kind: Any, value: Any) -> Any:
    """The inverse of `to_json` for the types that specs use: dataclasses, tuples, lists, dicts, optionals, scalars.

    Raises ValueError where a key is unknown or missing: a spec of another version must not be half understood.
    """
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass_from_json(kind, value)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return from_json(next(arm for arm in typing.get_args(kind) if arm is not type(None)), value)
    if origin is tuple:
        arms = typing.get_args(kind)
        if len(arms) == 2 and arms[1] is Ellipsis:
            return tuple(from_json(arms[0], item) for item in value)
        return tuple(from_json(arm, item) for arm, item in zip(arms, value, strict=True))
    if origin is list:
        return [from_json(typing.get_args(kind)[0], item) for item in value]
    if origin is dict:
        return {key: from_json(typing.get_args(kind)[1], item) for key, item in value.items()}
    if kind is float and isinstance(value, int):
        return float(value)
    return value


def _dataclass_from_json(kind: Any, value: dict[str, Any]) -> Any:
    hints = typing.get_type_hints(kind)
    unknown = set(value) - set(hints)
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    try:
        return kind(**{name: from_json(hints[name], item) for name, item in value.items()})
    except TypeError as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


def write_spec(folder: Path, kind: str, spec: Any) -> None:
    """Write `spec.json`; an equal one that is there already stays as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "spec.json", {"schema_version": SCHEMA_VERSION, "kind": kind, "spec": to_json(spec)})


def read_spec(folder: Path, spec_type: type[Spec]) -> Spec:
    document = read_json(folder / "spec.json")
    if document is None:
        raise EngineFailed(f"{folder} has no readable spec.json", cause="bad_input", permanent=True)
    if document.get("schema_version") != SCHEMA_VERSION:
        raise EngineFailed(
            f"spec.json has schema version {document.get('schema_version')}, this program reads "
            f"{SCHEMA_VERSION}: run it with the release that wrote it",
            cause="bad_input",
            permanent=True,
        )
    return from_json(spec_type, document["spec"])


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold the stage folder. The kernel frees it when the process dies, however it dies. Raises FolderBusy."""
    with (folder / "lock").open("w") as stream:
        for last_try in (False, False, True):
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if last_try:
                    raise FolderBusy(str(folder)) from error
                time.sleep(0.2)  # who only looks (`is_locked`) holds it for a moment
        yield


def is_locked(folder: Path) -> bool:
    """Whether a process, on whichever host, holds the stage folder."""
    try:
        with (folder / "lock").open() as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@functools.cache
def where() -> str:
    """The host, its current boot and its space of process numbers: within this a process number means one process."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"


def record_child(folder: Path) -> None:
    """Say who computes here, so that a worker that comes later can wait for it or stop it.

    The creation time tells a recycled process number.
    """
    process = psutil.Process()
    record = {"pid": process.pid, "created": process.create_time(), "where": where(), "kernel_kills": memory.kernel_kills()}
    write_json(folder / "child.json", record)


def _is_recorded(folder: Path) -> bool:
    """Whether we are still who computes here. A host that was cut off and has lost its lock must not write over its successor's result."""
    record = read_json(folder / "child.json") or {}
    return (record.get("pid"), record.get("where")) == (os.getpid(), where())


def ended_silently(folder: Path) -> dict[str, Any]:
    """What `failure.json` would say of an engine that wrote none: on a full disk it could not, and SIGKILL leaves no time to."""
    began = read_json(folder / "child.json")
    if disk.is_full(folder):
        message, cause = disk.FREE_SOME, "disk_full"
    elif not began:
        message, cause = "The engine could not start: see the log of the stage.", "engine_died"
    else:
        message, cause = memory.of_a_kill("The engine", began.get("kernel_kills") if began["where"] == where() else None)
    return {"message": message, "cause": cause, "permanent": False}


def log_tail(folder: Path, lines: int = LOG_TAIL_LINES) -> str:
    """The last lines of the stage's log, read from its end: a log may be large."""
    path = folder / "log"
    return tail(path, lines) if path.exists() else ""


def tail(path: Path, lines: int = LOG_TAIL_LINES) -> str:
    """The last lines of a text that may be large."""
    with path.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - 200 * lines))
        text = stream.read().decode("utf-8", "replace")
    return "\n".join(text.splitlines()[-lines:])


def main(run: Callable[[Path, Any, Progress], Any], spec_type: type, tidy: Callable[[Path], None] = lambda folder: None) -> None:
    """What every engine module ends with: `if __name__ == "__main__": main(run, TrainSpec)`.

    `run(folder, spec, progress)` returns the result dataclass or raises EngineFailed. `tidy` removes what nobody needs once the result is
    there. Exit status: 0 done (or done before), 1 failed with
    `failure.json`, 75 (EX_TEMPFAIL) another process is at it.
    """
    folder = Path(sys.argv[1]).resolve()
    try:
        with folder_lock(folder):
            record_child(folder)
            if not (folder / "result.json").exists():
                (folder / "failure.json").unlink(missing_ok=True)
                load, imports_s = Load(), startup.since_process_began_s()
                result = run(folder, read_spec(folder, spec_type), Progress(folder, is_ours=lambda: _is_recorded(folder)))
                if not _is_recorded(folder):
                    raise FolderBusy(str(folder))
                machine = {"others_cores": load.others_cores(), "n_cores": psutil.cpu_count()}
                write_json(folder / "load.json", machine | {"startup_seconds": imports_s + startup.loadings_s()}, durable=False)
                outputs.make_durable(folder, outputs.names(to_json(result)))
                write_json(folder / "result.json", to_json(result))
            tidy(folder)
    except FolderBusy:
        sys.exit(75)
    except Exception as error:
        with contextlib.suppress(OSError):  # on a full disk there is no room for the reason either: whoever finds none looks at the disk
            write_json(folder / "failure.json", _failure(folder, error))
            traceback.print_exc()
        sys.exit(1)


def _failure(folder: Path, error: Exception) -> dict[str, Any]:
    """What `failure.json` says; an unforeseen error keeps its type and text, its traceback goes to the log alone."""
    tail = log_tail(folder)
    if isinstance(error, EngineFailed):
        return {"message": str(error), "cause": error.cause, "permanent": error.permanent, "log_tail": error.log_tail or tail,
                "labels_computed": error.labels_computed}  # fmt: skip
    if isinstance(error, OSError) and error.errno in (*disk.FULL_ERRNO, errno.EROFS):
        message = f"The data folder could not be written ({error.strerror}): make room, or make it writable again."
        return {"message": message, "cause": "disk_full", "permanent": False, "log_tail": tail}
    if isinstance(error, MemoryError):
        return {"message": memory.TOO_LITTLE, "cause": "out_of_memory", "permanent": False, "log_tail": tail}
    message = f"{type(error).__name__}: {error}. This is not a foreseen failure: see the log of the stage."
    return {"message": message, "cause": "engine_died", "permanent": False, "log_tail": tail}

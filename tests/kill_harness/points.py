"""Named points between two writes. Where the armed one is reached, the process kills itself: once, whoever comes first."""

import functools
import os
import signal
import sys
from pathlib import Path

# The functions whose beginning and end are points, by who calls them. Between two of these points stands at most one write that lasts.
SERVER_FUNCTIONS = {
    "worker": (
        "campaigns.services.stages.claim",
        "campaigns.services.specs.build",
        "campaigns.engines.runners.local.start",
        "campaigns.services.artefacts.hash_outputs",
        "campaigns.services.artefacts.register",
        "campaigns.services.ingest.ingest",
        "analysis.services.judgement.keep",
        "campaigns.services.cleaning.clean",
        "campaigns.services.protocol.advance",
        "campaigns.services.wake._send",
        "campaigns.services.stages.finish",
    ),
    "web": ("campaigns.services.campaigns._move", "campaigns.services.protocol.advance", "campaigns.services.wake._send"),
    "reconciler": ("campaigns.services.stages.reconcile", "campaigns.services.wake._send"),
}
FILES = {"worker": ("spec.json",), "child": ("child.json", "result.json")}
CHILD_MOMENTS = ("begins", "a label is computed", "a label is in the journal", "has computed")


def names():
    """Every point, as `process: before|after what`."""
    for process, functions in SERVER_FUNCTIONS.items():
        for function in functions:
            yield from (f"{process}: {when} {function.rpartition('.')[2]}" for when in ("before", "after"))
    for process, files in FILES.items():
        for file in files:
            yield from (f"{process}: {when} {file} is put in its place" for when in ("before", "after"))
    yield from (f"child: {moment}" for moment in CHILD_MOMENTS)


def folder():
    return Path(os.environ["SSEWEB_DATA_DIR"]) / "kill"


def arm(name):
    folder().mkdir(exist_ok=True)
    (folder() / "fell").unlink(missing_ok=True)
    temporary = folder() / "arming"
    temporary.write_text(name)
    temporary.rename(folder() / "armed")


def fell():
    """The process number of who fell, and when (seconds since 1970); None: nobody yet."""
    try:
        pid, at = (folder() / "fell").read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return int(pid), float(at)


def disarm():
    (folder() / "armed").unlink(missing_ok=True)


def reach(name):
    """Fall, where this point is armed."""
    armed = folder() / "armed"
    try:
        if armed.read_text() != name:
            return
        armed.rename(folder() / f"taken-{os.getpid()}")  # of several that are here one falls
    except FileNotFoundError:
        return
    import time

    (folder() / "fell").write_text(f"{os.getpid()} {time.time()}")
    os.kill(os.getpid(), signal.SIGKILL)


def process_kind():
    words = " ".join(sys.argv)
    return next((kind for kind, word in (("web", "gunicorn"), ("reconciler", "reconcile"), ("worker", "dramatiq")) if word in words), None)


def watch(module, name, process):
    """Make the beginning and the end of a function points."""
    function = getattr(module, name)

    @functools.wraps(function)
    def watched(*arguments, **options):
        reach(f"{process}: before {name}")
        value = function(*arguments, **options)
        reach(f"{process}: after {name}")
        return value

    setattr(module, name, watched)


def watch_files(process):
    """Make the moments before and after a file is put in its place points."""
    replace = os.replace

    def watched(source, target, **options):
        known = Path(target).name in FILES[process]
        if known:
            reach(f"{process}: before {Path(target).name} is put in its place")
        replace(source, target, **options)
        if known:
            reach(f"{process}: after {Path(target).name} is put in its place")

    os.replace = watched

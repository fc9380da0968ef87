"""A child that reads user input ends with us, and when nobody waits for it any more."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from campaigns.engines import bounded

SLEEP = ["-n", "1", "-r", "1", "import time; time.sleep(60)"]


def test_nobody_wants_it_any_more():
    began = time.monotonic()
    with pytest.raises(bounded.ChildStopped):
        bounded.run("timeit", SLEEP, is_wanted=lambda: False)
    assert time.monotonic() - began < 30
    assert psutil.Process().children() == []


def test_what_it_reads_and_says_may_be_long():
    text = "x" * 300_000
    done = bounded.run("base64", ["-e", "-"], stdin=text.encode())
    assert len(done.stdout) > len(text)


def test_it_ends_when_we_are_killed():
    code = f"from campaigns.engines import bounded; bounded.run('timeit', {SLEEP})"
    us = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 30
    while not (children := psutil.Process(us.pid).children()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(us.pid, signal.SIGKILL)
    us.wait()
    psutil.wait_procs(children, timeout=10)
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)

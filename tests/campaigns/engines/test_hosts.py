"""Several hosts on one data folder: a process number of another host is never taken for one of ours, and a late result is refused."""

import json
import os
import subprocess
import sys
import time

import pytest

from campaigns.engines import job
from campaigns.engines.runners import local

ENGINE = """
import sys, time
from pathlib import Path
from campaigns.engines import job

job.where = lambda: "another-host boot pid:[1]"

def run(folder, spec, progress):
    deadline = time.monotonic() + 30
    while not (folder / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return {"from": "another host"}

job.read_spec = lambda folder, kind: {}
job.main(run, dict)
"""


@pytest.fixture
def foreign(tmp_path):
    """A real engine that believes to be on another host."""
    process = subprocess.Popen([sys.executable, "-c", ENGINE, str(tmp_path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not (tmp_path / "child.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    yield process
    process.kill()
    process.wait()


def test_an_engine_of_another_host_is_waited_for_and_not_signalled(tmp_path, foreign):
    child = local.find(tmp_path)
    assert (child.is_here, child.is_running()) == (False, True)
    assert child.stop() is False
    assert foreign.poll() is None
    (tmp_path / "go").touch()
    foreign.wait(20)
    assert not child.is_running()
    assert local.find(tmp_path) is None
    assert json.loads((tmp_path / "result.json").read_text()) == {"from": "another host"}


def test_an_engine_of_another_host_that_died_is_not_there(tmp_path, foreign):
    foreign.kill()
    foreign.wait()
    assert local.find(tmp_path) is None


def test_a_process_number_of_another_host_is_not_ours(tmp_path):
    """Were it taken for ours, this very test would be the engine."""
    process = {"pid": os.getpid(), "created": local.psutil.Process().create_time()}
    (tmp_path / "child.json").write_text(json.dumps(process | {"where": "another-host boot pid:[1]"}))
    assert local.find(tmp_path) is None
    (tmp_path / "child.json").write_text(json.dumps(process | {"where": job.where()}))
    assert local.find(tmp_path) is not None


def test_a_late_result_of_a_host_that_was_cut_off_is_refused(tmp_path, foreign):
    """Its lock was given up for it (a file server does that), another host computes: it must not write over that one's folder."""
    job.record_child(tmp_path)  # the successor
    (tmp_path / "go").touch()
    assert foreign.wait(20) == 75
    assert not (tmp_path / "result.json").exists()

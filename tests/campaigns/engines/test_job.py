"""The contract of the stage folder."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from campaigns.engines import job, judge_specs, outputs, specs

MODULE = """
import sys, time
from dataclasses import dataclass
from campaigns.engines import job

@dataclass(frozen=True)
class Spec:
    how: str

def run(folder, spec, progress):
    with (folder / "runs").open("a") as stream:
        stream.write("1")
    if spec.how == "fail":
        raise job.EngineFailed("No. Do this.", cause="bad_input", permanent=True)
    if spec.how == "surprise":
        raise KeyError("x")
    if spec.how == "full":
        raise OSError(28, "No space left on device")
    if spec.how == "wait":
        (folder / "ready").touch()
        time.sleep(30)
    progress(1, 2, "steps", "half")
    return Spec("done")

job.main(run, Spec)
"""


@pytest.fixture
def engine(tmp_path):
    script = tmp_path / "engine.py"
    script.write_text(MODULE)
    folder = tmp_path / "stage"

    def start(how):
        job.write_spec(folder, "test", {"how": how})
        return subprocess.Popen(
            [sys.executable, str(script), str(folder)], env=os.environ | {"PYTHONPATH": os.getcwd()}, stderr=subprocess.DEVNULL
        )

    return folder, start


def finished(process):
    return process.wait(timeout=20)


def test_a_result_is_computed_once(engine):
    folder, start = engine
    assert finished(start("go")) == 0
    assert finished(start("go")) == 0
    assert job.read_json(folder / "result.json") == {"how": "done"}
    assert (folder / "runs").read_text() == "1"
    load = job.read_json(folder / "load.json")
    assert load["others_cores"] >= 0
    assert load["n_cores"] >= 1
    assert 0 < load["startup_seconds"] < 20  # the interpreter's own, and its imports


@pytest.mark.parametrize(
    ("how", "permanent", "words"),
    [("fail", True, "Do this"), ("surprise", False, "not a foreseen failure"), ("full", False, "make room")],
)
def test_a_failure_says_why_and_a_retry_computes_again(engine, how, permanent, words):
    folder, start = engine
    assert finished(start(how)) == 1
    failure = job.read_json(folder / "failure.json")
    assert failure["permanent"] is permanent
    assert words in failure["message"]
    assert finished(start("go")) == 0
    assert not (folder / "failure.json").exists()


def test_a_failure_says_what_was_spent_on_it(tmp_path):
    failure = job.EngineFailed("No.", cause="bad_output", permanent=True)
    assert job._failure(tmp_path, failure)["labels_computed"] == 0
    failure.labels_computed = 100
    assert job._failure(tmp_path, failure)["labels_computed"] == 100


def test_progress_that_starts_again_counts_from_there(tmp_path):
    """A training with twice the batch size: the time of the one before tells nothing of this one."""
    progress = job.Progress(tmp_path, min_interval_s=0.0)
    progress(100, 1000, "batches")
    progress(900, 1000, "batches")
    first = job.read_json(tmp_path / "progress.json")
    progress(0, 1000, "batches")
    progress(10, 1000, "batches")
    second = job.read_json(tmp_path / "progress.json")
    assert (first["done_before"], second["done_before"]) == (100, 0)
    assert second["started_at"] > first["started_at"]


def test_files_are_on_the_disk_before_the_result_that_names_them(tmp_path, monkeypatch):
    @dataclass(frozen=True)
    class Result:
        frames_file: str
        other_files: list[str]

    def run(folder, spec, progress):
        (folder / "try").mkdir()
        for name in ("frames.npz", "try/model"):
            (folder / name).write_text("x")
        return Result("frames.npz", ["try/model"])

    synced, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(os.readlink(f"/proc/self/fd/{descriptor}")), fsync(descriptor)))
    job.write_spec(tmp_path, "test", specs.FrameSelection("x", []))
    monkeypatch.setattr(sys, "argv", ["engine", str(tmp_path)])
    job.main(run, specs.FrameSelection)
    before = synced[: synced.index(str(tmp_path / f".result.json.{os.getpid()}"))]
    assert {str(tmp_path / name) for name in ("frames.npz", "try/model", "try")} <= set(before)


@pytest.mark.parametrize("content", [b"", b"half", None])
def test_files_that_were_lost_are_known(tmp_path, content):
    path = tmp_path / "frames.npz"
    np.savez(path, x=np.arange(1000))
    assert outputs.lost(tmp_path, ["frames.npz"]) == []
    path.write_bytes(path.read_bytes()[:-200] + bytes(200) if content is None else content)
    assert outputs.lost(tmp_path, ["frames.npz", "missing"]) == ["frames.npz", "missing"]


def test_a_start_up_is_no_measure_of_the_pace(tmp_path, monkeypatch):
    """A model that loads for 60 s, then 10 labels of 100 in 10 s each: the clock runs from the first label on."""
    clock = [1000.0]
    monkeypatch.setattr(job.time, "time", lambda: clock[0])
    progress = job.Progress(tmp_path, min_interval_s=0.0)
    for done, passed_s in ((0, 0.0), (0, 60.0), *((n, 10.0) for n in range(1, 11))):
        clock[0] += passed_s
        progress(done, 100, "labels")
        if not done:
            assert job.read_json(tmp_path / "progress.json")["paced_from"] is None
    assert job.read_json(tmp_path / "progress.json")["paced_from"] == [1070.0, 1]


def test_two_processes_do_not_compute_the_same_folder(engine):
    folder, start = engine
    first = start("wait")
    while not (folder / "ready").exists():
        pass
    assert finished(start("wait")) == 75
    first.kill()
    first.wait()
    assert finished(start("go")) == 0


RESULT = specs.EvaluateResult("completed", "", "t.npz", None, 10.0, 5.0, 600.0, None, 0.1, 1.5, 99.0, 1.0)


def test_specs_survive_the_way_through_json():
    spec = judge_specs.JudgeSpec(
        runs=[
            judge_specs.JudgedRun(
                1, "/x", 600.0, specs.EvaluateResult("completed", "", "t.npz", None, 10.0, 5.0, 600.0, None, 0.1, 1.5, 99.0, 1.0)
            )
        ],
        mobile_ion="Li",
        mobile_ion_charge=1.0,
        loop=1,
        step=2,
        earlier=[judge_specs.EarlierModel(1, 1, [{"a": 1}], None)],
        stationary_spread_dex=0.1,
        energy_drift_limit_meV_atom_ns=1.0,
        temperature_limit_percent=10.0,
        hop_length_A=3.0,
    )
    assert job.from_json(judge_specs.JudgeSpec, json.loads(json.dumps(job.to_json(spec)))) == spec


def test_a_spec_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="no field colour"):
        job.from_json(specs.LabellerSpec, {"name": "x", "options": {}, "colour": 1})
    with pytest.raises(ValueError, match="name"):
        job.from_json(specs.LabellerSpec, {})


def test_numbers_that_json_has_not_become_null():
    @dataclass
    class Numbers:
        values: list

    assert job.to_json(Numbers([float("nan"), float("inf"), 1.0])) == {"values": [None, None, 1.0]}

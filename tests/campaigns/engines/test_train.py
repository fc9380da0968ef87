"""The training stage with the real DeePMD-kit: loss condition, kill and resumption, warm start, labels that are no numbers."""

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from campaigns.engines import checkpoints, job, train
from campaigns.engines.backends import TENSORFLOW
from campaigns.engines.job import EngineFailed, Progress
from campaigns.engines.specs import TrainResult
from campaigns.science import dp_input

from .conftest import DESCRIPTOR, TYPE_MAP, morse_frames, train_spec


@pytest.fixture
def frames_file(tmp_path):
    morse_frames(20, seed=3).save(tmp_path / "frames.npz")
    return tmp_path / "frames.npz"


def stage_folder(tmp_path, name="stage"):
    folder = tmp_path / name
    folder.mkdir()
    return folder


def test_the_model_learns_forces_it_has_not_seen(tiny_model):
    """DeePMD-kit's own evaluator on new configurations: sign and unit of energy, force and virial are right."""
    from deepmd.infer import DeepPot

    fresh = morse_frames(10, seed=99)
    model = DeepPot(str(tiny_model.model_file))
    types = [TYPE_MAP.index(symbol) for symbol in fresh.symbols]
    energy, forces, virial = model.eval(fresh.positions_A.reshape(10, -1), fresh.cell_A.reshape(10, -1), types)
    assert np.sqrt(np.mean((forces - fresh.forces_eV_A) ** 2)) < 0.4 * np.sqrt(np.mean(fresh.forces_eV_A**2))
    assert np.corrcoef(energy.ravel(), fresh.energy_eV)[0, 1] > 0.9
    assert np.corrcoef(virial.reshape(10, 3, 3)[:, 0, 0], fresh.virial_eV[:, 0, 0])[0, 1] > 0.8
    compressed = DeepPot(str(tiny_model.compressed_model_file)).eval(fresh.positions_A.reshape(10, -1), fresh.cell_A.reshape(10, -1), types)
    assert np.abs(compressed[1] - forces).max() < 1e-2


def test_the_result_says_what_was_done(tiny_model):
    result = tiny_model.result
    assert result.n_frames == len(tiny_model.frames)
    assert [attempt.accepted for attempt in result.attempts] == [True]
    assert result.sel == dp_input.sel_with_margin(dp_input.neighbour_counts(tiny_model.frames, TYPE_MAP, DESCRIPTOR.cutoff_A))
    assert 0 < result.force_rmse_eV_A < 0.4 * np.sqrt(np.mean(tiny_model.frames.forces_eV_A**2))
    assert result.training_seconds > 0
    assert result.startup_seconds > 0
    assert result.versions["deepmd-kit"]
    assert job.from_json(TrainResult, json.loads(json.dumps(job.to_json(result)))) == result
    assert job.read_json(tiny_model.folder / "progress.json")["unit"] == "batches"


def test_a_stage_that_is_done_trains_no_second_time(tiny_model):
    before = (tiny_model.folder / tiny_model.result.learning_curve_file).stat().st_mtime_ns
    began = time.monotonic()
    again = train.run(tiny_model.folder, tiny_model.spec, Progress(tiny_model.folder))
    assert time.monotonic() - began < 5
    assert again == tiny_model.result
    assert (tiny_model.folder / tiny_model.result.learning_curve_file).stat().st_mtime_ns == before


def test_a_warm_start_begins_where_the_earlier_model_ended(tiny_model, tmp_path):
    spec = train_spec(
        tiny_model.frames_file,
        40,
        descriptor=dataclasses.replace(DESCRIPTOR, sel=tiny_model.result.sel),
        init_checkpoint=tiny_model.checkpoint,
    )
    folder = stage_folder(tmp_path)
    warm = dp_input.read_learning_curve(folder / train.run(folder, spec, Progress(folder)).learning_curve_file)
    cold = dp_input.read_learning_curve(tiny_model.folder / tiny_model.result.learning_curve_file)
    assert warm["step"][0] == 0
    assert warm["step"][-1] == spec.n_batches
    assert warm["lr"][0] == spec.learning_rate_start
    assert warm["rmse_f_trn"][0] < 0.5 * cold["rmse_f_trn"][0]


def test_the_loss_condition_repeats_in_larger_batches_and_keeps_the_best(tiny_model, frames_file, tmp_path):
    """The given sel is smaller than the numbers of neighbours, too: it is found anew, and the training is a long one from scratch."""
    folder = stage_folder(tmp_path)
    spec = train_spec(
        frames_file,
        20,
        n_batches=20,
        n_batches_from_scratch=60,
        max_force_rms_ratio=1e-4,
        max_repeats=1,
        descriptor=dataclasses.replace(DESCRIPTOR, sel=[4, 4]),
        init_checkpoint=tiny_model.checkpoint,
    )
    result = train.run(folder, spec, Progress(folder))
    counts = dp_input.neighbour_counts(morse_frames(20, seed=3), TYPE_MAP, DESCRIPTOR.cutoff_A)
    assert result.sel == dp_input.sel_with_margin(counts)
    assert [attempt.batch_size for attempt in result.attempts] == [1, 2]
    assert [attempt.n_batches for attempt in result.attempts] == [60, 60]
    assert not any(attempt.accepted for attempt in result.attempts)
    assert "not below the limit of 0.0001" in result.attempts[-1].reason
    ratios = [attempt.force_rms_ratio for attempt in result.attempts]
    assert result.checkpoint == f"try-{1 + ratios.index(min(ratios))}/model.ckpt"
    assert (folder / result.model_file).stat().st_size > 0
    seeds = [json.loads((folder / f"try-{number}" / "input.json").read_text())["training"]["seed"] for number in (1, 2)]
    assert seeds[0] != seeds[1]
    assert dp_input.read_learning_curve(folder / "try-1" / "lcurve.out")["step"][-1] == 60


def test_a_killed_training_goes_on_from_its_checkpoint(frames_file, tmp_path):
    folder = stage_folder(tmp_path)
    job.write_spec(folder, "train", train_spec(frames_file, 20, n_batches=4000))
    argv = [sys.executable, "-m", "campaigns.engines.train", str(folder)]
    first = subprocess.Popen(argv, cwd=os.getcwd())
    try:
        wait_for((folder / "try-1" / "model.ckpt.meta").exists)
        children = psutil.Process(first.pid).children(recursive=True)
    finally:
        first.kill()
        first.wait()
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert not (folder / "result.json").exists()
    (folder / "try-1" / "model.ckpt.index").unlink(missing_ok=True)  # as if killed while the links to the newest were switched over

    subprocess.run(argv, cwd=os.getcwd(), check=True, timeout=300)
    log = (folder / "log").read_text()
    assert log.count("initialize model from scratch") == 1
    assert log.count("restart from model") == 1
    result = job.read_json(folder / "result.json")
    curve = dp_input.read_learning_curve(folder / result["learning_curve_file"])
    assert curve["step"][[0, -1]].tolist() == [0, 4000]
    assert (np.diff(curve["step"]) == 80).all()


def test_a_model_that_was_lost_is_frozen_again_from_its_checkpoint(frames_file, tmp_path, monkeypatch):
    """A power cut: what says that the try is done must not outlive its files; where it does, they are made again."""
    folder = stage_folder(tmp_path)
    spec = train_spec(frames_file, 20, n_batches=20, max_force_rms_ratio=10.0)
    synced, fsync = [], os.fsync
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda one: (synced.append(Path(os.readlink(f"/proc/self/fd/{one}")).name), fsync(one)))
        first = train.run(folder, spec, Progress(folder))
    before = synced[: synced.index(f".trained.json.{os.getpid()}")]
    assert {"graph.pb", "lcurve.out", "try-1"} <= set(before)
    assert any(name.startswith("model.ckpt") for name in before)

    model = folder / first.model_file
    model.write_bytes(b"")
    second = train.run(folder, spec, Progress(folder))
    assert model.stat().st_size > 0
    assert (second.force_rmse_eV_A, second.batch_size) == (first.force_rmse_eV_A, first.batch_size)
    assert (folder / "log").read_text().count("initialize model from scratch") == 1


def wait_for(condition, timeout_s=120.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("name", ["energy_eV", "forces_eV_A", "virial_eV"])
def test_labels_that_are_no_numbers_are_refused(tmp_path, name):
    frames = morse_frames(3, seed=1)
    broken = np.array(getattr(frames, name))
    broken.flat[-1] = np.nan
    dataclasses.replace(frames, **{name: broken}).save(tmp_path / "frames.npz")
    with pytest.raises(EngineFailed, match=name) as caught:
        train.run(tmp_path, train_spec(tmp_path / "frames.npz", 3), Progress(tmp_path))
    assert caught.value.permanent


def test_an_empty_set_is_refused(tmp_path):
    with pytest.raises(EngineFailed, match="empty"):
        train.run(tmp_path, dataclasses.replace(train_spec(tmp_path / "none.npz", 0), frames=[]), Progress(tmp_path))


def test_a_training_that_diverges_is_said_so_and_not_done_again(frames_file, tmp_path):
    folder = stage_folder(tmp_path)
    spec = train_spec(frames_file, 20, n_batches=30, learning_rate_start=1e30, learning_rate_stop=1e29)
    with pytest.raises(EngineFailed, match="not a number"):
        train.run(folder, spec, Progress(folder))
    began = time.monotonic()
    with pytest.raises(EngineFailed, match="not a number"):
        train.run(folder, spec, Progress(folder))
    assert time.monotonic() - began < 5


def test_a_training_that_goes_on_starts_its_progress_at_the_checkpoint(tmp_path):
    for name in ("model.ckpt-800.index", "model.ckpt-800.meta", "model.ckpt-1500.index", "model.ckpt-1500.meta"):
        (tmp_path / name).touch()
    done_before = checkpoints.batches_of(checkpoints.newest(tmp_path, TENSORFLOW))
    train._Watcher(tmp_path, 2500, done_before, 1, Progress(tmp_path))()
    progress = job.read_json(tmp_path / "progress.json")
    assert (progress["done"], progress["done_before"]) == (1500, 1500)
    assert checkpoints.batches_of(None) == 0


def test_a_checkpoint_whose_graph_was_not_yet_written_is_passed_over(tmp_path):
    """Killed between DeePMD-kit's file `checkpoint`, which names the newest already, and its model.ckpt-N.meta."""
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-300"\n')
    (tmp_path / "model.ckpt-300.index").touch()
    assert checkpoints.newest(tmp_path, TENSORFLOW) is None
    for step in (90, 200):
        for ending in ("index", "meta"):
            (tmp_path / f"model.ckpt-{step}.{ending}").touch()
    assert checkpoints.newest(tmp_path, TENSORFLOW) == "model.ckpt-200"

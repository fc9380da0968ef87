"""DeePMD-kit's two backends: what an environment has of them, and a model of PyTorch from its training to dynamics.

The PyTorch backend loads with one release of torch alone, so it has an environment of its own: .venv-pytorch (make pytorch), or the one
whose Python SSEWEB_PYTORCH_PYTHON names.
"""

import dataclasses
import json
import os
import subprocess
import time
import zipfile
from pathlib import Path

import ase.io
import numpy as np
import psutil
import pytest

from campaigns.engines import backends, checkpoints, job, train
from campaigns.engines.backends import PYTORCH, TENSORFLOW
from campaigns.engines.job import EngineFailed, Progress
from campaigns.engines.specs import ExploreSpec, LaunchChoice, ProbeSpec
from campaigns.science import dp_input
from campaigns.science.frames import Frames

from .conftest import DESCRIPTOR, TYPE_MAP, morse_cell, morse_frames, train_spec

ROOT = Path(__file__).resolve().parents[3]
N_BATCHES = 200
HALF = N_BATCHES - 1  # the number of a checkpoint that was being written


def test_the_end_of_its_name_says_whose_a_model_is():
    assert backends.of_model("/m/graph-compressed.pth") is PYTORCH
    assert backends.of_model("graph.pb") is TENSORFLOW


def test_another_release_of_torch_is_named_with_the_one_that_is_wanted(monkeypatch):
    monkeypatch.setattr(backends, "version", lambda package: {"torch": "2.13.0+cpu", "e3nn": "0.6.0"}.get(package, ""))
    assert "torch 2.13.0 is installed, it works with 2.11.0 alone" in backends.missing(PYTORCH)
    assert "tensorflow-cpu is not installed" in backends.missing(TENSORFLOW)
    there = {"torch": "2.11.0+cu130"}
    monkeypatch.setattr(backends, "version", lambda package: there.get(package, ""))
    for name in ("e3nn", "nvidia-cuda-runtime-cu12"):
        assert f"{name} is not installed" in backends.missing(PYTORCH)
        there[name] = "1"
    assert backends.missing(PYTORCH) == ""


@pytest.mark.skipif(not backends.missing(PYTORCH), reason="this environment has the backend")
def test_a_training_without_its_backend_fails_at_once_and_for_good(tmp_path):
    morse_frames(3, seed=1).save(tmp_path / "frames.npz")
    with pytest.raises(EngineFailed, match="lacks DeePMD-kit's PyTorch backend") as failed:
        train.run(tmp_path, train_spec(tmp_path / "frames.npz", 3, backend="pytorch"), Progress(tmp_path))
    assert (failed.value.cause, failed.value.permanent) == ("engine_missing", True)


def test_half_a_checkpoint_of_pytorch_is_passed_over(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.ckpt-200.pt", "w") as archive:
        archive.writestr("data.pkl", "x" * 1000)
    whole = (tmp_path / "model.ckpt-200.pt").read_bytes()
    (tmp_path / "model.ckpt-300.pt").write_bytes(whole[:-30])
    (tmp_path / "model.ckpt.pt").symlink_to("model.ckpt-300.pt")
    (tmp_path / "checkpoint").write_text("model.ckpt-300.pt")
    assert checkpoints.newest(tmp_path, PYTORCH) == "model.ckpt-200"
    assert checkpoints.newest(tmp_path, TENSORFLOW) is None


@pytest.fixture(scope="module")
def pytorch_python():
    chosen = Path(os.environ.get("SSEWEB_PYTORCH_PYTHON") or ROOT / ".venv-pytorch" / "bin" / "python")
    if not chosen.exists():
        pytest.skip("there is no environment with DeePMD-kit's PyTorch backend: make pytorch")
    return str(chosen)


def _argv(python, kind, folder):
    return [python, "-m", f"campaigns.engines.{kind}", str(folder)]


def _run(python, kind, folder, spec):
    job.write_spec(folder, kind, spec)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(_argv(python, kind, folder), env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:] + job.log_tail(folder)
    return job.read_json(folder / "result.json")


@pytest.fixture(scope="module")
def killed_and_resumed(pytorch_python, tmp_path_factory):
    """A training that was killed after its first checkpoint, in the middle of writing another one, and went on."""
    root = tmp_path_factory.mktemp("pytorch")
    morse_frames(40, seed=0).save(root / "frames.npz")
    ase.io.write(root / "cell.extxyz", morse_cell(), format="extxyz")
    folder = root / "train"
    spec = train_spec(root / "frames.npz", 40, n_batches=N_BATCHES, compress=True, cores=1, backend="pytorch")
    job.write_spec(folder, "train", spec)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    first = subprocess.Popen(_argv(pytorch_python, "train", folder), env=environment)
    try:
        deadline = time.monotonic() + 600
        while checkpoints.newest(folder / "try-1", PYTORCH) is None:
            assert first.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        children = psutil.Process(first.pid).children(recursive=True)
    finally:
        first.kill()
        first.wait()
    assert psutil.wait_procs(children, timeout=30)[1] == []
    reached = checkpoints.newest(folder / "try-1", PYTORCH)
    assert 0 < checkpoints.batches_of(reached) < N_BATCHES
    half = (folder / "try-1" / f"{reached}.pt").read_bytes()[:-100]
    (folder / "try-1" / f"model.ckpt-{HALF}.pt").write_bytes(half)
    (folder / "try-1" / "checkpoint").write_text(f"model.ckpt-{HALF}.pt")
    return root, spec, reached, _run(pytorch_python, "train", folder, spec)


@pytest.mark.engine
@pytest.mark.pytorch
def test_a_killed_training_goes_on_from_its_newest_whole_checkpoint(killed_and_resumed):
    root, spec, reached, result = killed_and_resumed
    curve = dp_input.read_learning_curve(root / "train" / result["learning_curve_file"])
    assert curve["step"][[0, -1]].tolist() == [1, spec.n_batches]
    assert (np.diff(curve["step"]) > 0).all()
    assert f"Resuming from {reached}.pt" in (root / "train" / "log").read_text()
    assert result["force_rmse_eV_A"] < 0.6 * curve["rmse_f_trn"][0]
    assert result["versions"]["torch"].startswith("2.11.0")
    assert "tensorflow-cpu" not in result["versions"]
    assert (result["model_file"], result["compressed_model_file"]) == ("try-1/graph.pth", "try-1/graph-compressed.pth")
    assert (result["checkpoint"], result["checkpoint_files"]) == (f"try-1/model.ckpt-{N_BATCHES}", [f"try-1/model.ckpt-{N_BATCHES}.pt"])


@pytest.mark.engine
@pytest.mark.pytorch
def test_a_warm_start_begins_where_the_earlier_model_ended(killed_and_resumed, pytorch_python):
    root, spec, _, result = killed_and_resumed
    before = str(root / "train" / result["checkpoint"])
    again = dataclasses.replace(spec, n_batches=20, compress=False, init_checkpoint=before,
                                descriptor=dataclasses.replace(DESCRIPTOR, sel=result["sel"]))  # fmt: skip
    warm = _run(pytorch_python, "train", root / "warm", again)
    curves = [dp_input.read_learning_curve(root / name / one["learning_curve_file"]) for name, one in (("train", result), ("warm", warm))]
    assert curves[1]["step"][-1] == 20
    assert curves[1]["rmse_f_trn"][0] < 0.7 * curves[0]["rmse_f_trn"][0]


@pytest.mark.engine
@pytest.mark.pytorch
def test_lammps_runs_it_frozen_and_compressed(killed_and_resumed, pytorch_python):
    """And its forces are those of the training's potential: what the error on new snapshots is taken from."""
    root, _, _, result = killed_and_resumed
    frozen, compressed = (str(root / "train" / result[name]) for name in ("model_file", "compressed_model_file"))
    cell = str(root / "cell.extxyz")
    probed = _run(pytorch_python, "probe", root / "probe", ProbeSpec(frozen, compressed, cell, TYPE_MAP, 1.0, cores=1, n_steps=20))
    assert {trial["choice"]["compressed"] for trial in probed["trials"]} == {False, True}
    explored = []
    for name, model in (("frozen", frozen), ("compressed", compressed)):
        spec = ExploreSpec(model, cell, TYPE_MAP, 200.0, 1.0, 10, 3, 5, 100.0, 0.6, LaunchChoice(1, 1, False), seed=3)
        found = _run(pytorch_python, "explore", root / name, spec)
        assert found["outcome"] == "completed"
        explored.append(Frames.load(root / name / found["frames_file"]))
    assert np.abs(explored[0].model_forces_eV_A - explored[1].model_forces_eV_A).max() < 0.02
    assert json.loads((root / "frozen" / "run.json").read_text())["versions"]["deepmd-kit"]


@pytest.mark.skipif(not backends.missing(PYTORCH), reason="this environment has the backend")
def test_where_the_backend_is_missing_its_model_is_refused_before_lammps_starts(tmp_path):
    from campaigns.engines import explore

    ase.io.write(tmp_path / "cell.extxyz", morse_cell(), format="extxyz")
    spec = ExploreSpec("/m/graph.pth", str(tmp_path / "cell.extxyz"), TYPE_MAP, 200.0, 1.0, 10, 3, 5, 100.0, 0.6,
                       LaunchChoice(1, 1, False), seed=3)  # fmt: skip
    with pytest.raises(EngineFailed, match="PyTorch backend") as failed:
        explore.run(tmp_path, spec, Progress(tmp_path))
    assert failed.value.permanent

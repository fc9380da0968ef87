"""Stand-in executables for the engines: they keep the contract of the stage folder and give plausible numbers in milliseconds.

    python -m tests.stand_ins.engine FOLDER

For tests of the services alone (claims, crashes, the order of the protocol); the engines' own tests and the
whole-campaign test run the real ones.
The file STAND_IN_BEHAVIOUR says how to misbehave: {"kind": "train", "how": "fail", "times": 1}, or another `how`: missing, stumble, die,
hang, memory, killed, wait, reject, slow.
"""

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np

from campaigns.engines import check_specs, job, judge_specs, specs
from campaigns.engines.job import EngineFailed, Progress
from campaigns.science.frames import Frames

SYMBOLS = np.array(["Li", "Li", "Li", "N"])
N_STEPS = 5


def frames(n, seed, labelled=True, model=False):
    rng = np.random.default_rng(seed)
    n_atoms = len(SYMBOLS)
    base = rng.uniform(0, 4, (1, n_atoms, 3))
    arrays = {"positions_A": base + 0.05 * rng.normal(size=(n, n_atoms, 3)), "cell_A": np.repeat(4 * np.eye(3)[None], n, axis=0)}
    values = {
        "energy_eV": -20 + 0.1 * rng.normal(size=n),
        "forces_eV_A": rng.normal(size=(n, n_atoms, 3)),
        "virial_eV": rng.normal(size=(n, 3, 3)),
    }
    if labelled:
        arrays |= values
    if model:
        arrays |= {f"model_{name}": value + 0.01 for name, value in values.items()}
    return Frames(SYMBOLS, time_ps=np.arange(n) * 0.1, temperature_K=np.full(n, 300.0), **arrays)


def prepare(folder, spec):
    (folder / "cell.extxyz").write_text("4\n\n" + "\n".join(f"{symbol} 0 0 {i}" for i, symbol in enumerate(SYMBOLS)))
    return specs.PrepareResult("cell.extxyz", "Li3N", 4, 64.0, 1.9, None, -20.0, 0.01, {"elements": ["Li", "N"]})


def s0(folder, spec):
    frames(spec.n_frames, spec.seed).save(folder / "frames.npz")
    return specs.S0Result(["frames.npz"], [spec.n_frames], spec.temperature_K, spec.n_frames, 0.1, 1.5, [[1.5] * spec.n_frames])


def train(folder, spec):
    for name in ("graph.pb", "input.json"):
        (folder / name).write_text(f"{name} {spec.seed}")
    (folder / "lcurve.out").write_text("#  step rmse_trn rmse_f_trn lr\n0 1.0 1.0 1e-3\n10 0.1 0.1 1e-5\n")
    n_frames = sum(len(chosen.indices) for chosen in spec.frames)
    return specs.TrainResult(
        "graph.pb",
        None,
        "model.ckpt",
        "lcurve.out",
        "input.json",
        [8, 8],
        spec.batch_size,
        n_frames,
        0.1,
        1.0,
        [],
        0.1,
        0.05,
        {"stand-in": "1"},
        spec.seed,
        [],
    )


def probe(folder, spec):
    choice = specs.LaunchChoice(1, 1, False)
    return specs.ProbeResult(choice, [specs.ProbeTrial(choice, 1000.0)], 0.1)


def explore(folder, spec):
    if misbehaves("explore", "reject"):
        return specs.ExploreResult("min_distance", "Li-Li 0.4 Å at 0.1 ps", 0.4, 300.0, None, 0, 10, 100.0, 0.1)
    frames(spec.n_snapshots, spec.seed, labelled=False, model=True).save(folder / "snapshots.npz")
    return specs.ExploreResult("completed", "", 1.5, spec.temperature_K, "snapshots.npz", spec.n_snapshots, 100, 100.0, 0.1)


def label(folder, spec):
    n = len(spec.snapshots.indices)
    labelled = frames(n, 7, model=True)
    labelled.save(folder / "labelled.npz")
    records = [
        specs.LabelRecord(i, i, "done", "", "", float(labelled.energy_eV[i]), 2.0 + 0.01 * i, 1.0, 1.5, 0.1, 2.5, 0.05, 0.01)
        for i in range(n - 1)
    ]
    records.append(specs.LabelRecord(n - 1, None, "failed", "scf_not_converged", "the SCF did not converge in 50 steps"))
    return specs.LabelResult("labelled.npz", records, n - 1, 0.1)


def evaluate(folder, spec):
    rng = np.random.default_rng(spec.seed)
    positions = np.cumsum(0.1 * rng.normal(size=(50, 4, 3)), axis=0).astype(np.float32)
    np.savez(folder / "trajectory.npz", positions_A=positions, cell_A=4 * np.eye(3), symbols=SYMBOLS, time_fs=np.arange(50) * 10.0)
    np.savez(folder / "thermo.npz", time_fs=np.arange(50) * 10.0, temperature_K=np.full(50, spec.temperature_K))
    return specs.EvaluateResult("completed", "", "trajectory.npz", "thermo.npz", 10.0, 0.5, spec.temperature_K, 5.0, 0.1, 1.5, 100.0, 0.1)


def judge(folder, spec):
    np.savez(folder / "msd.npz", t_ps_0=np.arange(5.0))
    runs = [
        judge_specs.RunDiffusion(
            run.run_id, run.temperature_K, run.temperature_K, 5.0, "diffusive", "MSD grows linearly", 1.0, 0.85, "", 1e-5, 1e-6, {}
        )
        for run in spec.runs
    ]
    decision = "moving" if misbehaves("judge", "reject") else "stationary"
    line = (
        (None, None, None, 0, "No line: 1 of 3 runs is diffusive.") if misbehaves("judge", "no line") else (0.2, 0.02, -3.0, len(runs), "")
    )
    return judge_specs.JudgeResult(
        runs,
        judge_specs.ArrheniusResult(*line, {}),
        judge_specs.StationarityResult(decision, f"D is {decision}.", 0.05, {}),
        "msd.npz",
    )


def relabel(folder, spec):
    indices = spec.snapshots.indices
    labelled = frames(len(indices), 8, model=True)
    labelled.save(folder / "labelled.npz")
    records = [
        specs.LabelRecord(index, row, "done", "", "", float(labelled.energy_eV[row]), 2.0, 1.0, 1.5, 0.1, 2.5, 0.05, 0.01)
        for row, index in enumerate(indices)
    ]
    return specs.LabelResult("labelled.npz", records, len(indices), 0.1)


def check(folder, spec):
    variants = [
        check_specs.CheckVariant("", "As set", "", "done", "", "", 12.5),
        check_specs.CheckVariant("cutoff_Ry", "Plane-wave cut-off", "675 Ry", "done", "", "", 20.0, -1.0, 0.002, 0.004, 0.01),
    ]
    return check_specs.CheckResult("Li3N", 4, 12.5, 0.8, variants, "converged", "Converged.", 2)


def misbehaves(kind, how):
    """Whether to misbehave now; counts down in the file so that it stops by itself."""
    path = Path(os.environ.get("STAND_IN_BEHAVIOUR", "/nonexistent"))
    if not path.exists():
        return False
    wanted = json.loads(path.read_text())
    if wanted["kind"] != kind or wanted["how"] != how or wanted["times"] <= 0:
        return False
    path.write_text(json.dumps(wanted | {"times": wanted["times"] - 1}))
    return True


def wait_for_leave(folder, progress):
    """Until there is a file `leave` beside the one that says how to misbehave; `waits` says where."""
    beside = Path(os.environ["STAND_IN_BEHAVIOUR"]).parent
    (beside / "waits").write_text(str(folder))
    while not (beside / "leave").exists():
        progress(0, N_STEPS, "steps", "waiting")
        time.sleep(0.1)
    progress(N_STEPS, N_STEPS, "steps", "may go on")
    (beside / "went on").touch()


def having_spent(labels_computed, failure):
    failure.labels_computed = labels_computed
    return failure


def run(folder: Path, spec, progress: Progress):
    kind = job.read_json(folder / "spec.json")["kind"]
    with (folder / "computed").open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    if misbehaves(kind, "fail"):
        raise having_spent(2, EngineFailed("The stand-in was asked to fail. Ask it not to.", cause="bad_output", permanent=True))
    if misbehaves(kind, "missing"):
        raise EngineFailed("The stand-in is not installed.", cause="engine_missing", permanent=True)
    if misbehaves(kind, "stumble"):
        raise having_spent(2, EngineFailed("The stand-in stumbled.", cause="engine_died", permanent=False))
    if misbehaves(kind, "memory"):
        resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
        bytearray(2**33)
    if misbehaves(kind, "hang"):
        time.sleep(600)
    if misbehaves(kind, "killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    if misbehaves(kind, "wait"):
        wait_for_leave(folder, progress)
    if misbehaves(kind, "die"):
        os.abort()
    slow = misbehaves(kind, "slow")
    for step in range(N_STEPS):
        progress(step, N_STEPS, "steps", "standing in")
        time.sleep(1.0 if slow else 0.002)
    return globals()[kind](folder, spec)


SPECS = {
    "prepare": specs.PrepareSpec,
    "s0": specs.S0Spec,
    "train": specs.TrainSpec,
    "probe": specs.ProbeSpec,
    "explore": specs.ExploreSpec,
    "label": specs.LabelSpec,
    "evaluate": specs.EvaluateSpec,
    "judge": judge_specs.JudgeSpec,
    "check": check_specs.CheckSpec,
    "relabel": specs.LabelSpec,
}

if __name__ == "__main__":
    job.main(run, SPECS[job.read_json(Path(sys.argv[1]) / "spec.json")["kind"]])

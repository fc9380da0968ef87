"""How a run of LAMMPS ends and how far it is, from what it leaves; a small program stands in for lmp."""

import sys

import ase.io
import pytest
from ase import Atoms

from campaigns.engines import lammps_frames, lammps_run
from campaigns.engines.job import EngineFailed, Progress, read_json
from campaigns.engines.specs import LaunchChoice
from campaigns.science.lammps_input import Dynamics

DYNAMICS = Dynamics("nve", ["Li"], "/m/graph.pb", 700.0, 2.0, 100, 4000, 20, 100.0, 0.6, 5, False)
FULL = "ERROR on proc 0: Error writing dump frames: No space left on device (src/dump.cpp:503)"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run with a program that writes these lines into LAMMPS's log and waits."""
    ase.io.write(tmp_path / "cell.extxyz", Atoms("Li2", positions=[[0, 0, 0], [2, 0, 0]], cell=[5, 5, 5], pbc=True))

    def start(log, output="", status=0, seconds=0.0):
        code = f"import time; open('log.lammps', 'w').write({log!r}); print({output!r}); time.sleep({seconds}); raise SystemExit({status})"
        monkeypatch.setattr(lammps_run, "launch_argv", lambda launch: [sys.executable, "-c", code])
        monkeypatch.setattr(lammps_run, "lmp_environment", dict)
        cell = str(tmp_path / "cell.extxyz")
        return lammps_run.run(tmp_path, DYNAMICS, cell, LaunchChoice(1, 1, False), Progress(tmp_path, min_interval_s=0.0))

    return start


def test_a_full_disk_is_named_and_may_pass(run):
    with pytest.raises(EngineFailed, match="free some space") as caught:
        run("LAMMPS (1 Jan 2025)\n", FULL, 1)
    assert (caught.value.cause, caught.value.permanent) == ("disk_full", False)


def test_what_an_earlier_try_said_is_not_said_of_this_one(run):
    with pytest.raises(EngineFailed):
        run("", FULL, 1)
    with pytest.raises(EngineFailed) as caught:
        run("LAMMPS (1 Jan 2025)\n", "", 1)
    assert (caught.value.cause, caught.value.permanent) == ("engine_died", False)


def test_a_run_that_goes_on_starts_its_progress_and_its_speed_at_the_restart(run, tmp_path):
    (tmp_path / "restart.a").write_text("of step 2000")
    steps = range(20, 2020, 20)
    frame = "ITEM: TIMESTEP\n{0}\n" + "header\n" * 7 + "1 1 {0}.0 0 0\n2 1 0 0 0\n"
    (tmp_path / lammps_frames.DUMP).write_text("".join(map(frame.format, steps)))
    (tmp_path / lammps_frames.TABLE).write_text("".join(f"{step} 700 -1 -0.9 1 1 1 0 0 0\n" for step in steps))
    with pytest.raises(EngineFailed):
        run("pair_style deepmd\n2000 700 -1 -0.9 0.0\n2100 700 -1 -0.9 1.0\n", status=1, seconds=2.0)
    assert "read_restart restart.a" in (tmp_path / "in.resume").read_text()
    progress = read_json(tmp_path / "progress.json")
    assert (progress["done"], progress["done_before"], progress["total"]) == (2200, 2100, 4100)
    assert int(progress["message"].split()[-2]) < 1000  # 100 steps, not 2200


def test_progress_never_falls_back(run, tmp_path):
    """The equilibration has ended and the production has not begun."""
    with pytest.raises(EngineFailed):
        run("Loop time of 1.0 on 1 procs for 50 steps with 2 atoms\n0 1 1 1 0\n"
            "Loop time of 1.0 on 1 procs for 50 steps with 2 atoms\n", status=1, seconds=1.0)  # fmt: skip
    assert read_json(tmp_path / "progress.json")["done"] == 100

"""Frames that a power cut or a full disk has taken away are noticed before anything is computed from the rest."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from campaigns.engines import disk, lammps_frames
from campaigns.engines.job import EngineFailed
from campaigns.science.lammps_input import Dynamics

N_ATOMS = 2
DYNAMICS = Dynamics("nve", ["Li"], "/m/graph.pb", 700.0, 2.0, 100, 100, 20, 100.0, 0.6, 5, False)


def frame(step):
    return f"ITEM: TIMESTEP\n{step}\n" + "header\n" * 7 + f"1 1 {step}.0 0 0\n2 1 0 0 0\n"


def row(step):
    return f"{step} 700 -1 -0.9 1 1 1 0 0 0\n"


def written(folder, dumped, printed):
    (folder / lammps_frames.DUMP).write_text("".join(map(frame, dumped)))
    (folder / lammps_frames.TABLE).write_text("".join(map(row, printed)))
    for name in (*lammps_frames.RESTARTS, "run.json"):
        (folder / name).write_text("{}")


WHOLE = [20, 40, 60, 80, 100]
WITHOUT_60 = [20, 40, 80, 100]


def test_a_whole_run_is_read(tmp_path):
    written(tmp_path, WHOLE, [0, *WHOLE])
    steps, values, table = lammps_frames.frames_with_thermo(tmp_path, DYNAMICS, N_ATOMS, completed=True)
    assert steps.tolist() == table["step"].tolist() == WHOLE
    assert values[:, 0, 0].tolist() == WHOLE


def test_a_long_run_is_in_memory_once(tmp_path, monkeypatch):
    n_frames, n_atoms = 400, 500
    steps = [20 * (number + 1) for number in range(n_frames)]
    monkeypatch.setattr(lammps_frames.lammps_input, "read_frames",
                        lambda *_: ((step, np.full((n_atoms, 3), float(step))) for step in steps))  # fmt: skip
    (tmp_path / lammps_frames.TABLE).write_text("".join(map(row, steps)))
    tracemalloc.start()
    _, values, _ = lammps_frames.frames_with_thermo(tmp_path, replace(DYNAMICS, n_steps=steps[-1]), n_atoms, completed=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert values[-1, -1].tolist() == [steps[-1]] * 3
    assert peak < 1.5 * values.nbytes


@pytest.mark.parametrize(("dumped", "printed"), [(WITHOUT_60, WHOLE), (WHOLE, WITHOUT_60), (WHOLE[:-1], WHOLE), ([], []), (WHOLE, [])])
def test_a_completed_run_with_a_gap_is_forgotten_and_starts_over(tmp_path, dumped, printed):
    written(tmp_path, dumped, printed)
    with pytest.raises(EngineFailed, match="starts over") as caught:
        lammps_frames.frames_with_thermo(tmp_path, DYNAMICS, N_ATOMS, completed=True)
    assert not caught.value.permanent
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_run_that_was_stopped_counts_up_to_the_gap(tmp_path):
    written(tmp_path, WITHOUT_60, WHOLE)
    steps, values, table = lammps_frames.frames_with_thermo(tmp_path, DYNAMICS, N_ATOMS, completed=False)
    assert steps.tolist() == table["step"].tolist() == [20, 40]
    assert len(values) == 2


def test_what_can_be_gone_on_with_ends_at_the_gap(tmp_path):
    assert lammps_frames.last_step_without_gap(tmp_path, DYNAMICS, N_ATOMS) == 0
    written(tmp_path, WITHOUT_60, WHOLE)
    assert lammps_frames.last_step_without_gap(tmp_path, DYNAMICS, N_ATOMS) == 40
    written(tmp_path, WHOLE, WHOLE[:3])
    assert lammps_frames.last_step_without_gap(tmp_path, DYNAMICS, N_ATOMS) == 60


@pytest.mark.parametrize("end", range(1, len(row(60))))
def test_half_a_row_does_not_take_the_one_that_is_written_behind_it(tmp_path, end):
    written(tmp_path, WHOLE, [20, 40])
    table = tmp_path / lammps_frames.TABLE
    table.write_text(row(20) + row(40) + row(60)[:end])
    lammps_frames.cut_half_a_row(tmp_path)
    with table.open("a") as stream:
        stream.write(row(60) + row(80) + row(100))
    steps, *_ = lammps_frames.frames_with_thermo(tmp_path, DYNAMICS, N_ATOMS, completed=True)
    assert steps.tolist() == WHOLE


def test_a_gap_on_a_full_disk_is_said_to_be_the_disks(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "MIN_FREE_BYTES", 2**62)
    written(tmp_path, WITHOUT_60, WHOLE)
    with pytest.raises(EngineFailed) as caught:
        lammps_frames.frames_with_thermo(tmp_path, DYNAMICS, N_ATOMS, completed=True)
    assert caught.value.cause == "disk_full"


def test_the_configuration_that_stopped_a_run_is_known(tmp_path):
    assert lammps_frames.last_configuration(tmp_path, N_ATOMS) is None
    (tmp_path / lammps_frames.LAST).write_text(frame(57))
    assert np.array_equal(lammps_frames.last_configuration(tmp_path, N_ATOMS), [[57, 0, 0], [0, 0, 0]])

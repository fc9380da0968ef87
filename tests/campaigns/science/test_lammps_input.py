from dataclasses import replace

import numpy as np
import pytest

from campaigns.science.lammps_input import (
    Box,
    Dynamics,
    data_file,
    read_frames,
    read_thermo,
    resume_script,
    start_script,
)

SKEWED = np.array([[4.0, 0.3, -0.2], [1.5, 5.0, 0.4], [-1.0, 0.8, 6.0]])


@pytest.fixture
def dynamics():
    return Dynamics("nve", ["N", "Li"], "/m/graph.pb", 700.0, 2.0, 100, 1000, 20, 100.0, 0.6, 5, False)


@pytest.mark.parametrize("cell", [SKEWED, SKEWED[[1, 0, 2]], np.diag([3.0, 4.0, 5.0])], ids=["skewed", "left-handed", "orthogonal"])
def test_the_box_is_the_cell_in_other_axes(cell):
    box = Box.of(cell)
    assert np.allclose(box.lower_A @ box.rotation, cell, atol=1e-12)
    assert np.allclose(box.rotation @ box.rotation.T, np.eye(3), atol=1e-12)
    assert np.allclose(np.triu(box.lower_A, 1), 0, atol=1e-12)
    assert (np.diag(box.lower_A) > 0).all()
    assert box.volume_A3 == pytest.approx(abs(np.linalg.det(cell)))


def test_vectors_come_back():
    box, vectors = Box.of(SKEWED), np.random.default_rng(1).normal(size=(4, 7, 3))
    assert np.allclose(box.to_caller(box.to_lammps(vectors)), vectors, atol=1e-12)


def test_the_virial_of_a_pair_comes_back_into_the_callers_axes():
    box = Box.of(SKEWED)
    distance, force = np.array([1.0, 0.5, -0.3]), np.array([0.2, -1.0, 0.4])
    force = distance * 0.7  # central
    expected = np.outer(distance, force)
    local = np.outer(box.to_lammps(distance), box.to_lammps(force)) / box.volume_A3 * 1.602176634e6
    pressure = local[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    assert np.allclose(box.virial_to_caller(pressure[None])[0], expected, atol=1e-9)


def test_a_flat_cell_is_refused():
    with pytest.raises(ValueError, match="no volume"):
        Box.of(np.ones((3, 3)))


def test_types_follow_the_type_map_and_not_the_order_of_the_atoms():
    text = data_file(["Li", "N", "Li"], np.zeros((3, 3)), Box.of(SKEWED), ["N", "Li"])
    assert "1 14.007  # N" in text
    atoms = text.split("Atoms  # atomic\n\n")[1].splitlines()
    assert [line.split()[:2] for line in atoms] == [["1", "2"], ["2", "1"], ["3", "2"]]


def test_elements_are_named_in_pair_coeff(dynamics):
    for script in (start_script(dynamics, 4), resume_script(dynamics, 4, "restart.a", 1000)):
        assert "pair_coeff * * N Li" in script


@pytest.mark.parametrize(("with_forces", "every"), [(True, 2), (False, 10)])
def test_an_exploration_is_looked_at_more_often(dynamics, with_forces, every):
    dynamics = replace(dynamics, with_forces=with_forces)
    for script in (start_script(dynamics, 4), resume_script(dynamics, 4, "restart.a", 1000)):
        assert f"fix halt_close all halt {every} v_closest > 0.5" in script


def test_a_resumed_run_appends(dynamics):
    script = resume_script(dynamics, 4, "restart.b", 1000)
    assert "read_restart restart.b" in script
    assert "velocity all create" not in script
    assert "append yes" in script
    assert "append thermo.txt" in script


def test_half_a_frame_at_the_end_is_left(tmp_path):
    frame = "ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX\n0 1\n0 1\n0 1\nITEM: ATOMS id type xu yu zu\n1 1 0 0 {}\n2 1 1 1 1\n"
    path = tmp_path / "frames.dump"
    path.write_text(frame.format(20, 0.5) + frame.format(40, 0.7)[:-5])
    found = list(read_frames(path, 2, 5))
    assert [step for step, _ in found] == [20]
    assert found[0][1][0, 2] == 0.5


def test_of_steps_written_twice_the_later_stands(tmp_path):
    path = tmp_path / "thermo.txt"
    path.write_text(
        "".join(f"{step} {temperature} -1 -0.9 1 1 1 0 0 0\n" for step, temperature in ((20, 300), (40, 310), (40, 320))) + "60 33"
    )
    table = read_thermo(path)
    assert table["step"].tolist() == [20, 40]
    assert table["temperature_K"].tolist() == [300, 320]


def test_half_a_frame_in_the_middle_is_left_out_and_those_after_it_are_read(tmp_path):
    def frame(step):
        return f"ITEM: TIMESTEP\n{step}\n" + "header\n" * 7 + f"1 1 {step}.0 0 0\n2 1 0 0 0\n"

    path = tmp_path / "frames.dump"
    for end in range(1, len(frame(20))):
        path.write_text(frame(10) + frame(20)[:end] + frame(30) + frame(40)[:end])
        assert [step for step, _ in read_frames(path, 2, 5)] == [10, 30]


def test_a_reduced_box_spans_the_same_lattice_with_small_tilts():
    cell_A = np.array([[1, 0, 0], [3, 1, 0], [-2, 5, 1]]) @ SKEWED
    box = Box.of(cell_A)
    reduced = box.reduced()
    combination = reduced.lower_A @ reduced.rotation @ np.linalg.inv(cell_A)
    assert np.allclose(combination, np.round(combination), atol=1e-9)
    assert abs(np.linalg.det(combination)) == pytest.approx(1.0)
    lengths_A = np.diag(reduced.lower_A)
    assert np.allclose(lengths_A, np.diag(box.lower_A))
    for row, column in ((1, 0), (2, 0), (2, 1)):
        assert abs(reduced.lower_A[row, column]) <= lengths_A[column] / 2 + 1e-9


@pytest.mark.parametrize(("n_atoms", "steps"), [(4, 1000), (50, 400), (200, 100), (5000, 100)])
def test_a_kill_costs_seconds_in_cells_of_every_size(dynamics, n_atoms, steps):
    assert f"restart {steps} restart.a restart.b" in start_script(dynamics, n_atoms)


def test_what_was_equilibrated_is_not_equilibrated_again(dynamics):
    lines = start_script(dynamics, 200).splitlines()
    assert lines.index("unfix dynamics") < lines.index("write_restart restart.equilibrated") < lines.index("run 1000 upto")
    assert "write_restart" not in resume_script(dynamics, 200, "restart.equilibrated", 0)

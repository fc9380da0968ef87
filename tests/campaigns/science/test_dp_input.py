"""`sel` against crystals whose shells are known; the learning curve as the program, a kill and a restart leave it."""

import math

import numpy as np
import pytest
from ase.build import bulk

from campaigns.science import dp_input
from campaigns.science.frames import Frames


def frames_of(*cells):
    symbols = np.array(cells[0].get_chemical_symbols())
    return Frames(symbols, np.array([cell.positions for cell in cells]), np.array([cell.cell.array for cell in cells]))


@pytest.mark.parametrize(("cutoff_A", "largest"), [(2.7, 0), (3.0, 6), (4.1, 12), (4.9, 14), (5.7, 18)])
def test_neighbours_of_rock_salt_shell_by_shell(cutoff_A, largest):
    """a = 5.6 Å: 6 unlike at a/2, 12 like at a/sqrt 2, 8 unlike at a sqrt(3)/2, 6 like at a; more than the 8 atoms of the cell.

    Both sublattices are alike, so the largest number of a type is the larger of the like and the unlike.
    """
    salt = bulk("LiF", "rocksalt", a=5.6, cubic=True)
    assert dp_input.neighbour_counts(frames_of(salt), ["Li", "F"], cutoff_A).tolist() == [largest] * 2


def test_the_types_are_counted_apart():
    salt = bulk("LiF", "rocksalt", a=5.6, cubic=True)
    del salt[[atom.index for atom in salt if atom.symbol == "F"][1:]]  # four Li, one F in the cell: some Li lies between two images of F
    assert dp_input.neighbour_counts(frames_of(salt), ["F", "P", "Li"], 4.1).tolist() == [2, 0, 12]


def test_the_densest_frame_decides():
    salt, dense = bulk("LiF", "rocksalt", a=5.6, cubic=True), bulk("LiF", "rocksalt", a=3.9, cubic=True)
    assert dp_input.neighbour_counts(frames_of(salt, dense), ["Li", "F"], 3.0).tolist() == [12, 12]


def test_sel_has_a_margin_and_is_a_multiple_of_four():
    counts = np.array([0, 1, 3, 4, 10, 50])
    sel = np.array(dp_input.sel_with_margin(counts))
    assert sel.tolist() == [4, 4, 4, 8, 12, 60]
    assert (sel % 4 == 0).all()
    assert (sel >= 1.2 * counts).all()


def training_input(n_batches):
    return dp_input.training_input(
        systems=["a"], type_map=["Li", "N"], cutoff_A=5.0, cutoff_smooth_A=1.0, sel=[8, 8], embedding_net=[4, 8], axis_neurons=4,
        fitting_net=[16, 16], precision="float32", n_batches=n_batches, batch_size=2, learning_rate_start=1e-2, learning_rate_stop=1e-5,
        seed=5, display_every=10, save_every=100,
    )  # fmt: skip


@pytest.mark.parametrize("n_batches", [1, 150, 2500, 1_000_000])
def test_deepmd_accepts_the_input_and_the_rate_decays_within_the_training(n_batches):
    from deepmd.utils.argcheck import normalize

    accepted = normalize(training_input(n_batches))
    assert accepted["loss"]["start_pref_v"] > 0
    assert 1 <= accepted["learning_rate"]["decay_steps"] <= max(1, n_batches // 50)


def test_seeds_of_the_networks_differ():
    value = training_input(100)
    assert len({value["model"]["descriptor"]["seed"], value["model"]["fitting_net"]["seed"], value["training"]["seed"]}) == 3


HEADER = "#  step      rmse_trn    rmse_e_trn    rmse_f_trn    rmse_v_trn         lr\n"


def test_columns_go_by_their_names(tmp_path):
    path = tmp_path / "lcurve.out"
    path.write_text(HEADER + "# If there is no available reference data, rmse_*_{val,trn} will print nan\n      0 3.0 0.1 0.9 0.2 1e-3\n")
    curve = dp_input.read_learning_curve(path)
    assert {name: column.tolist() for name, column in curve.items()} == {
        "step": [0], "rmse_trn": [3.0], "rmse_e_trn": [0.1], "rmse_f_trn": [0.9], "rmse_v_trn": [0.2], "lr": [1e-3],
    }  # fmt: skip
    path.write_text("#  step  rmse_val  rmse_trn  rmse_f_val  rmse_f_trn  lr\n 0 9 3.0 8 0.5 1e-3\n")
    assert dp_input.final_error(dp_input.read_learning_curve(path), "f") == 0.5


def test_a_restart_replaces_the_batches_it_does_again(tmp_path):
    path = tmp_path / "lcurve.out"
    rows = [f"{step} 1 1 {step / 100} 1 1e-3\n" for step in (0, 10, 20, 30)]
    again = [f"{step} 1 1 {step / 100 + 5} 1 1e-3\n" for step in (20, 30, 40)]
    # The killed program left half a row, and the restarted one wrote its header behind it.
    path.write_text(HEADER + "".join(rows) + "40 1 1 0." + HEADER + "".join(again) + "50 1 1 0.")
    curve = dp_input.read_learning_curve(path)
    assert curve["step"].tolist() == [0, 10, 20, 30, 40]
    assert curve["rmse_f_trn"].tolist() == pytest.approx([0.0, 0.1, 5.2, 5.3, 5.4])


def test_no_curve_yet(tmp_path):
    assert dp_input.read_learning_curve(tmp_path / "lcurve.out") == {}
    (tmp_path / "lcurve.out").write_text(HEADER)
    assert math.isnan(dp_input.final_error(dp_input.read_learning_curve(tmp_path / "lcurve.out"), "f"))


def test_the_final_error_is_a_mean_over_the_end_and_sees_what_is_no_number(tmp_path):
    curve = {"rmse_f_trn": np.r_[np.full(18, 9.0), 1.0, 2.0]}
    assert dp_input.final_error(curve, "f") == 1.5
    (tmp_path / "lcurve.out").write_text(HEADER + "0 1 1 0.5 1 1e-3\n10 nan nan nan nan 1e-3\n")
    assert math.isnan(dp_input.final_error(dp_input.read_learning_curve(tmp_path / "lcurve.out"), "f"))

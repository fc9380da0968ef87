"""The stage as it runs: a folder with spec.json, a process, result.json."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import constants

from analysis.engines import judge
from campaigns.engines import job, judge_specs, specs
from tests.analysis.science.walks import lattice_walk

ROOT = Path(__file__).parents[3]
K = constants.k / constants.e
HOP_A = 3.0
FRAME_FS = 100.0
ENERGY_EV = 0.2
TEMPERATURES_K = (500.0, 600.0, 800.0, 1100.0)
CELL_A = 14.0


def probability(temperature_K, factor=1.0):
    return factor * 3.0 * math.exp(-ENERGY_EV / (K * temperature_K))


def truth_cm2_s(temperature_K):
    return probability(temperature_K) * HOP_A**2 / 6 / (FRAME_FS / 1000) * 1e-4


def stored_run(folder, run_id, temperature_K, hop_probability, n_frames=400, seed=7, cell_id=1, **changes):
    """An evaluate stage's folder: 16 Li on a lattice, 12 S that vibrate, the whole cell drifting."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1000 * run_id + seed)
    lithium = lattice_walk(rng, n_frames, 16, hop_probability, 0.2, HOP_A)
    sulphur = rng.uniform(0, CELL_A, (1, 12, 3)) + 0.15 * rng.normal(size=(n_frames, 12, 3))
    positions = np.concatenate([lithium, sulphur], axis=1) + 0.02 * np.arange(n_frames)[:, None, None]
    np.savez(folder / "trajectory.npz", positions_A=positions.astype(np.float32), cell_A=CELL_A * np.eye(3),
             symbols=np.array(["Li"] * 16 + ["S"] * 12), time_fs=np.arange(n_frames) * FRAME_FS)  # fmt: skip
    values = {"outcome": "completed", "reason": "", "trajectory_file": "trajectory.npz", "thermo_file": None, "frame_interval_fs": FRAME_FS,
              "completed_ps": n_frames * FRAME_FS / 1000, "mean_kinetic_temperature_K": temperature_K, "kinetic_temperature_error_K": 3.0,
              "energy_drift_meV_atom_ns": 0.1, "min_distance_A": 1.5, "steps_per_s": 100.0, "startup_seconds": 1.0}  # fmt: skip
    return judge_specs.JudgedRun(run_id, str(folder), temperature_K, specs.EvaluateResult(**(values | changes)), cell_id, f"cell {cell_id}")


def spec_of(runs, step=1, earlier=()):
    return judge_specs.JudgeSpec(runs, "Li", 1.0, 1, step, list(earlier), 0.1, 1.0, 10.0, 3.0)


def judged(folder, spec):
    """The result as another process left it."""
    job.write_spec(folder, "judge", spec)
    done = subprocess.run(
        [sys.executable, "-m", "analysis.engines.judge", str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "result.json").read_text())


def directly(folder, spec):
    folder.mkdir(exist_ok=True)
    return job.to_json(judge.run(folder, spec, job.Progress(folder)))


@pytest.fixture
def runs(tmp_path):
    return [stored_run(tmp_path / f"run{i}", i, T, probability(T)) for i, T in enumerate(TEMPERATURES_K, 1)]


def test_a_whole_model_gives_its_energy_and_every_number_is_json(tmp_path, runs):
    result = judged(tmp_path / "judge", spec_of(runs))
    assert [run["verdict"] for run in result["runs"]] == ["diffusive"] * 4
    for run in result["runs"]:
        assert abs(run["diffusivity_cm2_s"] - truth_cm2_s(run["temperature_K"])) < 3.5 * run["diffusivity_error_cm2_s"]
        assert run["details"]["haven_ratio_error"] > 0
        assert run["details"]["he_2018_cm2_s"] == pytest.approx(run["diffusivity_cm2_s"], rel=0.6)
        assert run["details"]["framework_msd_A2"] < 1
        assert run["details"]["fit_window_ps"][1] == pytest.approx(20.0)
    line = result["arrhenius"]
    assert abs(line["activation_energy_eV"] - ENERGY_EV) < 3 * line["activation_energy_error_eV"]
    assert line["n_points"] == 4
    assert "only 4 temperatures" in line["reason"]
    details = line["details"]
    assert details["D300_low"] < details["D300_cm2_s"] < details["D300_high"]
    assert details["D300_extrapolated"] is True
    density = 16 / CELL_A**3 * 1e24
    assert details["conductivity300_mS_cm"] == pytest.approx(1000 * density * constants.e * details["D300_cm2_s"] / (K * 300), rel=1e-9)
    assert result["stationarity"]["decision"] == "undecided"
    log = (tmp_path / "judge/log").read_text()
    assert f"{TEMPERATURES_K[0]:g} K: D = (" in log
    assert f"Ea = {line['activation_energy_eV']:.3f} ± " in log


def test_the_curves_have_the_promised_names(tmp_path, runs):
    folder = tmp_path / "judge"
    result = directly(folder, spec_of(runs[:1]))
    with np.load(folder / result["msd_file"], allow_pickle=False) as curves:
        msds = {"t_ps_1"} | {f"msd{error}_A2_1_{s}" for error in ("", "_error") for s in ("Li", "S")}
        pairs = {"rdf_r_A_1", "rdf_1_Li-Li", "rdf_1_Li-S", "rdf_1_S-S"}
        moved = {"van_hove_t_ps_1", "van_hove_self_1", "van_hove_distinct_1", "density_1", "density_cell_A_1"}
        assert set(curves.files) == msds | pairs | moved
        assert curves["van_hove_self_1"].shape == (len(curves["van_hove_t_ps_1"]), len(curves["rdf_r_A_1"]))
        assert curves["density_1"].sum(axis=(1, 2)) == pytest.approx(3 * [curves["density_1"][0].sum()])
        assert 60 < len(curves["t_ps_1"]) <= 100
        assert len(curves["t_ps_1"]) == len(curves["msd_A2_1_Li"]) == len(curves["msd_error_A2_1_S"])
        assert np.all(np.isfinite(curves["msd_error_A2_1_Li"]))


def test_an_atom_that_jumps_a_whole_cell_is_an_atom_that_moves_and_no_wrapped_run(tmp_path):
    """A run that is about to blow up: our own dumps are unwrapped, whatever they look like."""
    one = stored_run(tmp_path / "a", 1, 600.0, 0.02)
    with np.load(Path(one.folder) / "trajectory.npz") as stored:
        arrays = dict(stored)
    arrays["positions_A"][-3:, 0] += [CELL_A, 0.5 * CELL_A, 0.0]
    np.savez(Path(one.folder) / "trajectory.npz", **arrays)
    assert directly(tmp_path / "judge", spec_of([one]))["runs"][0]["verdict"]


def test_a_run_that_missed_its_temperature_is_not_used(tmp_path, runs):
    cold = stored_run(tmp_path / "cold", 8, 950.0, 0.1, mean_kinetic_temperature_K=844.0, kinetic_temperature_error_K=5.0)
    unsure = stored_run(tmp_path / "unsure", 9, 950.0, 0.1, mean_kinetic_temperature_K=844.0, kinetic_temperature_error_K=40.0)
    found = {run["run_id"]: run for run in directly(tmp_path / "judge", spec_of([*runs, cold, unsure]))["runs"]}
    assert (found[8]["verdict"], found[8]["number"], found[8]["threshold"]) == ("off_temperature", 106.0, 95.0)
    assert "844 K" in found[8]["reason"]
    assert found[9]["verdict"] == "diffusive"


def test_runs_that_are_not_diffusive_are_excluded_with_their_reason(tmp_path, runs):
    frozen = stored_run(tmp_path / "frozen", 8, 300.0, 0.0)
    burst = stored_run(tmp_path / "burst", 9, 1400.0, 0.1, outcome="min_distance", reason="Li and S at 0.4 Å", completed_ps=3.0)
    nothing = stored_run(tmp_path / "nothing", 10, 1500.0, 0.1, outcome="blown_up", reason="not a number", trajectory_file=None,
                         mean_kinetic_temperature_K=None, kinetic_temperature_error_K=None, energy_drift_meV_atom_ns=None)  # fmt: skip
    result = directly(tmp_path / "judge", spec_of([*runs, frozen, burst, nothing]))
    excluded = {one["run_id"]: one for one in result["arrhenius"]["details"]["excluded"]}
    assert set(excluded) == {8, 9, 10}
    assert excluded[8]["verdict"] in {"bounded", "too_short"}
    assert excluded[9]["verdict"] == excluded[10]["verdict"] == "blown_up"
    assert "0.4 Å" in excluded[9]["reason"]
    assert result["arrhenius"]["n_points"] == 4


def test_another_cell_has_a_line_of_its_own(tmp_path, runs):
    alone = directly(tmp_path / "alone", spec_of(runs))["arrhenius"]
    slow = [stored_run(tmp_path / f"slow{i}", i + 10, T, probability(T, 0.8), cell_id=2) for i, T in enumerate(TEMPERATURES_K)]
    both = directly(tmp_path / "both", spec_of([*runs, *slow]))
    assert both["arrhenius"]["activation_energy_eV"] == alone["activation_energy_eV"]
    assert {T for point in both["arrhenius"]["details"]["points"] for T in point["run_ids"]} == {run.run_id for run in runs}
    (other,) = both["arrhenius"]["details"]["other_cells"]
    assert other["cell"] == "cell 2"
    assert other["n_points"] == 4
    assert abs(other["apart_sigma"]) < 3
    assert alone["details"]["other_cells"] == []


def test_two_temperatures_give_no_line(tmp_path, runs):
    line = directly(tmp_path / "judge", spec_of(runs[:2]))["arrhenius"]
    assert line["activation_energy_eV"] is None
    assert "2 temperatures" in line["reason"]
    assert len(line["details"]["points"]) == 2


def test_replicas_that_differ_enlarge_the_error(tmp_path):
    same = [stored_run(tmp_path / f"s{i}", i, 600.0, 0.1) for i in (1, 2)]
    other = [same[0], stored_run(tmp_path / "o", 3, 600.0, 0.3)]
    first, second = (
        directly(tmp_path / name, spec_of(pair))["arrhenius"]["details"]["points"][0] for name, pair in (("a", same), ("b", other))
    )
    assert first["run_ids"] == [1, 2]
    assert second["error_cm2_s"] / second["diffusivity_cm2_s"] > 2 * first["error_cm2_s"] / first["diffusivity_cm2_s"]
    assert second["replica_spread_dex"] > 0.15


def earlier(folder, tmp_path, step, factor):
    runs = [stored_run(tmp_path / f"e{step}_{i}", i, T, probability(T, factor), seed=step) for i, T in enumerate(TEMPERATURES_K, 1)]
    result = directly(folder, spec_of(runs, step))
    return judge_specs.EarlierModel(1, step, result["runs"], result["arrhenius"])


def test_models_of_a_loop_are_compared(tmp_path, runs):
    like = earlier(tmp_path / "j1", tmp_path, 1, 1.0)
    slow = earlier(tmp_path / "j0", tmp_path, 1, 0.2)
    again = earlier(tmp_path / "j2", tmp_path, 2, 1.0)
    assert directly(tmp_path / "two", spec_of(runs, 2, [like]))["stationarity"]["decision"] == "undecided"
    assert directly(tmp_path / "same", spec_of(runs, 3, [like, again]))["stationarity"]["decision"] == "stationary"
    moving = directly(tmp_path / "moved", spec_of(runs, 2, [slow]))["stationarity"]
    assert moving["decision"] == "moving"
    assert moving["spread_dex"] > 0.2
    assert moving["details"]["steps"] == [1, 2]


def test_models_without_a_line_are_compared_at_shared_temperatures(tmp_path, runs):
    # The MSD of the fixture's run at 600 K happens to grow as t^0.79: D is not known to 20 % from it.
    runs[1] = stored_run(tmp_path / "another", 2, 600.0, probability(600.0), seed=8)
    before = directly(tmp_path / "j1", spec_of(runs[1:2]))
    model = judge_specs.EarlierModel(1, 1, before["runs"], before["arrhenius"])
    found = directly(tmp_path / "j2", spec_of(runs[1:3], 2, [model]))["stationarity"]
    assert found["details"]["where"] == "600 K"
    assert found["details"]["n_models"] == 2
    assert found["decision"] == "undecided"  # two are too few
    third = judge_specs.EarlierModel(1, 2, before["runs"], before["arrhenius"])
    assert directly(tmp_path / "j4", spec_of(runs[1:3], 3, [model, third]))["stationarity"]["decision"] == "stationary"
    apart = directly(tmp_path / "j3", spec_of(runs[2:3], 2, [model]))["stationarity"]
    assert apart["decision"] == "undecided"


def test_a_trajectory_that_is_not_there_fails_with_advice(tmp_path, runs):
    Path(runs[0].folder, "trajectory.npz").unlink()
    with pytest.raises(job.EngineFailed, match="repeat the run at 500 K"):
        directly(tmp_path / "judge", spec_of(runs))


def test_a_cell_of_mobile_ions_alone_has_no_haven_ratio(tmp_path):
    one = stored_run(tmp_path / "a", 1, 600.0, 0.1)
    with np.load(Path(one.folder) / "trajectory.npz") as stored:
        arrays = dict(stored)
    arrays["positions_A"], arrays["symbols"] = arrays["positions_A"][:, :16], arrays["symbols"][:16]
    np.savez(Path(one.folder) / "trajectory.npz", **arrays)
    details = directly(tmp_path / "judge", spec_of([one]))["runs"][0]["details"]
    assert details["haven_ratio"] is None
    assert details["drift_reference"] == "all atoms"
    assert any("multiplied by 16/15" in flag for flag in details["flags"])
    with_all = directly(tmp_path / "whole", spec_of([stored_run(tmp_path / "b", 1, 600.0, 0.1)]))["runs"][0]
    assert details["msd_A2"] == pytest.approx(with_all["details"]["msd_A2"], rel=0.25)


@pytest.mark.parametrize("n_before", [300, 1])
def test_a_run_with_a_missing_frame_is_judged_up_to_there_and_fails_nothing(tmp_path, n_before):
    """An evaluation that an earlier version finished: nothing can repeat it."""
    one = stored_run(tmp_path / "run", 1, 1100.0, probability(1100.0))
    path = tmp_path / "run" / "trajectory.npz"
    with np.load(path) as stored:
        whole = dict(stored)

    def judged_with(chosen):
        np.savez(path, **whole | {name: whole[name][chosen] for name in ("positions_A", "time_fs")})
        return directly(tmp_path / "judge", spec_of([one]))["runs"][0]

    found = judged_with(np.arange(400) != n_before)
    before = judged_with(np.arange(400) < n_before)
    assert found["diffusivity_cm2_s"] == before["diffusivity_cm2_s"]
    assert (found["verdict"] == "too_short") == (n_before == 1)
    if n_before > 1:
        assert "a frame is missing after 30 ps" in found["details"]["flags"][0]
        assert not any("missing" in flag for flag in before["details"]["flags"])


def test_a_species_that_melts_alone_is_named(tmp_path):
    """Two atoms that diffuse among eighteen at rest: their mean would stay below the limit."""
    one = stored_run(tmp_path / "a", 1, 600.0, 0.1)
    with np.load(Path(one.folder) / "trajectory.npz") as stored:
        arrays = dict(stored)
    rng, n_frames = np.random.default_rng(4), len(arrays["positions_A"])
    drift = 0.02 * np.arange(n_frames)[:, None, None]
    still = rng.uniform(0, CELL_A, (1, 18, 3)) + 0.05 * rng.normal(size=(n_frames, 18, 3)) + drift
    melting = lattice_walk(rng, n_frames, 2, 0.08, 0.1, 1.2) + drift
    arrays["positions_A"] = np.concatenate([arrays["positions_A"][:, :16], still, melting], axis=1).astype(np.float32)
    arrays["symbols"] = np.array(["Li"] * 16 + ["S"] * 18 + ["Cl"] * 2)
    np.savez(Path(one.folder) / "trajectory.npz", **arrays)
    found = directly(tmp_path / "judge", spec_of([one]))["runs"][0]
    assert found["verdict"] == "melted"
    assert "the MSD of Cl reaches" in found["reason"]
    assert "without its atoms" in found["reason"]
    assert found["details"]["framework_species"] == "Cl"


def test_caged_ions_have_an_upper_limit_and_no_d(tmp_path):
    """As of one's own trajectory: what two fits make of a rattle is no D with an error."""
    found = directly(tmp_path / "judge", spec_of([stored_run(tmp_path / "run", 1, 500.0, 0.0)]))["runs"][0]
    assert found["verdict"] == "bounded"
    assert found["diffusivity_cm2_s"] is None
    assert found["details"]["diffusivity_below_cm2_s"] > 0


def test_a_colder_run_that_counts_as_melted_is_said_of_the_hotter_ones(tmp_path):
    runs = [stored_run(tmp_path / f"run{i}", i, T, probability(T)) for i, T in enumerate((600.0, 800.0), 1)]
    with np.load(tmp_path / "run1" / "trajectory.npz") as stored:
        values = dict(stored)
    walk = lattice_walk(np.random.default_rng(4), len(values["positions_A"]), 12, 0.2, 0.2, HOP_A)
    values["positions_A"][:, 16:] += walk - walk.mean(axis=1, keepdims=True)
    np.savez(tmp_path / "run1" / "trajectory.npz", **values)
    cold, hot = directly(tmp_path / "judge", spec_of(runs))["runs"]
    assert cold["verdict"] == "melted"
    assert hot["verdict"] == "diffusive"
    assert any("a colder run, at 600 K, counts as melted" in flag for flag in hot["details"]["flags"])


def test_the_framework_s_error_is_that_of_its_units():
    """24 S of six PS4: as independent as six atoms."""
    lags, curve = np.array([1, 2]), (np.array([1.0, 4.0]), np.array([0.1, 0.5]))
    species = judge.SpeciesMsd(lags, {"Li": curve, "P": curve, "S": curve}, "Li", {"Li": 20, "P": 6, "S": 24})
    assert species.framework_error_A2("S") == pytest.approx(0.5 * math.sqrt(23 / 5))
    alone = judge.SpeciesMsd(lags, {"Li": curve, "S": curve}, "Li", {"Li": 20, "S": 24})
    assert alone.framework_error_A2("S") == pytest.approx(0.5)

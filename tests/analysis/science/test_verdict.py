from dataclasses import replace

import numpy as np
import pytest

from analysis.science import diffusion, msd, verdict
from analysis.science.evidence import MIN_EVENTS, Evidence, as_passed, later_fall, needed_ps, with_chance_of_passing
from analysis.science.steadiness import ChangeInTime

from .walks import ageing_walk, as_paths, cage_walk, file_walk, fractional_walk, lattice_walk, ring_walk

HOP_A = 3.0
FRAME_PS = 0.1


def caged(rng, n_frames, n_ions, size_A=0.8):
    """Overdamped motion in a harmonic cage."""
    path = np.zeros((n_frames, n_ions, 3))
    for frame in range(1, n_frames):
        path[frame] = 0.9 * path[frame - 1] + np.sqrt(1 - 0.81) * size_A * rng.normal(size=(n_ions, 3))
    return path.astype(np.float32)


def evidence(path, hop_A=HOP_A, **changes):
    n = path.shape[1]
    paths = as_paths(path, FRAME_PS)
    estimate = diffusion.estimate(paths, hop_A) if len(path) >= diffusion.MIN_FRAMES else None
    net_A = msd.net_displacement(paths.paths_A)
    moved, n_left = float((net_A > hop_A).mean()), msd.few_left(net_A, hop_A)
    found = Evidence(
        "completed", "", 0.05, 1.0, 600.0, 602.0, 4.0, 10.0, len(path) * FRAME_PS, n, estimate, hop_A, 0.3, 0.05, moved, n_left
    )
    return replace(found, **changes)


@pytest.fixture
def diffusive():
    return evidence(lattice_walk(np.random.default_rng(1), 600, 24, 0.1, 0.2, HOP_A))


def test_a_long_walk_is_diffusive(diffusive):
    found = verdict.judge(diffusive)
    assert found.name == "diffusive"
    assert found.number > found.threshold == 50


def test_most_good_runs_pass():
    rng = np.random.default_rng(6)
    names = [verdict.judge(evidence(lattice_walk(rng, 400, 24, 0.1, 0.2, HOP_A))).name for _ in range(30)]
    assert names.count("diffusive") >= 26


def test_few_hops_are_too_few_and_no_cage():
    """Between them the MSD is level."""
    rng, names = np.random.default_rng(8), []
    for _ in range(20):
        found = evidence(lattice_walk(rng, 600, 24, 2e-4, 0.15, HOP_A))
        judged = verdict.judge(found)
        names.append(judged.name)
        assert judged.name == ("too_short" if found.n_left else "bounded"), judged.reason
        assert ("none left its site" in judged.reason) == (found.n_left == 0)
    assert names.count("too_short") > 10


@pytest.mark.parametrize("size_A", [0.3, 0.8, 1.5, 2.5])
@pytest.mark.parametrize("n_frames", [60, 300, 1000])
def test_a_caged_ion_is_never_diffusive(size_A, n_frames):
    for seed in range(4):
        found = verdict.judge(evidence(caged(np.random.default_rng(seed), n_frames, 12, size_A)))
        assert found.name in {"bounded", "too_short", "subdiffusive"}
    if n_frames == 1000:
        assert found.name == "bounded"


def test_a_short_run_says_how_long_it_must_be():
    path = lattice_walk(np.random.default_rng(2), 100, 12, 0.02, 0.1, HOP_A)
    found = verdict.judge(evidence(path))
    assert found.name == "too_short"
    assert "ps are needed" in found.reason
    longer = evidence(lattice_walk(np.random.default_rng(2), 100, 12, 0.02, 0.1, HOP_A))
    assert needed_ps(longer) > 10


def test_too_few_frames_are_too_short():
    found = verdict.judge(evidence(np.zeros((10, 4, 3), dtype=np.float32)))
    assert found.name == "too_short"
    assert found.unit == "ps"


def test_frozen_ions_are_not_diffusive():
    path = 0.01 * np.random.default_rng(0).normal(size=(200, 8, 3))
    assert verdict.judge(evidence(path.astype(np.float32))).name in {"bounded", "too_short"}
    assert verdict.judge(evidence(np.zeros((200, 8, 3), dtype=np.float32))).name in {"bounded", "too_short"}


def test_free_flight_is_ballistic():
    velocity = np.random.default_rng(0).normal(size=(30, 3))
    path = (np.arange(200)[:, None, None] * velocity * 0.1).astype(np.float32)
    assert verdict.judge(evidence(path)).name == "ballistic"


@pytest.mark.parametrize(("changes", "name", "words"), [
    ({"outcome": "blown_up", "outcome_reason": "atoms at 0.2 Å"}, "blown_up", "0.2 Å"),
    ({"outcome": "min_distance", "outcome_reason": "atoms at 0.5 Å"}, "blown_up", "0.5 Å"),
    ({"energy_drift_meV_atom_ns": -3.0}, "drifting", "-3 meV/atom/ns"),
    ({"framework_msd_A2": 9.0, "framework_slope": 0.9}, "melted", "9 Å²"),
    ({"framework_msd_A2": 9.0, "framework_slope": 0.0}, "diffusive", "linearly"),
    ({"moved_fraction": 0.05}, "bounded", "5 %"),
    ({"framework_msd_A2": None, "framework_slope": None, "energy_drift_meV_atom_ns": None}, "diffusive", "linearly"),
])  # fmt: skip
def test_what_spoils_a_run_names_its_verdict(diffusive, changes, name, words):
    found = verdict.judge(replace(diffusive, **changes))
    assert found.name == name
    assert words in found.reason


def test_a_drift_within_three_of_its_errors_spoils_no_run(diffusive):
    noisy = replace(diffusive, energy_drift_meV_atom_ns=20.0, energy_drift_limit_meV_atom_ns=10.0)
    assert verdict.judge(noisy).name == "drifting"
    assert verdict.judge(replace(noisy, energy_drift_error_meV_atom_ns=7.0)).name == "diffusive"
    assert verdict.judge(replace(noisy, energy_drift_error_meV_atom_ns=6.0)).name == "drifting"


@pytest.mark.parametrize(("drift", "error", "words"), [
    (-3.21, None, "drifts by -3.2 meV/atom/ns"), (2.5, 0.31, "2.5 ± 0.3 meV/atom/ns"), (0.9, 0.1, ""), (4.0, 2.0, ""), (None, None, ""),
])  # fmt: skip
def test_a_drift_that_is_allowed_but_large_is_said(diffusive, drift, error, words):
    remark = verdict.drift_remark(replace(diffusive, energy_drift_meV_atom_ns=drift, energy_drift_error_meV_atom_ns=error))
    assert words in remark
    assert bool(words) == bool(remark)


@pytest.mark.parametrize(("msd_A2", "slope", "flagged"), [(1.5, 0.8, True), (1.5, 0.1, False), (0.9, 0.8, False), (None, None, False)])
def test_a_framework_that_begins_to_move_is_flagged(diffusive, msd_A2, slope, flagged):
    stirred = replace(diffusive, framework_msd_A2=msd_A2, framework_slope=slope, framework_species="S")
    assert verdict.judge(stirred).name == "diffusive"
    said = verdict.framework_caution(stirred)
    assert bool(said) == flagged
    assert not flagged or "MSD of S in the framework reaches 1.5 Å² and grows" in said[0]


def test_a_species_that_turns_about_a_framework_that_holds_does_not_melt_it(diffusive):
    """PS4 in LGPS at 950 K: S moves by some Å², P does not."""
    turning = replace(
        diffusive, framework_msd_A2=3.6, framework_slope=0.8, framework_species="S", backbone_species="P", backbone_msd_A2=0.8
    )
    assert verdict.judge(turning).name == "diffusive"
    assert "while P stays within 0.8 Å²" in verdict.framework_caution(turning)[0]
    assert verdict.judge(replace(turning, backbone_msd_A2=1.2)).name == "melted"
    assert verdict.judge(replace(turning, framework_msd_A2=12.0)).threshold == verdict.TURNING_MSD_A2
    assert verdict.judge(replace(turning, backbone_species="S")).name == "melted"  # the framework is of one species


def test_dynamics_come_before_all_else(diffusive):
    everything = replace(diffusive, outcome="blown_up", energy_drift_meV_atom_ns=9.0, framework_msd_A2=9.0, framework_slope=1.0)
    assert verdict.judge(everything).name == "blown_up"
    assert verdict.judge(replace(everything, outcome="completed")).name == "drifting"


@pytest.mark.parametrize(("halves", "name"), [
    ((1.0, 1.5), "diffusive"), ((1.0, 1.7), "too_short"), ((1.0, 0.5), "subdiffusive"), ((1.0, 0.85), "diffusive"),
])  # fmt: skip
def test_a_d_that_falls_within_the_fit_is_taken_more_seriously_than_one_that_rises(diffusive, halves, name):
    """Errors of 0.2 of the difference: 2.5, 3.5, -2.5 and -0.75 of them."""
    value = diffusive.estimate.diffusivity_cm2_s
    estimate = replace(
        diffusive.estimate, halves_cm2_s=tuple(value * half for half in halves), halves_error_cm2_s=(0.14 * value, 0.1428 * value)
    )
    found = verdict.judge(replace(diffusive, estimate=estimate))
    assert found.name == name
    if name != "diffusive":
        assert found.number == pytest.approx(abs(halves[1] - halves[0]) / 0.2, rel=0.01)


@pytest.mark.parametrize(("hop_A", "make", "most"), [
    (2.4, lambda rng: ring_walk(rng, 400, 24, 8, 0.03, 2.4), 0), (3.0, lambda rng: ring_walk(rng, 400, 24, 8, 0.03, 3.0), 0),
    (5.0, lambda rng: ring_walk(rng, 400, 24, 2, 0.004, 5.0), 0),
    (2.0, lambda rng: ring_walk(rng, 400, 24, 2, 0.004, 5.0), 2),  # told a hop length that is far too short; 9 of 100 by the slope alone
])  # fmt: skip
def test_cages_as_wide_as_several_hops_are_not_diffusive(hop_A, make, most):
    """Round a ring, or between two sites for ever: the MSD levels off slowly and at a size that a walk could have."""
    rng = np.random.default_rng(20)
    names = [verdict.judge(evidence(make(rng), hop_A)).name for _ in range(120)]
    assert set(names) <= {"bounded", "subdiffusive", "too_short", "diffusive"}
    assert names.count("diffusive") <= most


def test_strictness_about_cages_costs_few_walks():
    """Beyond the size of a cage a short run's slope may scatter."""
    rng = np.random.default_rng(8)
    names = [verdict.judge(evidence(lattice_walk(rng, 400, 24, 0.05, 0.2, HOP_A))).name for _ in range(60)]
    assert names.count("diffusive") >= 56


def test_ions_that_leave_their_cages_are_diffusive():
    rng = np.random.default_rng(6)
    names = [verdict.judge(evidence(cage_walk(rng, 1000, 24, 0.005))).name for _ in range(30)]
    assert names.count("diffusive") >= 24


@pytest.mark.parametrize("falls_to", [0.5, 0.2, 0.05, 0.01])
def test_ions_that_slow_down_along_the_run_are_not_diffusive(falls_to):
    rng = np.random.default_rng(11)
    found = [verdict.judge(evidence(ageing_walk(rng, 600, 24, 0.3, falls_to, HOP_A))) for _ in range(12)]
    assert {one.name for one in found} == {"unsteady"}
    times = np.median([float(one.reason.split()[3]) for one in found])
    assert times == pytest.approx(falls_to**-0.5, rel=0.15 if falls_to > 0.1 else 0.3)  # in the second half, without the vibration
    assert "less in the second half of the run" in found[0].reason


def test_ions_that_speed_up_are_not_diffusive():
    found = verdict.judge(evidence(ageing_walk(np.random.default_rng(12), 600, 24, 0.3, 0.1, HOP_A)[::-1]))
    assert found.name == "unsteady"
    assert "more in the second half of the run" in found.reason
    assert found.number > found.threshold == 3.5


def test_a_change_along_the_run_that_does_not_matter_is_left_alone(diffusive):
    small = replace(diffusive.estimate, in_time=ChangeInTime(0.9, -8.0))
    assert verdict.judge(replace(diffusive, estimate=small)).name == "diffusive"
    by_chance = replace(diffusive.estimate, in_time=ChangeInTime(0.5, -2.5))
    assert verdict.judge(replace(diffusive, estimate=by_chance)).name == "diffusive"


def test_an_msd_that_grows_more_slowly_than_t_is_never_called_linear_and_has_a_larger_error():
    """Fractional Brownian motion, MSD ~ t^0.8: a run this short cannot always tell, and then says so."""
    rng, passed = np.random.default_rng(3), []
    for _ in range(30):
        found = evidence(fractional_walk(rng, 400, 24, 0.8, 50.0))
        said = verdict.judge(found)
        if said.name == "diffusive":
            assert ("linearly within error" in said.reason) == (found.estimate.exponent >= 1 - found.estimate.exponent_error)
            passed.append((later_fall(found.estimate), as_passed(found).error_cm2_s / found.estimate.error_cm2_s))
    assert len(passed) < 18
    assert np.mean([fall > 0 for fall, _ in passed]) > 0.5
    assert np.mean([larger for _, larger in passed]) > 1.3


@pytest.mark.parametrize(("exponent", "fall", "words"), [
    (0.97, 0.0, "linearly within error (t^0.97 ± 0.07)"), (0.91, 1 - 10**-0.04, "not known to be linear"),
    (0.82, 1 - 10**-0.18, "D might be smaller by 34 %"), (1.1, 0.0, "linearly"),
])  # fmt: skip
def test_what_a_longer_run_might_find_is_part_of_the_error(diffusive, exponent, fall, words):
    """With an error of 0.07 of the exponent: nothing within it, all of the fall from two of them on."""
    estimate = replace(diffusive.estimate, exponent=exponent, exponent_error=0.07)
    found = replace(diffusive, estimate=estimate)
    passed = as_passed(found)
    added = np.sqrt(passed.error_cm2_s**2 - estimate.error_cm2_s**2) / estimate.diffusivity_cm2_s
    assert added == pytest.approx(fall, rel=1e-6, abs=1e-7)
    assert words in verdict.judge(found).reason
    assert ("in ten times the time" in " ".join(passed.flags)) == (fall > 0)


def test_an_exponent_far_below_one_is_subdiffusive(diffusive):
    slow = replace(diffusive, estimate=replace(diffusive.estimate, exponent=0.75, exponent_error=0.07))
    found = verdict.judge(slow)
    assert (found.name, found.number, found.threshold) == ("subdiffusive", 0.75, 0.85)
    assert "t^0.75 ± 0.07" in found.reason


def test_a_run_that_barely_passes_has_a_larger_error(diffusive):
    whole = diffusive.estimate
    goal = 1.001 * max(2 * HOP_A**2, MIN_EVENTS * HOP_A**2 / diffusive.n_ions) / whole.msd_A2[-1]
    just = replace(diffusive, estimate=replace(whole, msd_A2=goal * whole.msd_A2, msd_error_A2=goal * whole.msd_error_A2))
    wider = with_chance_of_passing(just)
    assert wider.error_cm2_s == pytest.approx(1.28 * whole.error_cm2_s, rel=0.01)  # hypot(1, 0.8)
    assert "28 %" in wider.flags[-1]
    assert with_chance_of_passing(diffusive) is whole


def test_d_of_the_runs_that_pass_is_not_too_large_for_its_error():
    """Hops so rare that a third of the runs pass: these are the lucky ones."""
    rng, z = np.random.default_rng(3), []
    for _ in range(200):
        found = evidence(lattice_walk(rng, 300, 12, 0.037), 1.0)
        if verdict.judge(found).name == "diffusive":
            passed = with_chance_of_passing(found)
            z.append((passed.diffusivity_cm2_s - 0.037 / 6 * 1e-3) / passed.error_cm2_s)
    assert 20 < len(z) < 180
    assert np.mean(np.abs(z) < 1) > 0.55
    assert np.mean(np.abs(z) < 2) > 0.88


def test_ions_in_single_file_are_not_diffusive():
    """MSD ~ sqrt(t), in a ring so long that its ions do not move as one within the run."""
    found = [verdict.judge(evidence(HOP_A * file_walk(np.random.default_rng(seed), 400, 2, 60, 30))) for seed in range(6)]
    assert "diffusive" not in {one.name for one in found}


def test_ions_that_block_each_other_must_be_told_from_a_single_file(diffusive):
    blocked = replace(diffusive.estimate, move_together=4.0, exponent=0.9, exponent_error=0.25)
    found = verdict.judge(replace(diffusive, estimate=blocked))
    assert found.name == "subdiffusive"
    assert "cannot pass each other" in found.reason
    assert verdict.judge(replace(diffusive, estimate=replace(blocked, exponent_error=0.15))).name == "diffusive"


def test_a_framework_melts_where_it_exceeds_the_limit_by_its_error(diffusive):
    """S of six units in a small cell of LGPS: 4.1 of 3 allowed, because two of them turned."""
    turned = replace(diffusive, framework_msd_A2=4.1, framework_slope=0.8, framework_species="S", framework_msd_error_A2=1.5)
    assert verdict.judge(turned).name == "diffusive"
    molten = verdict.judge(replace(turned, framework_msd_error_A2=0.5))
    assert molten.name == "melted"
    assert "4.1 ± 0.5 Å²" in molten.reason


def test_a_cage_of_several_sites_that_is_not_excluded_is_said(diffusive):
    width_A2 = verdict.WIDEST_CAGE * HOP_A**2
    for last_A2, said in ((0.9 * width_A2, True), (1.1 * width_A2, False)):
        scaled = replace(diffusive.estimate, msd_A2=diffusive.estimate.msd_A2 * last_A2 / diffusive.estimate.msd_A2[-1])
        assert ("not excluded" in verdict.judge(replace(diffusive, estimate=scaled)).reason) == said


def test_most_runs_of_the_advised_length_pass():
    rng, passed = np.random.default_rng(77), []
    while len(passed) < 15:
        short = evidence(lattice_walk(rng, 300, 16, 0.015, 0.2, HOP_A))
        if verdict.judge(short).name == "too_short":
            n_frames = min(int(needed_ps(short) / FRAME_PS), 6000)
            passed.append(verdict.judge(evidence(lattice_walk(rng, n_frames, 16, 0.015, 0.2, HOP_A))).name == "diffusive")
    assert np.mean(passed) > 0.75


def test_one_ion_without_a_framework_is_told_why_it_does_not_move():
    alone = evidence(np.zeros((200, 1, 3), dtype=np.float32), framework_msd_A2=None, framework_slope=None)
    assert "no framework" in verdict.judge(alone).reason


def test_ions_that_flow_are_said_to_flow():
    path = lattice_walk(np.random.default_rng(3), 400, 24, 0.1, 0.1, HOP_A)
    path = path + (0.05 * np.arange(400)[:, None, None] * np.array([1.0, 0, 0])).astype(np.float32)
    found = evidence(path)
    assert msd.flow(as_paths(path).paths_A) > verdict.FLOW
    assert msd.flow(as_paths(lattice_walk(np.random.default_rng(3), 400, 24, 0.1)).paths_A) < 0.3
    steep = replace(found, flow=0.9, estimate=replace(found.estimate, loglog_slope=1.4))
    assert "flow as one" in verdict.judge(steep).reason

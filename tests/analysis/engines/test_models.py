"""From runs to a model's line, and from models to the decision: what needs no trajectory."""

import math

import pytest
from scipy import constants

from analysis.engines import models
from campaigns.engines import job, judge_specs

K = constants.k / constants.e
TEMPERATURES_K = (600.0, 750.0, 900.0, 1100.0)


def run(target_K, kinetic_K=None, energy_eV=0.3, factor=1.0, error=0.05, run_id=1, kinetic_error_K=0.0):
    kinetic_K = kinetic_K or target_K
    value = factor * 1e-3 * math.exp(-energy_eV / (K * kinetic_K))
    return judge_specs.RunDiffusion(run_id, target_K, kinetic_K, kinetic_error_K, "diffusive", "", None, None, "", value, error * value,
                              {"conductivity_mS_cm_per_cm2_s": 1e6})  # fmt: skip


def spec(step, earlier=()):
    return judge_specs.JudgeSpec([], "Li", 1.0, 1, step, list(earlier), 0.1, 1.0, 10.0, 3.0)


def model(step, runs):
    return judge_specs.EarlierModel(1, step, [job.to_json(one) for one in runs], job.to_json(models.arrhenius(runs)))


def decide(step, runs, earlier):
    return models.stationarity(runs, models.arrhenius(runs), spec(step, earlier))


def test_the_kinetic_temperature_may_miss_the_target():
    first = [run(600.0, 560.0)]
    found = decide(2, [run(600.0, 640.0)], [model(1, first)])
    assert found.details["log10_D"][0] == pytest.approx(found.details["log10_D"][1], abs=1e-9)  # Ea is the typical one here
    assert found.details["error_dex"][0] > 0.05 / math.log(10)


def test_an_uncertain_temperature_makes_an_uncertain_d():
    sure, unsure = (decide(2, [run(600.0, kinetic_error_K=error_K)], [model(1, [run(600.0)])]) for error_K in (0.0, 20.0))
    assert unsure.details["error_dex"][1] > 2 * sure.details["error_dex"][1]


def test_lines_are_compared_by_d_and_by_energy():
    earlier = [model(step, [run(T) for T in TEMPERATURES_K]) for step in (1, 2)]
    same = decide(3, [run(T) for T in TEMPERATURES_K], earlier)
    assert same.decision == "stationary"
    assert same.details["activation_energy"]["spread"] == 0
    assert same.details["diffusivity"]["visible_spread"] < 0.1


def test_an_energy_that_moves_while_d_in_the_middle_stays_is_moving():
    earlier = [model(step, [run(T, error=0.02) for T in TEMPERATURES_K]) for step in (1, 2)]
    middle_per_eV = (1 / 600 + 1 / 1100) / 2 / K
    turned = [run(T, energy_eV=0.5, factor=math.exp(0.2 * middle_per_eV), error=0.02) for T in TEMPERATURES_K]
    found = decide(3, turned, earlier)
    assert found.decision == "moving"
    assert "log10 D at 776 K, where these lines are known best, was" in found.reason
    assert "Ea went 0.30 ± 0.00, 0.30 ± 0.00, 0.50 ± 0.00" in found.reason


def test_a_line_gives_way_to_shared_temperatures_where_this_model_has_none():
    earlier = [model(step, [run(T) for T in TEMPERATURES_K]) for step in (1, 2)]
    found = decide(3, [run(750.0)], earlier)
    assert found.details["where"] == "750 K"
    assert found.details["activation_energy"] is None
    assert found.details["n_models"] == 3


def test_models_of_other_loops_do_not_count():
    other = judge_specs.EarlierModel(2, 1, [job.to_json(run(600.0))], None)
    assert decide(2, [run(600.0)], [other]).decision == "undecided"


def test_replicas_count_once_and_their_spread_enlarges_the_error():
    pair = [run(600.0, run_id=1), run(600.0, run_id=2, factor=2.0)]
    point = models.arrhenius(pair).details["points"][0]
    assert point["run_ids"] == [1, 2]
    assert point["error_cm2_s"] / point["diffusivity_cm2_s"] > 0.3


def test_replicas_that_differ_by_their_temperature_alone_have_no_spread():
    pair = [run(600.0, 580.0, run_id=1), run(600.0, 620.0, run_id=2)]
    point = models.arrhenius(pair).details["points"][0]
    assert point["replica_spread_dex"] == 0
    assert point["temperature_K"] == pytest.approx(600.0, abs=0.1)
    assert point["diffusivity_cm2_s"] == pytest.approx(run(600.0).diffusivity_cm2_s, rel=2e-3)
    assert point["error_cm2_s"] / point["diffusivity_cm2_s"] == pytest.approx(0.05 / math.sqrt(2))


def test_a_run_far_off_the_line_is_named_and_stays_in_the_fit():
    temperatures_K = (*TEMPERATURES_K, 1000.0)
    found = models.arrhenius([run(T, run_id=number, factor=3.0 if T == 900 else 1.0) for number, T in enumerate(temperatures_K)])
    stray = found.details["outlier"]
    assert (stray["temperature_K"], found.n_points) == (900.0, 5)
    assert stray["activation_energy_without_eV"] == pytest.approx(0.3, abs=1e-6)
    assert models.arrhenius([run(T) for T in temperatures_K]).details["outlier"] is None


def test_nothing_is_extrapolated_from_points_that_bend():
    bent = [run(T, factor=math.exp(-(((1000 / T) - 1.3) ** 2))) for T in TEMPERATURES_K]
    found = models.arrhenius(bent)
    assert abs(found.details["curvature_sigma"]) > 2
    assert "nothing is extrapolated" in found.reason
    for name in ("D300_cm2_s", "D300_low", "D300_high", "conductivity300_mS_cm", "conductivity300_low", "conductivity300_high"):
        assert found.details[name] is None
    assert "bend" in found.details["D300_reason"]
    straight = models.arrhenius([run(T) for T in TEMPERATURES_K])
    assert straight.details["D300_cm2_s"] > 0
    assert straight.details["D300_reason"] == ""

"""What is said of settings before anything runs."""

from dataclasses import replace

import pytest

from campaigns.science.protocol import PRESETS
from campaigns.science.setting_cautions import setting_cautions


@pytest.mark.parametrize(("step_K", "last"), [(300.0, "900 K"), (100.0, ""), (70.0, ""), (1000.0, "300 K")])
def test_a_ramp_that_does_not_meet_its_highest_temperature_says_where_it_ends(step_K, last):
    found = setting_cautions("paper", replace(PRESETS["paper"], ramp_T_min_K=300.0, ramp_T_max_K=1000.0, ramp_T_step_K=step_K), [100])
    said = [text for text in found if "do not meet 1000 K" in text]
    assert len(said) == bool(last)
    assert all(f"the last exploration of a loop is at {last}" in text for text in said)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_meet_theirs(preset):
    assert not [text for text in setting_cautions(preset, PRESETS[preset], [100]) if "do not meet" in text]


def test_a_ramp_into_the_melt_and_evaluation_outside_of_it_are_pointed_out():
    hot = replace(
        PRESETS["paper"], ramp_T_min_K=500.0, ramp_T_max_K=3000.0, ramp_T_step_K=500.0, evaluation_temperatures_K=(300.0, 600.0, 900.0)
    )
    found = " ".join(setting_cautions("paper", hot, [100]))
    assert "The ramp goes up to 3000 K" in found
    assert "Evaluation at 300 K is outside of the ramp (500 to 3000 K)" in found


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_stay_within_their_ramp(preset):
    found = " ".join(setting_cautions(preset, PRESETS[preset], [100]))
    assert "outside of the ramp" not in found
    assert "The ramp goes up" not in found

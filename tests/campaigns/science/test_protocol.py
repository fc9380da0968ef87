import pytest

from campaigns.science.protocol import PRESETS, SettingsError, counts, settings_as_kept, settings_from_mapping


def test_the_paper_preset_has_the_numbers_of_the_paper():
    paper = PRESETS["paper"]
    assert paper.ramp_temperatures_K == tuple(300.0 + 50 * i for i in range(15))
    assert (paper.clean_energy_factor, paper.clean_force_factor, paper.min_distance_A) == (2.0, 10.0, 0.6)
    assert (paper.batch_size, paper.snapshots_per_step, paper.snapshot_interval_ps) == (1, 100, 1.0)
    assert (paper.s0_temperatures_K, 3 * paper.s0_frames_per_temperature) == ((300.0, 600.0, 900.0), 240)
    assert not paper.clean_bond_variation


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"ramp_T_min_K": 1200.0}, "ramp_T_max_K"),
        ({"snapshots_per_step": 0}, "snapshots_per_step"),
        ({"snapshots_per_step": 2.5}, "snapshots_per_step"),
        ({"evaluation_temperatures_K": []}, "evaluation_temperatures_K"),
        ({"evaluation_temperatures_K": [700, 700]}, "evaluation_temperatures_K"),
        ({"cutoff_A": float("nan")}, "cutoff_A"),
        ({"precision": "float16"}, "precision"),
        ({"warm_start": "yes"}, "warm_start"),
        ({"learning_rate_stop": 1.0}, "learning_rate_stop"),
        ({"no_such_setting": 1}, "no_such_setting"),
        ({"timestep_fs": True}, "timestep_fs"),
        ({"evaluation_duration_ps": 0.1}, "evaluation_duration_ps"),
        ({"embedding_net": []}, "embedding_net"),
        ({"timestep_fs": 0}, "timestep_fs"),
        ({"timestep_fs": 1e-320}, "timestep_fs"),
        ({"snapshot_interval_ps": float("nan")}, "snapshot_interval_ps"),
        ({"embedding_net": [4, 8], "axis_neurons": 16}, "axis_neurons"),
    ],
)
def test_impossible_settings_are_named(changes, named):
    with pytest.raises(SettingsError) as caught:
        settings_from_mapping("quick", changes)
    assert named in caught.value.problems


def test_every_problem_is_named_at_once():
    with pytest.raises(SettingsError) as caught:
        settings_from_mapping("quick", {"snapshots_per_step": 0, "max_loops": 0})
    assert set(caught.value.problems) == {"snapshots_per_step", "max_loops"}


def test_types_bounds_and_contradictions_are_named_at_once_and_nothing_is_compared_with_what_was_not_read():
    with pytest.raises(SettingsError) as caught:
        settings_from_mapping(
            "quick", {"colour": 1, "max_loops": 0, "warm_start": "yes", "ramp_T_max_K": 100, "cutoff_A": "far", "cutoff_smooth_A": 9}
        )
    assert set(caught.value.problems) == {"colour", "max_loops", "warm_start", "ramp_T_max_K", "cutoff_A"}


def test_numbers_from_yaml_become_the_right_types():
    settings = settings_from_mapping(
        "quick", {"ramp_T_min_K": 500, "ramp_T_step_K": 250, "embedding_net": [8, 16], "evaluation_temperatures_K": [700, 900, 1100]}
    )
    assert settings.ramp_T_min_K == 500.0
    assert settings.embedding_net == (8, 16)
    assert settings.ramp_temperatures_K == (500.0, 750.0, 1000.0)


def test_counts_of_the_paper():
    """One FPMD loop of the paper: 15 steps of 100 snapshots, every one labelled."""
    amounts = counts(PRESETS["paper"], 1, 1, fpmd=True, loops=1)
    assert amounts.labels - amounts.s0_md_steps == 1500
    assert amounts.trainings == 15
    assert amounts.evaluations == 5 * 5


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_can_be_carried_out(preset):
    assert settings_from_mapping(preset, {}) == PRESETS[preset]


@pytest.mark.parametrize(
    ("changes", "name", "nearest"),
    [
        ({"s0_sample_interval_fs": 3, "s0_timestep_fs": 2}, "s0_sample_interval_fs", "give 2 or 4 fs"),
        ({"s0_sample_interval_fs": 1, "s0_timestep_fs": 2}, "s0_sample_interval_fs", "give 2 fs"),
        ({"snapshot_interval_ps": 0.5, "timestep_fs": 3, "evaluation_frame_interval_fs": 30}, "snapshot_interval_ps", "0.498 or 0.501 ps"),
        ({"evaluation_frame_interval_fs": 41}, "evaluation_frame_interval_fs", "give 40 or 42 fs"),
    ],
)
def test_frames_are_stored_after_whole_steps_and_the_nearest_intervals_are_named(changes, name, nearest):
    with pytest.raises(SettingsError) as caught:
        settings_from_mapping("quick", changes)
    assert set(caught.value.problems) == {name}
    assert nearest in caught.value.problems[name]


def test_decimal_steps_divide_decimal_intervals():
    changes = {"timestep_fs": 0.7, "snapshot_interval_ps": 0.0021, "evaluation_frame_interval_fs": 4.9}
    assert settings_from_mapping("quick", changes).timestep_fs == 0.7


def test_what_an_earlier_release_allowed_can_still_be_read():
    kept = {"s0_sample_interval_fs": 3.0, "s0_timestep_fs": 2.0, "embedding_net": [4, 8], "axis_neurons": 16, "gone_since": 1}
    found = settings_as_kept("quick", kept)
    assert (found.s0_sample_interval_fs, found.embedding_net, found.axis_neurons) == (3.0, (4, 8), 16)
    assert found.max_loops == PRESETS["quick"].max_loops
    with pytest.raises(TypeError):
        settings_as_kept("quick", {"timestep_fs": True})

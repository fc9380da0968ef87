"""Time steps for materials with hydrogen."""

import math
from dataclasses import replace

import pytest

from campaigns.science.protocol import PRESETS
from campaigns.science.time_steps import fitted, longest_fs

QUICK = PRESETS["quick"]


@pytest.mark.parametrize(
    ("elements", "step_fs"), [(["Li", "B", "H"], 0.5), (["Cs", "H", "P", "O"], 0.5), (["Li", "H"], 1.0), (["Li", "P", "S"], None)]
)
def test_the_longest_step_goes_by_what_hydrogen_is_bound_to(elements, step_fs):
    assert longest_fs(elements) == step_fs


@pytest.mark.parametrize(("wavenumber_cm", "elements"), [(3600, ["O", "H"]), (2350, ["B", "H"]), (1700, ["Al", "H"])])
def test_at_it_a_vibration_has_its_temperature_within_three_percent(wavenumber_cm, elements):
    """Velocity Verlet of a harmonic bond: mean kinetic over mean potential energy."""
    step_fs, omega = longest_fs(elements), 2 * math.pi * 2.99792458e-5 * wavenumber_cm
    x, v, kinetic, potential = 1.0, 0.0, 0.0, 0.0
    for _ in range(20000):
        v -= omega**2 * x * step_fs / 2
        x += v * step_fs
        v -= omega**2 * x * step_fs / 2
        kinetic, potential = kinetic + v * v, potential + omega**2 * x * x
    assert kinetic / potential > 0.97


def test_a_preset_fits_itself_to_hydrogen_and_says_so():
    found, notes = fitted(QUICK, [], ["H", "Li", "B"])
    assert (found.s0_timestep_fs, found.timestep_fs) == (0.5, 0.5)
    assert len(notes) == 2
    assert all("0.5 fs, not the preset's 2 fs" in note for note in notes)


def test_a_step_that_somebody_chose_stays_with_a_caution():
    found, notes = fitted(replace(QUICK, timestep_fs=1.0), ["timestep_fs"], ["H", "Li", "B"])
    assert (found.s0_timestep_fs, found.timestep_fs) == (0.5, 1.0)
    assert "temperatures will be wrong" in notes[1]


def test_other_materials_and_shorter_steps_stay_as_they_are():
    assert fitted(QUICK, [], ["Li", "S"]) == (QUICK, [])
    short = replace(QUICK, timestep_fs=0.25, s0_timestep_fs=0.5)
    assert fitted(short, [], ["H", "O"]) == (short, [])

"""A crystal of harmonic springs in eV and Å, and the same numbers in the units of other programs."""

from dataclasses import replace

import numpy as np
import pytest

from campaigns.science.frames import Frames
from campaigns.science.unit_doubts import doubts

SPRING_EV_A2 = 3.0


@pytest.fixture
def springs():
    rng = np.random.default_rng(0)
    sites_A = 3.0 * np.stack(np.meshgrid(*3 * [np.arange(3)]), axis=-1).reshape(-1, 3)
    moved_A = rng.normal(scale=0.1, size=(8, 27, 3))
    energy_eV = -90 + 0.5 * SPRING_EV_A2 * (moved_A**2).sum(axis=(1, 2))
    positions_A = (sites_A + moved_A) % 9.0  # wrapped: the nearest image counts
    return Frames(np.array(["Li"] * 27), positions_A, np.repeat(9.0 * np.eye(3)[None], 8, axis=0), energy_eV, -SPRING_EV_A2 * moved_A)


def test_a_crystal_in_eV_and_angstrom_is_believed(springs):
    assert doubts([springs]) == []


@pytest.mark.parametrize(("energy", "force", "words"), [
    (1 / 27.2114, 1 / 51.4221, "Forces change by 0.058 eV/Å"),
    (23.06, 23.06, "Forces change by 69 eV/Å"),
    (1 / 27.2114, 1.0, "energy changes by 0.037 times the work"),
    (1.0, 23.06, "energy changes by 0.043 times the work"),
])  # fmt: skip
def test_other_units_are_doubted(springs, energy, force, words):
    found = doubts([replace(springs, energy_eV=energy * springs.energy_eV, forces_eV_A=force * springs.forces_eV_A)])
    assert any(words in sentence for sentence in found)
    assert "1 Hartree is 27.21 eV" in found[-1]


def test_configurations_that_have_little_in_common_say_nothing(springs):
    rng = np.random.default_rng(1)
    assert doubts([replace(springs, positions_A=rng.uniform(0, 9, springs.positions_A.shape))]) == []
    assert doubts([springs[[0, 1]]]) == []

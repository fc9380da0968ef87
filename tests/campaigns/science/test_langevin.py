import numpy as np
import pytest
from ase import units

from campaigns.science.langevin import at_rest, baoab_step, kinetic_temperature_K, maxwell_velocities_A_fs

MASSES_U = np.array([6.94, 30.97, 32.06, 1.0])


def springs(positions_A, stiffness_eV_A2=4.0):
    """Each atom is drawn to the centre of all: no net force."""
    return -stiffness_eV_A2 * (positions_A - positions_A.mean(axis=0))


def trajectory(n_steps, rng, temperature_K=300.0, timestep_fs=1.0, damping_fs=50.0, forces_at=springs, masses_u=MASSES_U):
    positions, velocities = np.zeros((len(masses_u), 3)), maxwell_velocities_A_fs(masses_u, temperature_K, rng)
    forces = forces_at(positions)
    for _ in range(n_steps):
        positions, velocities, forces = baoab_step(
            positions,
            velocities,
            forces,
            masses_u,
            forces_at,
            timestep_fs=timestep_fs,
            temperature_K=temperature_K,
            damping_fs=damping_fs,
            rng=rng,
        )
        yield positions, velocities


def test_it_samples_the_canonical_distribution():
    """Two equal atoms on springs: E = k d^2 / 4 for their difference d, so each component has variance 2 kT / k."""
    masses_u = np.array([7.0, 7.0])
    steps = list(trajectory(20000, np.random.default_rng(1), damping_fs=20.0, timestep_fs=2.0, masses_u=masses_u))[500:]
    difference_A = np.array([positions[0] - positions[1] for positions, _ in steps])
    assert np.mean(difference_A**2) == pytest.approx(2 * units.kB * 300.0 / 4.0, rel=0.08)
    temperatures_K = [kinetic_temperature_K(velocities, masses_u) for _, velocities in steps]
    assert np.mean(temperatures_K) == pytest.approx(300.0, rel=0.08)


def test_the_whole_stays_at_rest():
    positions = np.zeros((len(MASSES_U), 3))
    for positions, velocities in trajectory(200, np.random.default_rng(2)):  # noqa: B007
        assert np.abs((MASSES_U[:, None] * velocities).sum(axis=0)).max() < 1e-12
    assert np.abs((MASSES_U[:, None] * positions).sum(axis=0)).max() < 1e-9


def test_without_friction_energy_is_conserved():
    energies_eV = []
    for positions, velocities in trajectory(2000, np.random.default_rng(3), timestep_fs=0.2, damping_fs=1e12):
        relative_A = positions - positions.mean(axis=0)
        kinetic_eV = 1.5 * units.kB * 3 * kinetic_temperature_K(velocities, MASSES_U)
        energies_eV.append(kinetic_eV + 2.0 * np.sum(relative_A**2))
    assert np.ptp(energies_eV) < 2e-3 * np.mean(energies_eV)


def test_maxwell_velocities_have_the_temperature():
    rng = np.random.default_rng(4)
    masses_u = np.tile(MASSES_U, 5000)
    velocities = maxwell_velocities_A_fs(masses_u, 700.0, rng)
    assert kinetic_temperature_K(velocities, masses_u) == pytest.approx(700.0, rel=0.02)
    light = velocities[masses_u == 1.0]
    assert light.std() == pytest.approx(np.sqrt(units.kB * 700.0) * units.fs, rel=0.02)


def test_at_rest_changes_no_relative_velocity():
    velocities = np.random.default_rng(5).normal(size=(4, 3))
    rested = at_rest(velocities, MASSES_U)
    assert rested[1] - rested[0] == pytest.approx(velocities[1] - velocities[0])

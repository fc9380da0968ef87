"""NVT dynamics: the BAOAB Langevin integrator. Leimkuhler and Matthews 2013, doi:10.1063/1.4802990.

Its configurations are the canonical ones even with long time steps, and a Langevin thermostat reaches every vibration of a small stiff
crystal, where one that rescales all velocities together does not. The total momentum is kept at zero: 3N - 3 degrees of freedom.

No call into BLAS, whose last digit depends on where an array lies in memory: the same seed gives the same trajectory, bit for bit, also
from a checkpoint in another process.
"""

from collections.abc import Callable

import numpy as np
from ase import units
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# 1 eV/A on 1 u is this many A/fs^2, and 1 eV is this many times 1 u A^2/fs^2.
EV_TO_U_A2_FS2 = units.fs**2


def baoab_step(
    positions_A: FloatArray,
    velocities_A_fs: FloatArray,
    forces_eV_A: FloatArray,
    masses_u: FloatArray,
    forces_at: Callable[[FloatArray], FloatArray],
    *,
    timestep_fs: float,
    temperature_K: float,
    damping_fs: float,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """One step. Arrays (n_atoms, 3), masses_u (n_atoms,). Returns new positions, velocities and forces.

    `forces_at(positions_A)` is called once and gives forces without a net force, or nearly: what moves the whole is taken away.
    `damping_fs` is the time in which the thermostat forgets a velocity.
    """
    masses = masses_u[:, None]
    half_kick = 0.5 * timestep_fs * EV_TO_U_A2_FS2 / masses
    kept = np.exp(-timestep_fs / damping_fs)
    noise_A_fs = thermal_velocity_A_fs(masses_u, temperature_K) * np.sqrt(1 - kept**2)
    velocities = velocities_A_fs + half_kick * forces_eV_A
    positions = positions_A + 0.5 * timestep_fs * velocities
    velocities = at_rest(kept * velocities + noise_A_fs * rng.standard_normal(positions.shape), masses_u)
    positions = positions + 0.5 * timestep_fs * velocities
    forces = forces_at(positions)
    return positions, at_rest(velocities + half_kick * forces, masses_u), forces


def maxwell_velocities_A_fs(masses_u: FloatArray, temperature_K: float, rng: np.random.Generator) -> FloatArray:
    """Velocities (n_atoms, 3) drawn at a temperature, without motion of the whole."""
    return at_rest(thermal_velocity_A_fs(masses_u, temperature_K) * rng.standard_normal((len(masses_u), 3)), masses_u)


def thermal_velocity_A_fs(masses_u: FloatArray, temperature_K: float) -> FloatArray:
    """Standard deviation of one component of the velocity, (n_atoms, 1)."""
    return np.sqrt(units.kB * temperature_K * EV_TO_U_A2_FS2 / masses_u)[:, None]


def at_rest(velocities_A_fs: FloatArray, masses_u: FloatArray) -> FloatArray:
    """The velocities without that of the centre of mass."""
    masses = masses_u[:, None]
    return velocities_A_fs - (masses * velocities_A_fs).sum(axis=0) / masses_u.sum()


def kinetic_temperature_K(velocities_A_fs: FloatArray, masses_u: FloatArray) -> float:
    """Of 3N - 3 degrees of freedom; at least two atoms."""
    twice_kinetic_eV = (masses_u[:, None] * velocities_A_fs**2).sum() / EV_TO_U_A2_FS2
    return float(twice_kinetic_eV / (units.kB * (3 * len(masses_u) - 3)))

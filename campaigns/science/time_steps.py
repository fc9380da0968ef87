"""The longest time step that follows the bonds of a material.

Velocity Verlet with a step dt gives a vibration of angular frequency w the kinetic temperature T (1 - (w dt)²/4) where its potential energy
has T: a thermostat that sees the stiff modes too cold heats all others. With bonds of hydrogen to a non-metal (2300 to 3600 cm⁻¹) that is
up to 3 % of these modes at 0.5 fs, and up to 43 % at 2 fs; with metal hydrides (up to 1700 cm⁻¹) 3 % at 1 fs.
"""

from collections.abc import Collection
from dataclasses import replace

from campaigns.science.protocol import ProtocolSettings

HYDROGEN_FS, HYDRIDE_FS = 0.5, 1.0
NON_METALS = frozenset({"B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "As", "Se", "Br", "I"})
STEPS = {"s0_timestep_fs": "starting set S0", "timestep_fs": "exploration and evaluation"}


def longest_fs(elements: Collection[str]) -> float | None:
    """None where no preset has a step that is too long."""
    if "H" not in elements:
        return None
    return HYDROGEN_FS if NON_METALS & set(elements) else HYDRIDE_FS


def fitted(chosen: ProtocolSettings, given: Collection[str], elements: Collection[str]) -> tuple[ProtocolSettings, list[str]]:
    """The settings with steps that fit the elements, and a sentence on each that did not. `given`: settings that somebody has chosen
    against the preset, which stay as they are.
    """
    limit_fs = longest_fs(elements)
    too_long = [name for name in STEPS if limit_fs is not None and getattr(chosen, name) > limit_fs]
    notes = [_note(name, getattr(chosen, name), limit_fs, is_given=name in given) for name in too_long]
    return replace(chosen, **{name: limit_fs for name in too_long if name not in given}), notes


def _note(name: str, step_fs: float, limit_fs: float | None, *, is_given: bool) -> str:
    if is_given:
        return (
            f"The time step of {step_fs:g} fs ({STEPS[name]}) is too long for vibrations of hydrogen: temperatures will be wrong. "
            f"Take {limit_fs:g} fs."
        )
    return f"The material holds hydrogen: the time step ({STEPS[name]}) is {limit_fs:g} fs, not the preset's {step_fs:g} fs."

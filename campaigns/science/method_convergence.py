"""Is a reference method converged? One configuration labelled as the method is set and with stricter values: what changes, and whether it
matters for a model that is trained on the labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.units import GPa
from numpy.typing import NDArray

# Noise of the labels that a model cannot learn away: a fifth of the force error of a good model, some 0.05 eV/Å, and 1 kbar.
FORCE_LIMIT_EV_A = 0.01
STRESS_LIMIT_GPA = 0.1


@dataclass(frozen=True)
class Values:
    """A label: energy of the cell, forces (n_atoms, 3), virial (3, 3) = -stress * volume."""

    energy_eV: float
    forces_eV_A: NDArray[np.floating]
    virial_eV: NDArray[np.floating]


@dataclass(frozen=True)
class Change:
    """What a stricter value changes. The energy is told and not judged: a shift of all configurations is no error."""

    name: str  # of the option, with the stricter value
    energy_meV_atom: float
    force_rms_eV_A: float  # over the Cartesian components
    force_max_eV_A: float  # longest difference on one atom
    stress_GPa: float  # largest component

    @property
    def is_small(self) -> bool:
        return self.force_rms_eV_A <= FORCE_LIMIT_EV_A and self.stress_GPa <= STRESS_LIMIT_GPA


def change(name: str, as_set: Values, stricter: Values, volume_A3: float) -> Change:
    difference = stricter.forces_eV_A - as_set.forces_eV_A
    stress_GPa = np.abs(stricter.virial_eV - as_set.virial_eV) / volume_A3 / GPa
    return Change(
        name,
        1000 * (stricter.energy_eV - as_set.energy_eV) / len(difference),
        float(np.sqrt(np.mean(np.square(difference)))),
        float(np.linalg.norm(difference, axis=1).max()),
        float(stress_GPa.max()),
    )


def verdict(changes: Sequence[Change], n_failed: int) -> tuple[str, str]:
    """`converged`, `not_converged`, `undecided` (labels failed) or `measured` (nothing to be stricter about), and what to tell the user."""
    large = [found for found in changes if not found.is_small]
    limits = f"{FORCE_LIMIT_EV_A:g} eV/Å rms and {STRESS_LIMIT_GPA:g} GPa"
    if large:
        listed = "; ".join(f"{found.name} changes {_told(found)}" for found in large)
        return "not_converged", (
            f"Not converged: {listed}. That is more than the {limits} that a trained model does not notice. Set the stricter value and "
            "check again."
        )
    if n_failed:
        return "undecided", (
            f"Undecided: {n_failed} of {n_failed + len(changes)} stricter labels failed, each with its cause in the table."
            + (f" The others stay within {limits}." if changes else "")
        )
    if not changes:
        return "measured", "This method has no values to converge: what a label costs was measured."
    worst = max(changes, key=lambda found: found.force_rms_eV_A)
    return "converged", (
        f"Converged: of the stricter values {worst.name} changes most, {_told(worst)}. A trained model does not notice {limits}."
    )


def _told(found: Change) -> str:
    forces = f"forces by {found.force_rms_eV_A:.2g} eV/Å rms ({found.force_max_eV_A:.2g} at most)"
    return f"{forces} and the stress by {found.stress_GPa:.2g} GPa"

"""What the verdict on a run looks at, what the run must reach, and the error of one that passes."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from analysis.science.diffusion import Diffusivity
from analysis.science.transport import effective_events

LARGE_MSD_A2 = 5.0
MIN_EVENTS = 50.0
NEGLIGIBLE_CHANCE = 0.1  # of its own error, which it would enlarge by half a percent
MARGIN_SIGMA = 2.8  # errors of the MSD by which the advised length exceeds the bare one: two, of this run and the next (at none half pass)


@dataclass(frozen=True)
class Evidence:
    """What the verdict looks at.

    `framework_msd_A2` is at the end of the fit, with `framework_slope` its d ln MSD/d ln t, of the `framework_species` that moves most, and
    `backbone_msd_A2` of the one that moves least; None where there is no framework. `moved_fraction` of the ions ended farther than a hop
    from where they began; `n_left` is msd.few_left.
    """

    outcome: str  # of the dynamics: completed | min_distance | blown_up
    outcome_reason: str
    energy_drift_meV_atom_ns: float | None
    energy_drift_limit_meV_atom_ns: float
    target_temperature_K: float
    kinetic_temperature_K: float | None  # mean over the run; None where it is not known
    kinetic_temperature_error_K: float | None
    temperature_limit_percent: float  # of the target
    completed_ps: float
    n_ions: int
    estimate: Diffusivity | None  # None where there are too few frames
    hop_length_A: float
    framework_msd_A2: float | None
    framework_slope: float | None
    moved_fraction: float
    n_left: int = 0
    framework_species: str = "framework"
    framework_msd_error_A2: float = 0.0
    flow: float = 0.0  # msd.flow of the ions
    backbone_species: str = ""
    backbone_msd_A2: float | None = None
    energy_drift_error_meV_atom_ns: float | None = None


def events(evidence: Evidence) -> float:
    """N_eff at the end of the fit."""
    return effective_events(evidence.n_ions, float(evidence.estimate.msd_A2[-1]), evidence.hop_length_A)


def later_fall(estimate: Diffusivity) -> float:
    """By which part of itself D would fall in ten times the time, if the MSD went on to grow as it does.

    0 where the exponent is within one error of 1, as for most walks, rising to the whole fall at two errors.
    """
    below = 1 - estimate.exponent
    counted = min(below, 2 * (below - estimate.exponent_error))
    return 1 - 10**-counted if counted > 0 else 0.0


def as_passed(evidence: Evidence) -> Diffusivity:
    """The estimate of a diffusive run, with an error for what the verdict could not exclude."""
    estimate = with_chance_of_passing(evidence)
    fall = later_fall(estimate)
    if not fall:
        return estimate
    flag = f"the MSD grows more slowly than t: that D might fall by {100 * fall:.2g} % in ten times the time is part of its error"
    error = float(np.hypot(estimate.error_cm2_s, fall * estimate.diffusivity_cm2_s))
    return replace(estimate, error_cm2_s=error, flags=(*estimate.flags, flag))


def with_chance_of_passing(evidence: Evidence) -> Diffusivity:
    """The estimate with an error for being chosen: a run is kept for its MSD, from which its D comes too.

    Among runs whose MSD lies d of its errors above the goal on average, those that pass are too large by the inverse Mills ratio
    phi(d)/Phi(d) errors: 0.8 where half of them pass, nothing far above.
    """
    estimate, relative = evidence.estimate, relative_error(evidence)
    passed = min(float(estimate.msd_A2[-1]) / msd_goal(evidence), events(evidence) / MIN_EVENTS)
    above = (1 - 1 / passed) / relative
    chance = float(norm.pdf(above) / norm.cdf(above))
    if chance < NEGLIGIBLE_CHANCE:
        return estimate
    factor = float(np.hypot(1, chance))
    flag = f"the MSD hardly exceeds what it must reach: that this might be by chance adds {100 * (factor - 1):.0f} % to the error of D"
    return replace(estimate, error_cm2_s=factor * estimate.error_cm2_s, flags=(*estimate.flags, flag))


def needed_ps(evidence: Evidence) -> float:
    """Run length at which the MSD at half of the run and the number of hops would suffice, at this D, by two errors."""
    estimate = evidence.estimate
    per_ps = 6e4 * estimate.diffusivity_cm2_s  # Angstrom^2 per ps
    if not per_ps > 0:
        return float("inf")
    goal = max(msd_goal(evidence), MIN_EVENTS * evidence.hop_length_A**2 / evidence.n_ions)
    return 2 * goal / per_ps * (1 + MARGIN_SIGMA * min(relative_error(evidence), 1.0))


def relative_error(evidence: Evidence) -> float:
    """Of the MSD at the end of the fit. It depends on ions and lags, hardly on how far the ions have moved."""
    largest = float(evidence.estimate.msd_A2[-1])
    return float(evidence.estimate.msd_error_A2[-1]) / largest if largest > 0 else 0.0


def msd_goal(evidence: Evidence) -> float:
    return max(LARGE_MSD_A2, 2 * evidence.hop_length_A**2)

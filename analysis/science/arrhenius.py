"""Activation energy from D at several temperatures: a weighted line of ln D against 1/(kT).

Each D carries its own error and, through the line, that of its kinetic temperature. Errors in eV are one standard deviation; intervals
of an extrapolated D are 95 % in ln D (interval.quantile_95).
"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from analysis.science.interval import quantile_95
from analysis.science.transport import BOLTZMANN_EV_K
from campaigns.science.setting_cautions import ADVISED_SPAN_1000_T_K, span_1000_T_K

Floats = NDArray[np.floating]

MIN_POINTS = 3
FEW_POINTS = 5
SAME_TEMPERATURE = 0.01  # temperatures that differ by less count once: they carry no slope
CURVED_SIGMA = 2.0
HUBER_SIGMA = 1.345
OUTLIER_SIGMA = 4.0  # of its own error, by which the worst of a dozen good points is off once in a thousand tables


class NoLine(ValueError):
    """There are too few temperatures for a line, or they are all the same."""


@dataclass(frozen=True)
class Points:
    """D (n,) cm^2/s > 0 with errors > 0, at kinetic temperatures (n,) K with errors (n,) K (0 where unknown). ValueError for others."""

    temperature_K: Floats
    temperature_error_K: Floats
    diffusivity_cm2_s: Floats
    error_cm2_s: Floats

    def __post_init__(self) -> None:
        positive = {"temperature": self.temperature_K, "D": self.diffusivity_cm2_s, "error of D": self.error_cm2_s}
        for name, values in positive.items():
            if not np.all((values > 0) & np.isfinite(values)):
                raise ValueError(f"Every {name} must be a positive number: ln D of another has no place on the line")
        if not np.all((self.temperature_error_K >= 0) & np.isfinite(self.temperature_error_K)):
            raise ValueError("The error of a temperature must be 0 (unknown) or positive")

    def without(self, index: int) -> "Points":
        return Points(*(np.delete(column, index) for column in (
            self.temperature_K, self.temperature_error_K, self.diffusivity_cm2_s, self.error_cm2_s)))  # fmt: skip


@dataclass(frozen=True)
class Line:
    """ln D = ln_prefactor - activation_energy/(kT); `covariance` (2, 2) is of (ln_prefactor, activation_energy)."""

    activation_energy_eV: float
    activation_energy_error_eV: float
    ln_prefactor: float
    covariance: Floats
    chi2_per_dof: float
    n_points: int

    @property
    def log10_prefactor(self) -> float:
        return self.ln_prefactor / float(np.log(10))


@dataclass(frozen=True)
class Extrapolated:
    """D at a temperature with its 95 % interval, cm^2/s."""

    temperature_K: float
    diffusivity_cm2_s: float
    low_cm2_s: float
    high_cm2_s: float


def fit(points: Points, rounds: int = 3) -> Line:
    """Weighted line; its covariance is inflated by max(1, chi^2/dof). Raises NoLine below three distinct temperatures."""
    n = n_temperatures(points)
    if n < MIN_POINTS:
        raise NoLine(f"{n} temperature{'' if n == 1 else 's'}; a line with an error needs at least {MIN_POINTS}")
    inverse, logarithm = _axes(points)
    energy = -float(np.polyfit(inverse, logarithm, 1)[0])
    for _ in range(rounds):  # the temperature's error counts through the slope
        sigma = _sigma(points, energy)
        coefficients, covariance = _weighted(inverse, logarithm, sigma, 1)
        energy = -float(coefficients[1])
    residuals = (logarithm - coefficients[0] - coefficients[1] * inverse) / sigma
    per_dof = float(residuals @ residuals) / (len(inverse) - 2)
    covariance = covariance * max(1.0, per_dof) * np.array([[1, -1], [-1, 1]])  # of (ln D0, Ea = -slope)
    return Line(energy, float(np.sqrt(covariance[1, 1])), float(coefficients[0]), covariance, per_dof, len(inverse))


def n_temperatures(points: Points) -> int:
    """How many temperatures there are that differ by more than a hundredth."""
    count, last_K = 0, 0.0
    for temperature_K in np.sort(points.temperature_K):
        if temperature_K > (1 + SAME_TEMPERATURE) * last_K:
            count, last_K = count + 1, float(temperature_K)
    return count


def extrapolate(line: Line, temperature_K: float) -> Extrapolated:
    """D on the line; a number outside of the measured temperatures is extrapolated and must be called so."""
    gradient = np.array([1.0, -1.0 / (BOLTZMANN_EV_K * temperature_K)])
    centre = float(gradient @ np.array([line.ln_prefactor, line.activation_energy_eV]))
    half = quantile_95(line.n_points, line.chi2_per_dof) * float(np.sqrt(gradient @ line.covariance @ gradient))
    with np.errstate(over="ignore"):
        return Extrapolated(temperature_K, float(np.exp(centre)), float(np.exp(centre - half)), float(np.exp(centre + half)))


def robust_activation_energy_eV(points: Points) -> float:
    """Ea with Huber's loss: a stray point pulls with a bounded force."""
    inverse, logarithm = _axes(points)
    start = fit(points)
    sigma = _sigma(points, start.activation_energy_eV)
    centre = inverse.mean()

    def residuals(p: Floats) -> Floats:
        return (logarithm - p[0] + p[1] * (inverse - centre)) / sigma

    guess = [start.ln_prefactor - start.activation_energy_eV * centre, start.activation_energy_eV]
    return float(least_squares(residuals, guess, loss="huber", f_scale=HUBER_SIGMA, x_scale="jac", xtol=1e-14, ftol=1e-14, gtol=1e-14).x[1])


def jackknife_max_change_eV(points: Points) -> float | None:
    """Largest change of Ea where one point is left out; points without which there is no line stay (`caveats` names them)."""
    whole, needed = fit(points).activation_energy_eV, _needed(points)
    return max((abs(fit(points.without(index)).activation_energy_eV - whole)
                for index in range(len(points.temperature_K)) if index not in needed), default=None)  # fmt: skip


def _needed(points: Points) -> list[int]:
    """Points without which too few temperatures are left for a line."""
    return [index for index in range(len(points.temperature_K)) if n_temperatures(points.without(index)) < MIN_POINTS]


def curvature_sigma(points: Points) -> float | None:
    """Quadratic term of ln D in 1/(kT) over its error; None below four temperatures."""
    if n_temperatures(points) <= MIN_POINTS:
        return None
    inverse, logarithm = _axes(points)
    sigma = _sigma(points, fit(points).activation_energy_eV)
    coefficients, covariance = _weighted(inverse - inverse.mean(), logarithm, sigma, 2)
    return float(coefficients[2] / np.sqrt(covariance[2, 2]))


def bends(points: Points) -> bool:
    """Whether the points leave the line by more than chance: what lies outside of them is then not on it."""
    return abs(curvature_sigma(points) or 0.0) > CURVED_SIGMA


@dataclass(frozen=True)
class Outlier:
    """The point that lies farthest from the line through the others, too far for chance. It stays in the fit, for its owner to judge."""

    index: int
    temperature_K: float
    sigmas_above_the_others: float
    activation_energy_without_eV: float
    activation_energy_error_without_eV: float

    def document(self) -> dict[str, float]:
        return {name: value for name, value in asdict(self).items() if name != "index"}


def outlier(points: Points) -> Outlier | None:
    """None where every point is within OUTLIER_SIGMA of the line through the others."""
    found = []
    for index in range(len(points.temperature_K)):
        try:
            line = fit(points.without(index))
        except NoLine:
            continue
        found.append(Outlier(index, float(points.temperature_K[index]), _sigmas_above(line, points, index),
                             line.activation_energy_eV, line.activation_energy_error_eV))  # fmt: skip
    worst = max(found, key=lambda one: abs(one.sigmas_above_the_others), default=None)
    return worst if worst and abs(worst.sigmas_above_the_others) > OUTLIER_SIGMA else None


def _sigmas_above(line: Line, points: Points, index: int) -> float:
    """By how many errors, its own and that of the line there, ln D of one point lies above a line without it."""
    inverse = 1 / (BOLTZMANN_EV_K * points.temperature_K[index])
    gradient = np.array([1.0, -inverse])
    above = np.log(points.diffusivity_cm2_s[index]) - line.ln_prefactor + line.activation_energy_eV * inverse
    own = _sigma(points, line.activation_energy_eV)[index]
    return float(above / np.sqrt(own**2 + gradient @ line.covariance @ gradient))


def caveats(points: Points, line: Line) -> list[str]:
    """What to beware of, one clause each."""
    found = []
    n = n_temperatures(points)
    if n < FEW_POINTS:
        differ = f" that differ by more than {100 * SAME_TEMPERATURE:g} %" if n < len(points.temperature_K) else ""
        found.append(f"only {n} temperatures{differ} (at least {FEW_POINTS} are needed to trust the error)")
    span = span_1000_T_K(points.temperature_K.tolist())
    if span < ADVISED_SPAN_1000_T_K:
        found.append(f"1000/T spans {span:.2f} K⁻¹ (at least {ADVISED_SPAN_1000_T_K:g} K⁻¹ is advised)")
    needed = [f"{points.temperature_K[index]:.0f} K" for index in _needed(points)]
    if 0 < len(needed) < len(points.temperature_K):
        found.append(f"without {' or '.join(needed)} there would be no line, so Ea without that point is not known")
    if line.activation_energy_eV < 0:
        found.append("Ea is negative: D of these points falls with temperature, as that of no activated hopping does")
    if bends(points):
        found.append(f"the points bend by {abs(curvature_sigma(points)):.1f} of their error, so nothing is extrapolated from them")
    if line.chi2_per_dof > CURVED_SIGMA:
        found.append(f"the points scatter more than their errors say (chi2/dof {line.chi2_per_dof:.1f}); the error of Ea was enlarged")
    return found


def _axes(points: Points) -> tuple[Floats, Floats]:
    return 1.0 / (BOLTZMANN_EV_K * points.temperature_K), np.log(points.diffusivity_cm2_s)


def _sigma(points: Points, energy_eV: float) -> Floats:
    thermal = energy_eV * points.temperature_error_K / (BOLTZMANN_EV_K * points.temperature_K**2)
    return np.hypot(points.error_cm2_s / points.diffusivity_cm2_s, thermal)


def _weighted(x: Floats, y: Floats, sigma: Floats, degree: int) -> tuple[Floats, Floats]:
    """Coefficients, lowest power first, and their covariance. x is centred and scaled inside: 1/(kT) is far from zero."""
    design = np.vander(x, degree + 1, increasing=True) / sigma[:, None]
    q, r = np.linalg.qr(design)
    inverse = np.linalg.inv(r)
    return inverse @ (q.T @ (y / sigma)), inverse @ inverse.T

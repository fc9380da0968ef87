"""Has D stopped to change from model to model? The paper's convergence test over the last training steps of a loop.

One value with an error per model: log10 D at a temperature, or Ea. Do the values change steadily, and do they scatter more than their MD
errors explain (DerSimonian and Laird, Control. Clin. Trials 7, 177 (1986))? The excess is the error that the model adds. A test passes
trivially where the errors are large, so "stationary" is shown and not assumed: at least three models whose D is known well, whose change
is small with its error added (an equivalence test), and whose decision states the spread that it could have seen at all.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from campaigns.science.plain_numbers import plain

Floats = NDArray[np.floating]

DEX = 1 / float(np.log(10))


@dataclass(frozen=True)
class Allowed:
    """What models of one D (or Ea) may do, in its unit, and how sure it must be that they do more."""

    spread: float
    change: float
    p_value: float
    sigmas: float
    unit: str = ""


@dataclass(frozen=True)
class Limits:
    """What counts as stationary, for D in dex and for Ea in eV."""

    spread_dex: float = 0.1  # largest model-to-model spread: the paper's about 0.1
    spread_eV: float = 0.05
    p_value: float = 0.05  # scatter that chance alone makes more rarely than this is real
    sigmas: float = 2.0  # a change of so many of its errors is real
    sigmas_with_spread: float = 1.5  # and of so many where its error holds the spread that is allowed: that makes a change too
    energy_p_value: float = 0.01  # Ea only speaks where it is clear: it is a second test of the same models
    energy_sigmas: float = 3.0
    unseen_over_spread: float = 2.0  # the test is empty where half of the time it would miss a spread so many times the largest allowed
    largest_relative_error: float = 0.2  # the paper's accuracy of D; a model that is known worse says nothing and is not counted
    change_over_spread: float = 2.0  # the change over the window, with its error, is at most so many times the largest spread
    min_models: int = 3  # of two that differ by a factor of two, a third agree by chance
    window: int = 5  # last models that are looked at; with more, the window before must not have moved either

    @property
    def largest_error_dex(self) -> float:
        return DEX * self.largest_relative_error

    @property
    def largest_change_dex(self) -> float:
        return self.change_over_spread * self.spread_dex

    @property
    def diffusivity(self) -> Allowed:
        return Allowed(self.spread_dex, self.largest_change_dex, self.p_value, self.sigmas)

    @property
    def energy(self) -> Allowed:
        return Allowed(self.spread_eV, self.change_over_spread * self.spread_eV, self.energy_p_value, self.energy_sigmas, " eV")


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Series:
    """log10 D (n,) with one standard deviation (n,), dex, of models trained at `steps` (n,), oldest first, at `where` ("600 K").

    For Ea the same in eV, with `where` = "". `why`: what chose this place, as it follows it in a sentence.
    """

    steps: Floats
    values: Floats
    errors: Floats
    where: str
    why: str = ""

    def part(self, chosen: slice | NDArray[np.bool_]) -> "Series":
        return Series(self.steps[chosen], self.values[chosen], self.errors[chosen], self.where, self.why)


@dataclass(frozen=True)
class Findings:
    """Numbers of one series of two models or more, in its own unit. `spread` is what the model adds to the MD error."""

    spread: float
    visible_spread: float  # a true spread that the scatter test would notice in half of the cases
    slope_per_step: float
    slope_sigmas: float
    change: float  # of the straight line over the series, or of its halves where that is clearer; with its sign
    change_error: float
    chi2: float
    p_value: float
    median_error: float

    @property
    def change_sigmas(self) -> float:
        return _sigmas(self.change, self.change_error)


@dataclass(frozen=True)
class Decision:
    decision: str  # stationary | moving | undecided
    reason: str
    diffusivity: Findings | None  # None below two models
    energy: Findings | None = None  # None where fewer than two models have an Ea


def findings(series: Series, limits: Limits = DEFAULT_LIMITS) -> Findings:
    """The numbers of a series of at least two models."""
    weights = 1 / series.errors**2
    mean = float(weights @ series.values / weights.sum())
    q, freedom = float(weights @ (series.values - mean) ** 2), len(series.values) - 1
    slope, slope_error = _slope(series)
    span = float(np.ptp(series.steps))
    change, change_error = slope * span, slope_error * span
    if freedom >= 3 or not span:  # with fewer the halves say what the slope says
        difference, difference_error = _halves(series)
        if not span or _sigmas(difference, difference_error) > _sigmas(change, change_error):
            change, change_error = difference, difference_error
    return Findings(
        excess_spread(series.values, series.errors), _visible_spread(series.errors, limits.p_value), slope, _sigmas(slope, slope_error),
        change, change_error, q, float(chi2.sf(q, freedom)), float(np.median(series.errors))
    )  # fmt: skip


def excess_spread(values: Floats, errors: Floats) -> float:
    """tau of DerSimonian and Laird: scatter beyond what the errors explain; 0 where they explain it all."""
    weights = 1 / errors**2
    mean = float(weights @ values / weights.sum())
    q = float(weights @ (values - mean) ** 2)
    return float(np.sqrt(max(0.0, (q - (len(values) - 1)) / _scale(weights))))


def decide(series: Series, energies: Series | None = None, limits: Limits = DEFAULT_LIMITS) -> Decision:
    """Stationary only where neither D nor Ea moves, D's error is small, and a change or a spread that matters is excluded."""
    n = len(series.steps)
    if n < 2:
        return Decision("undecided", f"{'Only one model has' if n else 'No model has'} a D to compare: train further.", None)
    energy, ea_moves = _energy(energies, limits)
    known = series.part(series.errors <= limits.largest_error_dex)
    vague = _vague(series, limits)
    # What moves among all of them moves; stationary are only those that are known well.
    for some, left_out in ((series, ""), (known, vague)):
        if len(some.steps) < 2:
            break
        last = some.part(slice(-limits.window, None))
        found = findings(last, limits)
        path = f"log10 D at {last.where}{last.why} was {_path(last)} in the last {len(last.steps)} models{left_out}"
        moves = _moves(last, limits.diffusivity, limits)
        if moves:
            return Decision("moving", f"{path}: {moves}.", found, energy)
    if len(known.steps) < 2 or series.errors[-1] > limits.largest_error_dex:
        return Decision("undecided", _too_vague(series, known, vague, limits), found, energy)
    if ea_moves:
        return Decision("moving", f"{path}, which is steady, but {ea_moves}.", found, energy)
    doubt = _doubt(known, found, limits)
    if doubt:
        return Decision("undecided", f"{path}: {doubt}.", found, energy)
    return Decision("stationary", f"{path}. {_agreement(found, limits)}", found, energy)


def _agreement(found: Findings, limits: Limits) -> str:
    """How well models agree, against what is allowed."""
    return (
        f"From the first of them to the last it changes by {found.change:+.2f} ± {found.change_error:.2f}; up to "
        f"{limits.largest_change_dex:g}, {limits.change_over_spread:g} times the scatter that is allowed, counts as stationary. "
        f"They scatter by {found.spread:.2f} (one standard deviation) beyond the errors of their runs; up to {limits.spread_dex:g} is "
        f"allowed, and a scatter of {found.visible_spread:.2f} would be noticed in half of the cases."
    )


def _moves(series: Series, allowed: Allowed, limits: Limits) -> str:
    """What moved, or nothing. It must be both large enough to matter and beyond chance, to which the allowed spread belongs:
    models that scatter by no more than that change by half as much again from the first to the last of them.
    """
    found = findings(series, limits)
    wider = findings(replace(series, errors=np.hypot(series.errors, allowed.spread)), limits)
    changes = found.change_sigmas > allowed.sigmas and wider.change_sigmas > limits.sigmas_with_spread
    if changes and abs(found.change) > allowed.change:
        return (f"it changes by {found.change:+.2f} ± {found.change_error:.2f}{allowed.unit}; at most {allowed.change:g}{allowed.unit} "
                "counts as stationary")  # fmt: skip
    if wider.p_value < allowed.p_value and found.spread > allowed.spread:
        return (f"the models scatter more than the errors of D and the spread that is allowed explain (p = {wider.p_value:.2g}), by "
                f"{found.spread:.2f}{allowed.unit}; at most {allowed.spread:g}{allowed.unit} counts as stationary")  # fmt: skip
    return ""


def _doubt(series: Series, found: Findings, limits: Limits) -> str:
    """Why models that do not move are not yet known to be stationary."""
    n = len(series.steps)
    if n < limits.min_models:
        return (f"{n} models that agree are too few, they may do so by chance: at least {limits.min_models} are needed; evaluate more "
                "steps of a loop or train further")  # fmt: skip
    relative, blind = found.median_error / DEX, limits.unseen_over_spread * limits.spread_dex
    if found.visible_spread > blind:
        # The error of D falls with the root of the run's length.
        return (f"no change is seen, but D is known to {100 * relative:.0f} % only, so that a spread between models below "
                f"{found.visible_spread:.2f} would not be noticed (needed: {blind:g}); make the evaluation runs "
                f"{plain((found.visible_spread / blind) ** 2)} times longer or evaluate more models")  # fmt: skip
    if abs(found.change) + found.change_error > limits.largest_change_dex:
        return (f"it changes by {found.change:+.2f} ± {found.change_error:.2f}, so that more than {limits.largest_change_dex:g} is not "
                "excluded; make the evaluation runs longer or evaluate more models")  # fmt: skip
    if found.spread > limits.spread_dex:
        return (f"the models may scatter by {found.spread:.2f} (at most {limits.spread_dex:g}), or only by chance "
                f"(p = {found.p_value:.2g}); evaluate a further model or run longer")  # fmt: skip
    if n > limits.window and _moves(series.part(slice(n - limits.window - 1, n - 1)), limits.diffusivity, limits):
        return f"the last {limits.window} models agree, but the {limits.window} before the newest still moved; train a further step"
    return ""


def _vague(series: Series, limits: Limits) -> str:
    """Which models are not counted, and why."""
    left_out = series.part(series.errors > limits.largest_error_dex)
    if not len(left_out.steps):
        return ""
    which = ", ".join(f"{value:.2f} ± {plain(error)} of step {step:g}"
                      for step, value, error in zip(left_out.steps, left_out.values, left_out.errors, strict=True))  # fmt: skip
    return f" (not counted, for its D is known worse than to {100 * limits.largest_relative_error:.0f} %: {which})"


def _too_vague(series: Series, known: Series, vague: str, limits: Limits) -> str:
    """Why there is no decision: D of this model, or of nearly all, is not known well. Its error falls with the root of the run's length."""
    longer = (float(max(series.errors[-1], np.median(series.errors))) / limits.largest_error_dex) ** 2
    advice = f"make the evaluation runs {plain(longer)} times longer" if longer < 1e4 else "see why the runs of this model failed"
    count = f"{len(known.steps) or 'none'} of {len(series.steps)} models can be counted"
    return f"{count} at {series.where}{vague}: {advice}."


def _energy(energies: Series | None, limits: Limits) -> tuple[Findings | None, str]:
    """Numbers of Ea and how it moved, if it clearly did."""
    if energies is None or len(energies.steps) < 2:
        return None, ""
    last = energies.part(slice(-limits.window, None))
    moves = _moves(last, limits.energy, limits).replace("errors of D", "errors of Ea")
    return findings(last, limits), f"Ea went {_path(last)} eV: {moves}" if moves else ""


def _path(series: Series) -> str:
    return ", ".join(f"{value:.2f} ± {error:.2f}" for value, error in zip(series.values, series.errors, strict=True))


def _sigmas(value: float, error: float) -> float:
    """How many of its errors a value is away from 0."""
    return abs(value) / error if error > 0 else 0.0


def _slope(series: Series) -> tuple[float, float]:
    """Weighted slope per step and its error."""
    weights = 1 / series.errors**2
    x = series.steps - weights @ series.steps / weights.sum()
    y = series.values - weights @ series.values / weights.sum()
    information = float(weights @ x**2)
    if information <= 0:  # repetitions of one step
        return 0.0, 0.0
    return float(weights @ (x * y)) / information, information**-0.5


def _halves(series: Series) -> tuple[float, float]:
    """Later minus earlier half, and its error (Geweke 1992)."""
    middle = len(series.values) // 2
    weights = 1 / series.errors**2
    early, late = weights[:middle], weights[-middle:]
    difference = float(late @ series.values[-middle:] / late.sum() - early @ series.values[:middle] / early.sum())
    return difference, float(np.sqrt(1 / early.sum() + 1 / late.sum()))


def _visible_spread(errors: Floats, p_value: float) -> float:
    """The spread tau with which chi^2 exceeds its limit in half of the cases: chi^2 then is (1 + tau^2 scale/dof) times larger."""
    freedom = len(errors) - 1
    factor = float(chi2.isf(p_value, freedom) / chi2.median(freedom))
    return float(np.sqrt((factor - 1) * freedom / _scale(1 / errors**2)))


def _scale(weights: Floats) -> float:
    return float(weights.sum() - (weights**2).sum() / weights.sum())

"""Has D stopped to change from model to model? The paper's convergence test over the training steps of a loop.

log10 D at common temperatures, one value with an error per model: is there a slope, and do the models scatter more than their MD errors
explain (DerSimonian and Laird, Control. Clin. Trials 7, 177 (1986))? The excess is the error that the model adds, in dex.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

Floats = NDArray[np.floating]

TOO_LARGE_ERROR = 0.6  # median relative error of D with which every series looks stationary
SLOPE_SIGMA = 2.0
SCATTER_P = 0.05
DEX = 1 / float(np.log(10))


@dataclass(frozen=True)
class Series:
    """log10 D (n,) with one standard deviation (n,), dex, of models trained at `steps` (n,), oldest first, at `where` ("600 K")."""

    steps: Floats
    log10_diffusivity: Floats
    error_dex: Floats
    where: str


@dataclass(frozen=True)
class Decision:
    decision: str  # stationary | moving | undecided
    reason: str
    spread_dex: float | None
    slope_dex_per_step: float | None = None
    slope_sigma: float | None = None
    chi2: float | None = None
    p_value: float | None = None


def excess_spread_dex(values: Floats, errors: Floats) -> float:
    """tau of DerSimonian and Laird: scatter beyond what the errors explain; 0 where they explain it all."""
    weights = 1 / errors**2
    mean = float(weights @ values / weights.sum())
    q = float(weights @ (values - mean) ** 2)
    scale = float(weights.sum() - (weights**2).sum() / weights.sum())
    return float(np.sqrt(max(0.0, (q - (len(values) - 1)) / scale)))


def slope(series: Series) -> tuple[float, float]:
    """Weighted slope, dex per step, and how many of its errors it is away from 0."""
    weights = 1 / series.error_dex**2
    x = series.steps - weights @ series.steps / weights.sum()
    y = series.log10_diffusivity - weights @ series.log10_diffusivity / weights.sum()
    information = float(weights @ x**2)
    found = float(weights @ (x * y)) / information
    return found, abs(found) * float(np.sqrt(information))


def decide(series: Series, largest_spread_dex: float) -> Decision:
    """`largest_spread_dex` is the model-to-model spread that still counts as stationary."""
    n = len(series.steps)
    if n < 2:
        return Decision("undecided", f"{'Only one model has' if n else 'No model has'} a D to compare: train further.", None)
    values, errors = series.log10_diffusivity, series.error_dex
    relative = float(np.median(errors)) / DEX
    spread = excess_spread_dex(values, errors)
    trend, sigmas = slope(series)
    q = float(
        ((values - np.average(values, weights=1 / errors**2)) / errors) @ ((values - np.average(values, weights=1 / errors**2)) / errors)
    )
    p = float(chi2.sf(q, n - 1))
    numbers = (spread, trend, sigmas, q, p)
    path = f"log10 D at {series.where} went {', '.join(f'{value:.2f}' for value in values)} (error {np.median(errors):.2f})"
    significant = p < SCATTER_P or sigmas > SLOPE_SIGMA
    if significant and (spread > largest_spread_dex or sigmas > SLOPE_SIGMA):
        how = (
            f"a trend of {trend:+.2f} dex per step, {sigmas:.1f} of its errors" if sigmas > SLOPE_SIGMA else f"a spread of {spread:.2f} dex"
        )
        return Decision(
            "moving", f"{path}: {how}; at most {largest_spread_dex:g} dex of spread and no trend count as stationary.", *numbers
        )
    if relative > TOO_LARGE_ERROR:
        return Decision(
            "undecided", f"{path}: the error of D, {100 * relative:.0f} %, hides any change; run the dynamics longer.", *numbers
        )
    upper = _spread_bound_dex(q, errors)
    if n == 2 and upper > 3 * largest_spread_dex and relative > TOO_LARGE_ERROR / 2:
        return Decision("undecided", f"{path}: two models with an error of {100 * relative:.0f} % cannot show a spread of "
                        f"{largest_spread_dex:g} dex; train a further step or run longer.", *numbers)  # fmt: skip
    what = "no trend" if n > 2 else "no difference"
    return Decision("stationary", f"{path}: {what} beyond the error, model-to-model spread {spread:.2f} dex of at most "
                    f"{largest_spread_dex:g} over {n} models.", *numbers)  # fmt: skip


def _spread_bound_dex(q: float, errors: Floats) -> float:
    """Largest excess spread that would still give so small a chi^2 in one case of twenty, for equal errors."""
    n = len(errors)
    total = q / float(chi2.ppf(0.05, n - 1))
    return float(np.median(errors) * np.sqrt(max(0.0, total - 1)))

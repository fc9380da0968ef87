"""Slope of an MSD by generalized least squares with the covariance that a random walk has.

All lags of an MSD come from the same path, so their errors are strongly correlated and the textbook error of a straight line
is some thirty times too small. The covariance follows from a model: independent increments plus a vibration (exact for overlapping
windows, Bullerjahn, von Bulow and Hummer, J. Chem. Phys. 153, 024116 (2020); for long lags it is 2/3 of
(2/3) f_i^2 / N'_i, the value for windows that do not overlap), plus the shot noise of rare hops.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]


@dataclass(frozen=True)
class Line:
    """MSD = intercept + slope * lag, with the lag in frames; errors are one standard deviation. Angstrom^2."""

    slope_A2: float
    slope_error_A2: float
    intercept_A2: float
    intercept_error_A2: float = float("nan")


@dataclass(frozen=True)
class Sample:
    """What an MSD was averaged over. `n_independent` is the number of ions divided by how many move together."""

    n_frames: int
    n_independent: float
    hop_square_A2: float  # square of one hop's length: 0 where displacements are Gaussian
    anisotropy: float = 1.0  # of msd.anisotropy: the square of a displacement along one axis scatters three times as much as along three


def covariance(lags: Integers, slope_A2: float, intercept_A2: float, sample: Sample) -> Floats:
    """(n_lags, n_lags) Angstrom^4, for a walk of the given slope (per frame) and intercept. Lags in frames, at most n_frames / 2."""
    walk = max(slope_A2, 0.0) / 3  # variance of one coordinate's step
    vibration = max(intercept_A2, 0.0) / 6  # variance of one coordinate about its site
    short, long = np.minimum.outer(lags, lags).astype(float), np.maximum.outer(lags, lags).astype(float)
    n_short, n_long = sample.n_frames - short, sample.n_frames - long
    # Over pairs of windows: sum of overlap^2, of overlap where two ends coincide, and of the number of ends that coincide.
    squares = (short - 1) * short * (2 * short - 1) / 6
    moments = short * squares - ((short - 1) * short / 2) ** 2
    overlap = n_long * short**2 * (long - short + 1) + 2 * (n_long * squares - moments)
    ends = 2 * n_long + 2 * np.maximum(sample.n_frames - short - long, 0) + np.where(short == long, 2 * n_long, 0)
    pairs = walk**2 * overlap + 4 * walk * vibration * n_long * short + vibration**2 * ends
    gaussian = 6 * sample.anisotropy * pairs / (n_short * n_long)
    hops = max(slope_A2, 0.0) * sample.hop_square_A2 * short * long / sample.n_frames
    return (gaussian + hops) / sample.n_independent


def fit(lags: Integers, msd_A2: Floats, sample: Sample, rounds: int = 3) -> Line:
    """Slope and intercept with the covariance of the line itself, starting from the ordinary line.

    Only the ratio of intercept and slope shapes the weights, so a slope that happens to be small does not gain weight.
    """
    design = np.stack([np.ones(len(lags)), lags.astype(float)], axis=1)
    line = ordinary(lags, msd_A2)
    intercept, slope, errors = line.intercept_A2, line.slope_A2, np.full(2, np.nan)
    for _ in range(rounds):
        if slope <= 0:
            return Line(line.slope_A2, float("inf"), line.intercept_A2)
        matrix = covariance(lags, slope, intercept, sample)
        whitened = np.linalg.solve(matrix, np.column_stack([design, msd_A2]))
        precision = design.T @ whitened[:, :2]
        intercept, slope = np.linalg.solve(precision, design.T @ whitened[:, 2])
        errors = np.sqrt(np.diag(np.linalg.inv(precision)))
    return Line(float(slope), float(errors[1]), float(intercept), float(errors[0]))


def exponent(lags: Integers, msd_A2: Floats, line: Line, sample: Sample) -> tuple[float, float]:
    """Of MSD = c + t^exponent and its standard deviation, with t^(1 + g) = t (1 + g ln t) about the last lag; NaN where it is not known.

    An intercept, what rattling adds, does not count as slower growth here, as it does in d ln MSD/d ln t.
    """
    if len(lags) < 4 or not line.slope_A2 > 0:
        return float("nan"), float("nan")
    times = lags / lags[-1]
    design = np.stack([np.ones(len(lags)), times, times * np.log(times)], axis=1)
    whitened = np.linalg.solve(covariance(lags, line.slope_A2, line.intercept_A2, sample), design)
    inverse = np.linalg.inv(design.T @ whitened)
    _, slope, bend = inverse @ (whitened.T @ msd_A2)
    if not slope > 0:
        return float("nan"), float("nan")
    return float(1 + bend / slope), float(np.sqrt(inverse[2, 2])) / (line.slope_A2 * lags[-1])


def ordinary(lags: Integers, msd_A2: Floats) -> Line:
    """The unweighted line. Its error is left out: the textbook's would be far too small."""
    slope, intercept = np.polyfit(lags.astype(float), msd_A2, 1)
    return Line(float(slope), float("nan"), float(intercept))


def weights(lags: Integers, line: Line, sample: Sample) -> Floats:
    """The slope is linear in the MSD: slope = weights @ msd. Shape (n_lags,), per frame."""
    design = np.stack([np.ones(len(lags)), lags.astype(float)], axis=1)
    whitened = np.linalg.solve(covariance(lags, line.slope_A2, line.intercept_A2, sample), design)
    return np.linalg.solve(design.T @ whitened, whitened.T)[1]


def ordinary_error(lags: Integers, line: Line, sample: Sample) -> float:
    """What the unweighted slope's standard deviation is where the walk is that of `line`."""
    design = np.stack([np.ones(len(lags)), lags.astype(float)], axis=1)
    weights = np.linalg.pinv(design)[1]
    return float(np.sqrt(weights @ covariance(lags, line.slope_A2, line.intercept_A2, sample) @ weights))

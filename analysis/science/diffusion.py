"""The tracer diffusion coefficient of one run with an error that covers the truth as often as it says.

Generalized least squares (gls.py) from a start lag that a scan finds, checked against an ordinary line whose error is the scatter
between ions; where the two disagree the error grows, where they do by far the ordinary one is reported. Ions that move together or
block each other, and scatter between time blocks beyond the model's, enlarge the error. D is in cm^2/s; lags are in frames; the fit
ends at half of the run.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, t

from analysis.science import gls, msd
from analysis.science.steadiness import ChangeInTime, change_in_time

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]

CM2_S_PER_A2_PS = 1e-4
N_LAGS = 60  # more do not help: neighbouring lags say the same, and the covariance becomes singular
CURVE_LAGS = 100  # of the MSD that is drawn
N_BLOCKS = 5
START_FRACTION = 10  # the fit starts no earlier than its end over this: hops that undo hops bend the MSD at short lags
MIN_LAGS = 4
DOUBTED_SIGMA = 2.0  # of the ordinary line, from which on a disagreement with it is part of the error: one in 40 walks by chance
REFUSED_SIGMA = 3.0  # from which on the ordinary line is reported
HALVES_SIGMA = 2.0  # beyond it the two halves of the fit disagree
MIN_FRAMES = 16
TOGETHER = 1.5  # ions at a time: what chance makes of independent ones in two runs of a hundred is not worth a word
CHANNELS = 1.75  # of msd.anisotropy, which is 1.5 in planes and 3 in channels
FEW_IONS = 4  # independent ones
CAGES_LEFT = 3  # times the intercept, what motion within cages adds, is the MSD where the fit starts
EXPONENT_ERROR = 1.1  # of its mean over fit and log-log slopes, in errors of the fit alone: 1.04 to 1.2 among walks
ONE_SIGMA = 0.8413447460685429  # quantile of the normal distribution at one standard deviation


class TooFewFrames(ValueError):
    """The run is too short for any slope."""


@dataclass(frozen=True)
class Paths:
    """The mobile ions of one run: unwrapped positions without drift (n_ions, 3, n_frames), see msd.paths_of, and the frame spacing."""

    paths_A: Floats
    frame_interval_ps: float

    @property
    def n_ions(self) -> int:
        return len(self.paths_A)

    @property
    def n_frames(self) -> int:
        return self.paths_A.shape[-1]

    def part(self, start: int, stop: int) -> "Paths":
        return replace(self, paths_A=self.paths_A[..., start:stop])

    def with_own_drift(self) -> "Paths":
        """Where the mean of these very ions was taken off (there is no framework): each has lost 1/N of its square displacements by it."""
        return replace(self, paths_A=self.paths_A * np.sqrt(self.n_ions / (self.n_ions - 1))) if self.n_ions > 1 else self

    def to_cm2_s(self, slope_A2: float) -> float:
        """D = slope/6, from a slope in Angstrom^2 per frame."""
        return slope_A2 / 6 / self.frame_interval_ps * CM2_S_PER_A2_PS


@dataclass(frozen=True)
class Diffusivity:
    """D with one standard deviation, and everything that led to it."""

    diffusivity_cm2_s: float
    error_cm2_s: float
    method: str  # "GLS" | "OLS"
    gls_cm2_s: float
    gls_error_cm2_s: float
    ols_cm2_s: float
    ols_error_cm2_s: float
    block_error_cm2_s: float  # NaN where the run is too short for blocks
    halves_cm2_s: tuple[float, float]  # D from the first and the second half of the fit window
    halves_error_cm2_s: tuple[float, float]
    first_lag: int
    last_lag: int
    loglog_slope: float  # over the second half of the fit window
    run_slope: float  # the same from the middle of the fit window to the two ends of the run
    exponent: float  # of the MSD's growth: the mean of these two and of the fit's own (gls.exponent)
    exponent_error: float
    non_gaussian: float  # at the first lag of the fit
    move_together: float  # how many ions move as one; 1 where that cannot be told from 1
    in_time: ChangeInTime  # of how much the ions move, along the run
    lags: Integers
    msd_A2: Floats
    msd_error_A2: Floats
    flags: tuple[str, ...]

    @property
    def halves_sigma(self) -> float:
        """Difference of the two halves over its error, positive where the second is larger; 0 where the error is not known."""
        return _apart(self.halves_cm2_s, self.halves_error_cm2_s)


def _apart(values: tuple[float, float], errors: tuple[float, float]) -> float:
    error = float(np.hypot(*errors))
    return (values[1] - values[0]) / error if np.isfinite(error) and error > 0 else 0.0


def estimate(paths: Paths, hop_length_A: float) -> Diffusivity:
    """D of the ions. `hop_length_A` is the distance between neighbouring sites: the fit starts where the MSD exceeds half its square."""
    last = paths.n_frames // 2
    if paths.n_frames < MIN_FRAMES:
        raise TooFewFrames(f"{paths.n_frames} stored frames; a slope needs at least {MIN_FRAMES}")
    curve_lags = msd.thinned_lags(1, last, CURVE_LAGS)
    curve = msd.ion_msd(paths.paths_A, curve_lags)
    fitted = np.unique(np.searchsorted(curve_lags, msd.thinned_lags(1, last, N_LAGS)))
    lags, each = curve_lags[fitted], curve[fitted]
    mean = each.mean(axis=1)
    flags: list[str] = []
    first, alpha2, sample = _start(paths, lags, mean, hop_length_A, flags)
    window = lags >= first
    line = _between_ions(lags[window], each[window], gls.fit(lags[window], mean[window], sample), sample)
    ols = _ordinary(lags, each, line, first, sample)
    blocks = _block_error(paths, first, line, flags)
    slope, error, method = _choose(line, ols, blocks, flags)
    error *= float(t.ppf(ONE_SIGMA, sample.n_independent * paths.n_frames / last))  # few displacements know their own scatter badly
    halves = _halves(lags[window], mean[window], sample)
    slopes, errors = (halves[0].slope_A2, halves[1].slope_A2), (halves[0].slope_error_A2, halves[1].slope_error_A2)
    if abs(_apart(slopes, errors)) > HALVES_SIGMA:
        # Ions that move together scatter more than the model of the error knows: what the halves disagree by is error too.
        error = float(np.hypot(error, (slopes[1] - slopes[0]) / 2))
        flags.append("the halves of the fit disagree: half of their difference is part of the error")
    to = paths.to_cm2_s
    late_slope, run_slope = _second_half_slope(lags, mean, first, paths.frame_interval_ps), _run_slope(paths, lags, mean, first)
    exponent = _exponent((late_slope + run_slope) / 2, gls.exponent(lags[window], mean[window], line, sample), ols)
    return Diffusivity(
        to(slope), to(error), method, to(line.slope_A2), to(line.slope_error_A2), to(ols[0]), to(ols[1]), to(blocks),
        (to(slopes[0]), to(slopes[1])), (to(errors[0]), to(errors[1])),
        int(first), int(last), late_slope, run_slope, *exponent, alpha2, paths.n_ions / sample.n_independent,
        change_in_time(paths.paths_A, sample.n_independent), curve_lags, curve.mean(axis=1),
        msd_error(curve_lags, curve.mean(axis=1), sample), tuple(flags),
    )  # fmt: skip


def msd_error(lags: Integers, mean_A2: Floats, sample: gls.Sample) -> Floats:
    """One standard deviation of the MSD at every lag: each lag as a point of a walk through it."""
    slopes = mean_A2 / lags
    return np.array([np.sqrt(gls.covariance(lag[None], slope, 0.0, sample)[0, 0]) for lag, slope in zip(lags, slopes, strict=True)])


def _start(paths: Paths, lags: Integers, mean: Floats, hop_length_A: float, flags: list[str]) -> tuple[int, float, gls.Sample]:
    """First lag of the fit, the non-Gaussian parameter there, and what was averaged over."""
    diffusive = lags[mean >= 0.5 * hop_length_A**2]
    floor = int(max(diffusive[0], lags[-1] // START_FRACTION)) if len(diffusive) and diffusive[0] <= lags[-1] // 3 else None
    if floor is None:
        flags.append(f"the MSD does not reach half of {hop_length_A:g} Angstrom squared in a sixth of the run")
        floor = int(lags[0])
    together = max(msd.move_together(paths.paths_A, floor), msd.coupled(paths.paths_A))
    if together >= TOGETHER:
        flags.append(f"ions move together, about {together:.1f} at a time")
    n_independent = paths.n_ions / together
    if n_independent < FEW_IONS:
        flags.append(f"only {n_independent:.2g} independent ions: the error itself is known badly")
    sample = gls.Sample(paths.n_frames, n_independent, 0.0, msd.anisotropy(paths.paths_A, floor, n_independent))
    if paths.n_ions > 1 and sample.anisotropy > CHANNELS:
        flags.append("ions move in channels: where they block each other the error of D may be a third too small; compare replicas")
    floor = _beyond_cages(lags, mean, floor, sample, flags)
    sample = replace(sample, hop_square_A2=_hop_square(paths, lags, mean, floor, sample, hop_length_A))
    first = _scan(lags, mean, floor, sample, flags)
    sample = replace(sample, hop_square_A2=_hop_square(paths, lags, mean, first, sample, hop_length_A))
    return first, msd.non_gaussian(paths.paths_A, first), sample


def _beyond_cages(lags: Integers, mean: Floats, floor: int, sample: gls.Sample, flags: list[str]) -> int:
    """A start behind the plateau of wide cages, on which half a hop's square may lie: where the MSD is some times its intercept."""
    for _ in range(3):
        line = gls.fit(lags[lags >= floor], mean[lags >= floor], sample)
        if not line.intercept_A2 > 2 * line.intercept_error_A2:
            break
        left = lags[mean >= CAGES_LEFT * line.intercept_A2]
        if not len(left) or left[0] > lags[-1] // 3:
            flags.append(
                f"motion within cages adds {line.intercept_A2:.2g} Angstrom squared, which the MSD hardly exceeds in a sixth of the run"
            )
            break
        if left[0] <= floor:
            break
        floor = int(left[0])
    return floor


def _hop_square(paths: Paths, lags: Integers, mean: Floats, first: int, sample: gls.Sample, hop_length_A: float) -> float:
    """Square of the hop length l as the shot noise sees it.

    For hops at random times <r^4> = <r^2>^2 + 2 tr(S^2) + l^2 (<r^2> without vibration), with the displacements' tensor S.
    """
    alpha2 = msd.non_gaussian(paths.paths_A, first)
    beyond_gaussian = 5 / 3 * (1 + alpha2) - 1 - 2 / 3 * sample.anisotropy
    hopped = gls.fit(lags[lags >= first], mean[lags >= first], sample).slope_A2 * first
    here = float(np.interp(first, lags, mean))
    return float(np.clip(beyond_gaussian * here**2 / hopped, 0.0, 4 * hop_length_A**2)) if hopped > 0 else hop_length_A**2


def _scan(lags: Integers, mean: Floats, floor: int, sample: gls.Sample, flags: list[str]) -> int:
    """The first start lag whose slope agrees, within error, with those of the two later starts."""
    starts = [int(lags[np.searchsorted(lags, lag)]) for lag in msd.thinned_lags(floor, max(floor, int(lags[-1]) // 3), 8)]
    starts = sorted({start for start in starts if np.count_nonzero(lags >= start) >= MIN_LAGS})
    lines = [gls.fit(lags[lags >= start], mean[lags >= start], sample) for start in starts]
    for index in range(len(starts) - 2):
        here = lines[index]
        if np.isfinite(here.slope_error_A2) and all(_agree(here, later) for later in lines[index + 1 : index + 3]):
            return starts[index]
    flags.append("no three start lags of the fit agree within error")
    return starts[len(starts) // 2] if starts else floor


def _between_ions(lags: Integers, each: Floats, line: gls.Line, sample: gls.Sample) -> gls.Line:
    """The line with the larger of two errors: the model's, and the scatter of the ions' own slopes (jumps with a memory show there)."""
    n_ions = each.shape[1]
    if n_ions < 2 or not np.isfinite(line.slope_error_A2):
        return line
    slopes = gls.weights(lags, line, sample) @ each
    return replace(line, slope_error_A2=max(line.slope_error_A2, _standard_error(slopes, sample)))


def _agree(here: gls.Line, later: gls.Line) -> bool:
    """Within two errors of the difference. The later fit uses a part of the same lags, so the variances subtract (Hausman 1978).

    A tighter limit would pass over good starts by chance, and what is chosen by chance errs more than it says.
    """
    variance = later.slope_error_A2**2 - here.slope_error_A2**2
    return abs(here.slope_A2 - later.slope_A2) <= 2 * np.sqrt(max(variance, 0.25 * here.slope_error_A2**2))


def _ordinary(lags: Integers, each: Floats, line: gls.Line, first: int, sample: gls.Sample) -> tuple[float, float]:
    """Slope of the ordinary line on evenly spaced lags and its sd: from the scatter between ions, at least what a walk would have.

    The scatter alone is small where the slope came out small, and is worth little for a few ions.
    """
    grid = np.unique(np.rint(np.linspace(first, lags[-1], N_LAGS)).astype(int))
    n_ions = each.shape[1]
    curves = np.stack([np.interp(grid, lags, each[:, ion]) for ion in range(n_ions)], axis=1)
    slopes = np.polyfit(grid.astype(float), curves, 1)[0]
    expected = gls.ordinary_error(grid, line, sample)
    if n_ions < 2:
        return float(slopes.mean()), expected if expected > 0 else float("inf")
    return float(slopes.mean()), max(_standard_error(slopes, sample), expected)


def _standard_error(slopes: Floats, sample: gls.Sample) -> float:
    """Of the mean of the ions' own slopes: what a bootstrap over ions estimates, with neither seed nor noise of its own."""
    return float(slopes.std(ddof=1) / np.sqrt(sample.n_independent))


def _block_error(paths: Paths, first: int, line: gls.Line, flags: list[str]) -> float:
    """Error of the slope from time blocks, widened by Student's t; NaN where blocks would be shorter than the fit's start allows."""
    size = paths.n_frames // N_BLOCKS
    lags = msd.thinned_lags(first, size // 2, 20)
    if size // 2 < 3 * first or len(lags) < MIN_LAGS:
        return float("nan")
    slopes = []
    for block in range(N_BLOCKS):
        part = paths.part(block * size, (block + 1) * size)
        mean = msd.mean_msd(part.paths_A, lags)
        slopes.append(gls.fit(lags, mean, gls.Sample(size, part.n_ions, 0.0)).slope_A2)
    scatter = float(np.std(slopes, ddof=1)) / np.sqrt(N_BLOCKS)
    if np.isfinite(line.slope_error_A2) and (N_BLOCKS - 1) * (scatter / line.slope_error_A2) ** 2 > chi2.ppf(0.99, N_BLOCKS - 1):
        flags.append("time blocks scatter more than the model of the error")
    return scatter * float(t.ppf(ONE_SIGMA, N_BLOCKS - 1))


def _choose(line: gls.Line, ols: tuple[float, float], blocks: float, flags: list[str]) -> tuple[float, float, str]:
    """Slope, error and method. A walk in forty has lines two errors apart by chance: its slope is left as it is, its error grows.

    Blocks count only where their scatter is significantly larger: with five, chance alone makes half larger.
    """
    slope, error, method = line.slope_A2, line.slope_error_A2, "GLS"
    apart = abs(slope - ols[0])
    if not np.isfinite(error) or apart >= REFUSED_SIGMA * ols[1]:
        slope, error, method = ols[0], ols[1], "OLS"
    if not np.isfinite(line.slope_error_A2) or apart >= DOUBTED_SIGMA * ols[1]:
        flags.append("generalized and ordinary least squares disagree: half of their difference is part of the error")
        error = float(np.hypot(error, apart / 2))
    if any(flag.startswith("time blocks") for flag in flags):
        error = max(error, blocks)
    return slope, error, method


def _halves(lags: Integers, mean: Floats, sample: gls.Sample) -> tuple[gls.Line, gls.Line]:
    """Lines through the first and the second half of the fit window, on the logarithm of the lag."""
    middle = max(2, min(len(lags) // 2, len(lags) - 2))
    return gls.fit(lags[:middle], mean[:middle], sample), gls.fit(lags[middle:], mean[middle:], sample)


def _second_half_slope(lags: Integers, mean: Floats, first: int, frame_interval_ps: float) -> float:
    late = lags >= max(first, (first + lags[-1]) // 2)
    if np.count_nonzero(late) < 2:
        late = np.arange(len(lags)) >= len(lags) - 2
    return msd.loglog_slope(lags[late] * frame_interval_ps, mean[late])


def _run_slope(paths: Paths, lags: Integers, mean: Floats, first: int) -> float:
    """d ln MSD/d ln t from the middle of the fit to the whole run: what levels off only behind the fit shows here.

    Between mean positions over a span m at either end a walk has gone as far as in n - 4 m/3 frames.
    """
    middle = (first + lags[-1]) / 2
    frames = paths.n_frames - 4 / 3 * max(1, paths.n_frames // msd.ENDS)
    ratio = float(np.square(msd.net_displacement(paths.paths_A)).mean()) / max(float(np.interp(middle, lags, mean)), 1e-300)
    return float(np.log(ratio) / np.log(frames / middle)) if ratio > 0 else float("nan")


def _exponent(loglog: float, fitted: tuple[float, float], ols: tuple[float, float]) -> tuple[float, float]:
    """Of the MSD's growth. Log-log slopes see the end of the run, the fit scatters less; they are half correlated."""
    if np.isfinite(fitted).all() and np.isfinite(loglog):
        return (loglog + fitted[0]) / 2, EXPONENT_ERROR * fitted[1]
    return loglog, ols[1] / abs(ols[0]) if ols[0] else float("inf")

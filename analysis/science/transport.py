"""What follows from D and its error: conductivity, Haven ratio, and how long a run must be.

Planning formula: He, Zhu, Epstein and Mo, npj Comput. Mater. 4, 18 (2018), 10.1038/s41524-018-0074-y.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import constants
from scipy.stats import chi2, t

from analysis.science import gls, msd
from analysis.science.diffusion import CM2_S_PER_A2_PS, MIN_LAGS, ONE_SIGMA, Diffusivity, Floats, Paths

BOLTZMANN_EV_K = constants.k / constants.e
ELEMENTARY_CHARGE_C = constants.e
CM3_PER_A3 = 1e-24
N_BLOCKS = 5


@dataclass(frozen=True)
class Collective:
    """D_sigma and Haven ratio with their errors (one sd, from time blocks with Student's t). There is no average over ions in D_sigma."""

    charge_diffusivity_cm2_s: float
    charge_diffusivity_error_cm2_s: float
    haven_ratio: float
    haven_ratio_error: float


def effective_events(n_ions: int, largest_msd_A2: float, hop_length_A: float) -> float:
    """N_eff: how many hops were seen, taking off those that were undone."""
    return n_ions * largest_msd_A2 / hop_length_A**2


def planned_relative_error(n_events: float) -> float:
    """RSD of D for planning, He 2018; not the error of a run that was made."""
    return 3.43 / math.sqrt(n_events) + 0.04 if n_events > 0 else math.inf


def rare_hops_limit_cm2_s(n_left: int, n_ions: int, length_ps: float, hop_length_A: float) -> float:
    """What D is below with 95 % confidence where `n_left` of the ions have left their sites: the Poisson limit of so few hops.

    The scatter of the MSD says nothing of hops that were not seen: three of them in the run would have been missed once in twenty times.
    """
    most_hops = float(chi2.ppf(0.95, 2 * (n_left + 1))) / 2
    seen_ps = (1 - 1 / msd.ENDS) * length_ps  # between the mean positions at either end
    return most_hops * hop_length_A**2 / (6 * n_ions * seen_ps) * CM2_S_PER_A2_PS


def length_for_error_ps(length_ps: float, relative_error: float, wanted: float) -> float | None:
    """How long a run must be for the relative error `wanted` of D, from the one measured in `length_ps`: it falls as one over the root of
    the length. None where it is reached, or not known."""
    return length_ps * (relative_error / wanted) ** 2 if wanted < relative_error < math.inf else None


def nernst_einstein_S_cm(diffusivity_cm2_s: float, n_ions: int, charge: float, volume_A3: float, temperature_K: float) -> float:
    """sigma = N q^2 D / (V k T), S/cm, without correlation (Haven ratio 1)."""
    density_cm3 = n_ions / (volume_A3 * CM3_PER_A3)
    return density_cm3 * charge**2 * ELEMENTARY_CHARGE_C * diffusivity_cm2_s / (BOLTZMANN_EV_K * temperature_K)


def haven(paths: Paths, first_lag: int, diffusivity_cm2_s: float, diffusivity_error_cm2_s: float) -> Collective | None:
    """D_sigma from the whole run, its error from blocks; None where the run is too short for blocks."""
    n = paths.n_frames
    size = n // N_BLOCKS
    lags = msd.thinned_lags(min(first_lag, size // 6), size // 2, 20)
    if len(lags) < MIN_LAGS:
        return None
    # One path: only lags far below the run's length carry information, so blocks and run use the same ones.
    whole = paths.to_cm2_s(_collective_slope(paths, lags))
    blocks = [paths.to_cm2_s(_collective_slope(paths.part(i * size, (i + 1) * size), lags)) for i in range(N_BLOCKS)]
    error = float(np.std(blocks, ddof=1)) / math.sqrt(N_BLOCKS) * float(t.ppf(ONE_SIGMA, N_BLOCKS - 1))
    if whole <= 0:
        return Collective(whole, error, math.nan, math.nan)
    ratio = diffusivity_cm2_s / whole
    relative = math.hypot(error / whole, diffusivity_error_cm2_s / diffusivity_cm2_s) if diffusivity_cm2_s > 0 else math.inf
    return Collective(whole, error, ratio, abs(ratio) * relative)


def _collective_slope(paths: Paths, lags: Floats) -> float:
    mean = msd.collective_msd(paths.paths_A, lags)
    return gls.fit(lags, mean, gls.Sample(paths.n_frames, 1.0, 0.0)).slope_A2


def half_squared_hop_slope(lag_ps: Floats, msd_A2: Floats, hop_length_A: float) -> float:
    """D, cm^2/s, as He 2018 take it: ordinary line from MSD = a^2/2 to the end of the lags, which are evenly spaced up to half of the run.

    Raises ValueError where the MSD does not grow by a^2/2.
    """
    window = np.flatnonzero(msd_A2 >= 0.5 * hop_length_A**2)
    if not len(window) or msd_A2[-1] - msd_A2[window[0]] < 0.5 * hop_length_A**2:
        raise ValueError(f"The MSD does not grow by half of {hop_length_A:g} Angstrom squared within half of the run")
    slope = float(np.polyfit(lag_ps[window[0] :], msd_A2[window[0] :], 1)[0])
    return slope / 6 * CM2_S_PER_A2_PS


def after_he_cm2_s(estimate: Diffusivity, frame_interval_ps: float, hop_length_A: float) -> float | None:
    """D as He 2018 take it from the MSD of an estimate, to compare; None where the MSD does not grow enough."""
    lags = np.arange(1, estimate.last_lag + 1)
    try:
        return half_squared_hop_slope(lags * frame_interval_ps, np.interp(lags, estimate.lags, estimate.msd_A2), hop_length_A)
    except ValueError:
        return None

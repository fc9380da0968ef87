"""Mean square displacements of a trajectory, by FFT, free of drift, in bounded memory.

Positions are unwrapped, shape (n_frames, n_atoms, 3), Angstrom, usually float32; all sums are done in float64.
Algorithm: Kneller et al., Comput. Phys. Commun. 91, 191 (1995), as S1 - 2 S2 (Calandrini et al., Collection SFN 12, 201 (2011)).
"""

from dataclasses import dataclass

import numpy as np
from ase.geometry import minkowski_reduce
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]

CHUNK_VALUES = 2**22  # float64 values that one chunk of ions may hold after zero padding: 32 MB
LARGEST_STEP = 0.4  # of the shortest lattice vector between two frames; beyond it the nearest image may be the wrong one
LARGEST_EXTENT = 1.3  # of a cell vector: programs wrap now and then only, so atoms stick out


class AmbiguousStep(ValueError):
    """Wrapped coordinates jump so far between two frames that the image cannot be told."""


@dataclass(frozen=True)
class Drift:
    """Displacement of the reference since the first frame, (n_frames, 3) Angstrom, and what the reference is."""

    displacement_A: Floats
    reference: str  # "framework" | "all atoms"


def drift(positions_A: Floats, is_mobile: NDArray[np.bool_]) -> Drift:
    """Mean displacement of the atoms that are not mobile (`is_mobile` (n_atoms,)); of all atoms where there is no framework.

    In NVE dynamics the framework recoils from the mobile ions, so the whole cell's centre of mass is not the right reference.
    """
    has_framework = not bool(np.all(is_mobile))
    chosen = np.flatnonzero(~is_mobile) if has_framework else np.arange(len(is_mobile))
    total = np.zeros((len(positions_A), 3))
    for atom in chosen:
        total += positions_A[:, atom, :]
    mean = total / len(chosen)
    return Drift(mean - mean[0], "framework" if has_framework else "all atoms")


def fft_msd(paths_A: Floats) -> Floats:
    """MSD over all time origins of each path: (n_frames, n_paths, 3) -> (n_frames, n_paths), Angstrom^2, lag 0 first."""
    power, square = _power_and_square(paths_A)
    return _msd_of(power, square)


def _power_and_square(paths_A: Floats) -> tuple[Floats, Floats]:
    """Power spectrum (n_frequencies, n_paths) and r(t)^2 (n_frames, n_paths) of each path about its mean, x, y and z together.

    About the mean: the difference of two large numbers that follows loses digits otherwise. In rows: a transform of a column is slow.
    """
    rows = np.ascontiguousarray(np.moveaxis(np.asarray(paths_A, dtype=float), 0, -1))  # (n_paths, 3, n_frames)
    rows -= rows.mean(axis=-1, keepdims=True)
    spectrum = rfft(rows, n=next_fast_len(2 * len(paths_A), real=True), axis=-1)
    power = (np.square(spectrum.real) + np.square(spectrum.imag)).sum(axis=1)
    return power.T, np.square(rows).sum(axis=1).T


def _msd_of(power: Floats, square_A2: Floats) -> Floats:
    """MSD (n_frames, n_paths) of what `_power_and_square` found; both are sums, so those of several paths give the sum of their MSDs."""
    n = len(square_A2)
    products = irfft(np.ascontiguousarray(power.T), n=next_fast_len(2 * n, real=True), axis=-1)[:, :n].T
    # sum of r(t)^2 + r(t + m)^2 over the n - m origins t, for every lag m
    heads = np.cumsum(square_A2, axis=0)[::-1]
    tails = np.cumsum(square_A2[::-1], axis=0)[::-1]
    origins = (n - np.arange(n))[:, None]
    msd = np.maximum((heads + tails - 2 * products) / origins, 0.0)
    msd[0] = 0.0
    return msd


def ion_msd(positions_A: Floats, ions: Integers, drift_A: Floats, lags: Integers) -> Floats:
    """MSD of every ion at `lags` (frames): (len(lags), len(ions)), Angstrom^2; `drift_A` (n_frames, 3) is taken off."""
    n = len(positions_A)
    if n < 2:
        raise ValueError("A mean square displacement needs at least two frames")
    chunk = max(1, CHUNK_VALUES // (6 * n))
    found = np.empty((len(lags), len(ions)))
    for start in range(0, len(ions), chunk):
        paths = positions_A[:, ions[start : start + chunk], :] - drift_A[:, None, :]
        found[:, start : start + chunk] = fft_msd(paths)[lags]
    return found


def mean_msd(positions_A: Floats, atoms: Integers, drift_A: Floats, lags: Integers) -> Floats:
    """MSD (len(lags),) averaged over atoms: as the mean of `ion_msd`, with one inverse transform for all."""
    n = len(positions_A)
    if n < 2:
        raise ValueError("A mean square displacement needs at least two frames")
    chunk = max(1, CHUNK_VALUES // (6 * n))
    power, square = 0.0, 0.0
    for start in range(0, len(atoms), chunk):
        each = _power_and_square(positions_A[:, atoms[start : start + chunk], :] - drift_A[:, None, :])
        power, square = power + each[0].sum(axis=1, keepdims=True), square + each[1].sum(axis=1, keepdims=True)
    return _msd_of(power, square)[lags, 0] / len(atoms)


def collective_msd(positions_A: Floats, ions: Integers, drift_A: Floats, lags: Integers) -> Floats:
    """(1/N) <|sum_i dr_i|^2> at `lags`, Angstrom^2: its slope/6 is the charge diffusivity D_sigma."""
    total = np.zeros((len(positions_A), 3))
    for ion in ions:
        total += positions_A[:, ion, :]
    total -= len(ions) * drift_A
    return fft_msd(total[:, None, :])[lags, 0] / len(ions)


def non_gaussian(positions_A: Floats, ions: Integers, drift_A: Floats, lag: int) -> float:
    """alpha2 = 3 <r^4> / (5 <r^2>^2) - 1 at one lag: 0 for Gaussian displacements, large where few ions hop far."""
    second = fourth = 0.0
    for ion in ions:
        path = positions_A[:, ion, :] - drift_A
        square = np.square(path[lag:] - path[:-lag]).sum(axis=1)
        second += float(square.mean())
        fourth += float(np.square(square).mean())
    second, fourth = second / len(ions), fourth / len(ions)
    return 0.6 * fourth / second**2 - 1.0 if second > 0 else 0.0


def loglog_slope(time_ps: Floats, msd_A2: Floats) -> float:
    """d ln MSD / d ln t by least squares, each decade with the same weight: 2 ballistic, 1 diffusive, 0 caged. NaN below two points."""
    usable = (time_ps > 0) & (msd_A2 > 0)
    if np.count_nonzero(usable) < 2:
        return float("nan")
    x, y = np.log(time_ps[usable]), np.log(msd_A2[usable])
    weight = np.sqrt(np.gradient(x)) if len(x) > 2 else np.ones(2)
    return float(np.polyfit(x, y, 1, w=weight)[0])


def net_displacement(positions_A: Floats, ions: Integers, drift_A: Floats) -> Floats:
    """Distance (n_ions,) between the mean positions in the first and the last tenth of the run: vibration averages out."""
    span = max(1, len(positions_A) // 10)
    first = positions_A[:span, ions].mean(axis=0, dtype=float) - drift_A[:span].mean(axis=0)
    last = positions_A[-span:, ions].mean(axis=0, dtype=float) - drift_A[-span:].mean(axis=0)
    return np.linalg.norm(last - first, axis=1)


def is_wrapped(positions_A: Floats, cell_A: Floats) -> bool:
    """True where all atoms stay within one cell, wherever its origin lies, though some step crosses more than half of it."""
    inverse = np.linalg.inv(np.asarray(cell_A, dtype=float))
    low, high, largest = np.full(3, np.inf), np.full(3, -np.inf), np.zeros(3)
    for atom in range(positions_A.shape[1]):
        fractions = positions_A[:, atom, :].astype(float) @ inverse
        low, high = np.minimum(low, fractions.min(axis=0)), np.maximum(high, fractions.max(axis=0))
        largest = np.maximum(largest, np.abs(np.diff(fractions, axis=0)).max(axis=0, initial=0.0))
    return bool(np.any((largest > 0.5) & (high - low < LARGEST_EXTENT)))


def unwrap(positions_A: Floats, cell_A: Floats) -> Floats:
    """Positions without jumps across the cell's faces, by adding up the shortest steps, in the type of `positions_A`.

    The lattice decides, not the axes that describe it: steps are rounded in the reduced cell. Raises AmbiguousStep where a step is longer
    than 0.4 of the shortest lattice vector: below half of it no other image is nearer.
    """
    reduced, _ = minkowski_reduce(np.asarray(cell_A, dtype=float))
    inverse, repeat_A = np.linalg.inv(reduced), float(np.linalg.norm(reduced, axis=1).min())
    found = np.empty_like(positions_A)
    for atom in range(positions_A.shape[1]):  # one at a time: a long trajectory is not in memory thrice
        path = positions_A[:, atom, :].astype(float)
        steps = np.diff(path, axis=0) @ inverse
        steps = (steps - np.rint(steps)) @ reduced
        largest_A = float(np.linalg.norm(steps, axis=1).max(initial=0.0))
        if largest_A > LARGEST_STEP * repeat_A:
            raise AmbiguousStep(
                f"Atom {atom + 1} moves by {largest_A:.2f} Å between two frames; in a lattice that repeats after {repeat_A:.2f} Å wrapped "
                f"coordinates tell only {LARGEST_STEP * repeat_A:.2f} Å: store frames more often"
            )
        path[1:] = path[0] + np.cumsum(steps, axis=0)
        found[:, atom, :] = path
    return found


def thinned_lags(first: int, last: int, count: int) -> Integers:
    """At most `count` lags from `first` to `last`, evenly spaced in the logarithm, whole frames, no lag twice."""
    return np.unique(np.rint(np.geomspace(max(first, 1), max(last, first, 1), count)).astype(int))

"""Mean square displacements of a trajectory, by FFT, free of drift, in bounded memory.

Positions are unwrapped, shape (n_frames, n_atoms, 3), Angstrom, usually float32. Paths are those of the atoms in question, in float64
and each in one piece, shape (n_atoms, 3, n_frames): what is done to a path as a whole is several times faster so.
Algorithm: Kneller et al., Comput. Phys. Commun. 91, 191 (1995), as S1 - 2 S2 (Calandrini et al., Collection SFN 12, 201 (2011)).
"""

from dataclasses import dataclass

import numpy as np
from ase.geometry import minkowski_reduce
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]

CHUNK_VALUES = 2**18  # float64 values that one chunk of ions may hold after zero padding: 2 MB, a processor's cache
CHUNK_FRAMES = 256  # of a trajectory that are turned at a time: they stay in the processor's cache
SAMPLED_ORIGINS = 128  # where a mean over atoms only has to be seen: with 40 atoms it is known to 1 %
ORIGINS_PER_LAG = 8  # neighbouring origins, an eighth of the lag apart, say nearly the same
STANDS_OUT = 3.0  # times the median: what shakes in a harmonic well hardly reaches 2.5 of it
COUPLED_FRACTION = 15  # of a run is the lag at which ions are correlated: where the fit begins, and known to 17 %
COUPLED_NOISE = 2.5  # times lag/n_frames is the standard deviation of how many independent ions seem to move as one
ENDS = 10  # parts of a run, of which the first and the last are compared
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
    chosen = ~is_mobile if has_framework else np.ones(len(is_mobile), dtype=bool)
    weights = chosen / np.count_nonzero(chosen)
    mean = np.empty((len(positions_A), 3))
    for start in range(0, len(positions_A), CHUNK_FRAMES):
        chunk = slice(start, start + CHUNK_FRAMES)
        mean[chunk] = weights @ positions_A[chunk].astype(float)
    return Drift(mean - mean[0], "framework" if has_framework else "all atoms")


def paths_of(positions_A: Floats, atoms: Integers, drift_A: Floats | None = None) -> Floats:
    """Paths (n_atoms, 3, n_frames) of `atoms`, with `drift_A` (n_frames, 3) taken off."""
    n_frames = len(positions_A)
    found = np.empty((len(atoms), 3, n_frames))
    for start in range(0, n_frames, CHUNK_FRAMES):
        chunk = slice(start, start + CHUNK_FRAMES)
        positions = positions_A[chunk, atoms]
        found[:, :, chunk] = (positions if drift_A is None else positions - drift_A[chunk, None]).transpose(1, 2, 0)
    return found


def ion_msd(paths_A: Floats, lags: Integers) -> Floats:
    """MSD of every path over all time origins at `lags` (frames): (len(lags), n_paths), Angstrom^2."""
    n = paths_A.shape[-1]
    if n < 2:
        raise ValueError("A mean square displacement needs at least two frames")
    padded = next_fast_len(n + int(lags.max(initial=0)), real=True)  # what wraps around reaches longer lags only
    chunk = max(1, CHUNK_VALUES // (3 * padded))
    found = np.empty((len(lags), len(paths_A)))
    for start in range(0, len(paths_A), chunk):
        found[:, start : start + chunk] = _chunk_msd(paths_A[start : start + chunk], lags, padded).T
    return found


def _chunk_msd(paths_A: Floats, lags: Integers, padded: int) -> Floats:
    """(n_paths, n_lags): for every lag m the sum of r(t)^2 + r(t + m)^2 - 2 r(t) r(t + m) over the n - m origins t, divided by n - m."""
    n = paths_A.shape[-1]
    about_mean = paths_A - paths_A.mean(axis=-1, keepdims=True)  # the difference of two large numbers loses digits otherwise
    parts = rfft(about_mean, n=padded, axis=-1).view(float)  # real and imaginary part by turns
    squared = np.einsum("icf,icf->if", parts, parts)
    power = squared[:, ::2] + squared[:, 1::2]
    products = irfft(power, n=padded, axis=-1)[:, lags]
    squares = np.zeros((len(paths_A), n + 1))
    np.cumsum(np.einsum("ict,ict->it", about_mean, about_mean), axis=-1, out=squares[:, 1:])
    heads, tails = squares[:, n - lags], squares[:, -1:] - squares[:, lags]
    return np.where(lags == 0, 0.0, np.maximum((heads + tails - 2 * products) / (n - lags), 0.0))


def sampled_msd(positions_A: Floats, drift_A: Floats, lags: Integers) -> Floats:
    """MSD of every atom at `lags`: (len(lags), n_atoms), Angstrom^2, over at most SAMPLED_ORIGINS time origins.

    For what is drawn, and for a framework that stays: neighbouring origins say the same there.
    """
    n = len(positions_A)
    found = np.empty((len(lags), positions_A.shape[1]))
    for row, lag in enumerate(lags):
        origins = np.unique(np.linspace(0, n - lag - 1, min(n - lag, SAMPLED_ORIGINS)).astype(int))
        drifted = (drift_A[origins + lag] - drift_A[origins]).astype(positions_A.dtype)
        moved = positions_A[origins + lag] - positions_A[origins] - drifted[:, None]
        found[row] = np.einsum("tac,tac->a", moved, moved) / len(origins)
    return found


def _displacements(paths_A: Floats, lag: int) -> Floats:
    """r(t + lag) - r(t), (n_paths, 3, n_origins), with origins an eighth of the lag apart."""
    step = max(1, lag // ORIGINS_PER_LAG)
    return paths_A[..., lag::step] - paths_A[..., : paths_A.shape[-1] - lag : step]


def square_displacements(paths_A: Floats, lag: int) -> Floats:
    """|r(t + lag) - r(t)|^2, (n_paths, n_origins)."""
    moved = _displacements(paths_A, lag)
    return np.einsum("ict,ict->it", moved, moved)


def mean_msd(paths_A: Floats, lags: Integers) -> Floats:
    """MSD (len(lags),), Angstrom^2, averaged over paths, with origins an eighth of each lag apart: quick where lags are long."""
    return np.array([square_displacements(paths_A, int(lag)).mean() for lag in lags])


def collective_msd(paths_A: Floats, lags: Integers) -> Floats:
    """(1/N) <|sum_i dr_i|^2> at `lags`, Angstrom^2: its slope/6 is the charge diffusivity D_sigma."""
    return ion_msd(paths_A.sum(axis=0, keepdims=True), lags)[:, 0] / len(paths_A)


def anisotropy(paths_A: Floats, lag: int, n_independent: float) -> float:
    """3 tr(S^2)/tr(S)^2 of the tensor S of displacements at `lag`: 1 where they are alike along all axes, 1.5 in planes, 3 in channels.

    A tensor of n displacements looks more anisotropic than it is: the traces are those without bias, for Gaussian displacements.
    """
    moved = _displacements(paths_A, lag)
    tensor = np.matmul(moved, moved.transpose(0, 2, 1)).mean(axis=0)
    n = max(n_independent * paths_A.shape[-1] / lag, 2.0)
    of_square, squared = float(np.sum(tensor**2)), float(np.trace(tensor)) ** 2
    of_square = (of_square - squared / n) / (1 + 1 / n - 2 / n**2)
    squared -= 2 * of_square / n
    return float(np.clip(3 * of_square / squared, 1.0, 3.0)) if squared > 0 else 1.0


def non_gaussian(paths_A: Floats, lag: int) -> float:
    """alpha2 = 3 <r^4> / (5 <r^2>^2) - 1 at one lag: 0 for Gaussian displacements, large where few ions hop far."""
    squares = square_displacements(paths_A, lag)
    second, fourth = float(squares.mean()), float(np.square(squares).mean())
    return 0.6 * fourth / second**2 - 1.0 if second > 0 else 0.0


def move_together(paths_A: Floats, lag: int) -> float:
    """How many ions move as one: variance over time of the mean square displacement, over what independent ions would give.

    About a parabola in time: ions that all slow down do not move together. 1 where it does not exceed 1 by two of its own standard
    deviations.
    """
    n_ions, _, n_frames = paths_A.shape
    lag = max(1, min(lag, n_frames // 30))
    squares = _without_trend(square_displacements(paths_A, lag))
    alone = float(squares.var(axis=1).sum())
    ratio = float(squares.sum(axis=0).var()) / alone if alone > 0 else 1.0
    noise = np.sqrt(2 * lag / n_frames)
    return min(ratio, float(n_ions)) if ratio > 1 + 2 * noise else 1.0


def coupled(paths_A: Floats) -> float:
    """How many ions move as one, from the correlations of their displacements as vectors: ions that block each other have them.

    Squares of displacements covary as the squares of these correlations: sum_ij |C_ij(tau)|^2 over sum_i |C_ii(tau)|^2, summed over delays
    tau up to the lag, less what independent ions of the same autocorrelation give by chance. 1 where it does not exceed 1 by its
    own standard deviation.
    """
    n_ions, _, n_frames = paths_A.shape
    lag = max(1, n_frames // COUPLED_FRACTION)
    step = -(-lag // ORIGINS_PER_LAG)
    moved = paths_A[..., lag::step] - paths_A[..., : n_frames - lag : step]
    moved = moved / np.sqrt(_pace(moved))
    flat = moved.reshape(3 * n_ions, -1)
    gram = flat.T @ flat
    delays = range(min(-(-lag // step), gram.shape[0] - 1))
    rho = np.array([np.diagonal(gram, delay).mean() for delay in range(gram.shape[0])])
    if not rho[0] > 0:
        return 1.0
    rho /= rho[0]
    rho[len(delays) :] = max(float(rho[len(delays) : 3 * len(delays)].mean()), 0.0)  # of ions that fly on; 0 in a walk
    mean = np.matmul(moved, moved.transpose(0, 2, 1)).mean(axis=0) / moved.shape[-1]
    alone = n_ions * float(np.square(mean).sum()) * float(2 * np.square(rho[: len(delays)]).sum() - 1)
    between = sum((1 if delay == 0 else 2) * _between(moved, gram, rho, delay) for delay in delays)
    ratio = 1 + between / alone
    return min(ratio, float(n_ions)) if ratio > 1 + COUPLED_NOISE * lag / n_frames else 1.0


def _pace(moved_A: Floats) -> Floats:
    """Mean square displacement along the run, a parabola through its logarithm: ions that all slow down are not coupled by it."""
    mean_A2 = np.einsum("ict,ict->t", moved_A, moved_A) / len(moved_A)
    floor_A2 = max(1e-3 * float(mean_A2.mean()), 1e-300)
    time = np.linspace(-1, 1, len(mean_A2))
    return np.exp(np.polyval(np.polyfit(time, np.log(mean_A2 + floor_A2), min(2, len(time) - 1)), time))


def _between(moved_A: Floats, gram_A2: Floats, rho: Floats, delay: int) -> float:
    """Sum of |C_ij|^2 at one delay over pairs of different ions, without what chance gives; `gram` is moved.moved between all origins."""
    n = moved_A.shape[-1] - delay
    earlier, later = moved_A[..., :n], moved_A[..., delay:]
    everything = float(np.sum(gram_A2[:n, :n] * gram_A2[delay:, delay:]))
    own = float(np.square(np.matmul(earlier, later.transpose(0, 2, 1))).sum())
    squares = np.einsum("ict,ict->i", moved_A, moved_A) / moved_A.shape[-1]
    by_chance = 2 * float(np.arange(n, 0, -1) @ np.square(rho[:n])) - n
    return (everything - own - by_chance * float(squares.sum() ** 2 - np.square(squares).sum())) / n**2


def _without_trend(values: Floats) -> Floats:
    """Rows (n, n_times) less their own parabolas in time."""
    trend, _ = np.linalg.qr(np.vander(np.linspace(-1, 1, values.shape[1]), 3))
    return values - (values @ trend) @ trend.T


def loglog_slope(time_ps: Floats, msd_A2: Floats) -> float:
    """d ln MSD / d ln t by least squares, each decade with the same weight: 2 ballistic, 1 diffusive, 0 caged. NaN below two points."""
    usable = (time_ps > 0) & (msd_A2 > 0)
    if np.count_nonzero(usable) < 2:
        return float("nan")
    x, y = np.log(time_ps[usable]), np.log(msd_A2[usable])
    weight = np.sqrt(np.gradient(x)) if len(x) > 2 else np.ones(2)
    return float(np.polyfit(x, y, 1, w=weight)[0])


def net_displacement(paths_A: Floats) -> Floats:
    """Distance (n_paths,) between the mean positions in the first and the last tenth of the run: vibration averages out."""
    span = max(1, paths_A.shape[-1] // ENDS)
    return np.linalg.norm(paths_A[..., -span:].mean(axis=-1) - paths_A[..., :span].mean(axis=-1), axis=1)


def few_left(net_A: Floats, hop_length_A: float) -> int:
    """How many ions, where they are few, have left their sites, by their net displacements: over half a hop, and far more than most do.

    In a cage all ions move about as much, however wide it is; a hop stands out from those that stay.
    """
    return int((net_A > max(hop_length_A / 2, STANDS_OUT * float(np.median(net_A)))).sum()) if len(net_A) else 0


def flow(paths_A: Floats) -> float:
    """Square of the mean displacement in the run over the mean square: 1 where all ions flow, 1/N where each walks for itself."""
    moved = paths_A[..., -1] - paths_A[..., 0]
    square = float(np.square(moved).sum(axis=1).mean())
    return float(np.square(moved.mean(axis=0)).sum()) / square if square > 0 else 0.0


def has_long_steps(positions_A: Floats, cell_A: Floats) -> bool:
    """Whether some atom crosses more than half of the cell from one frame to the next."""
    return bool((_extent_and_step(positions_A, cell_A)[1] > 0.5).any())


def is_wrapped(positions_A: Floats, cell_A: Floats) -> bool:
    """True where all atoms stay within one cell, wherever its origin lies, though some step crosses more than half of it."""
    extent, step = _extent_and_step(positions_A, cell_A)
    return bool(np.any((step > 0.5) & (extent < LARGEST_EXTENT)))


def _extent_and_step(positions_A: Floats, cell_A: Floats) -> tuple[Floats, Floats]:
    """(3,) each, in cells: what all atoms cover in all frames, and the longest step, along each axis."""
    inverse = np.linalg.inv(np.asarray(cell_A, dtype=float))
    low, high, largest = np.full(3, np.inf), np.full(3, -np.inf), np.zeros(3)
    for atom in range(positions_A.shape[1]):
        fractions = positions_A[:, atom, :].astype(float) @ inverse
        low, high = np.minimum(low, fractions.min(axis=0)), np.maximum(high, fractions.max(axis=0))
        largest = np.maximum(largest, np.abs(np.diff(fractions, axis=0)).max(axis=0, initial=0.0))
    return high - low, largest


def unwrap(positions_A: Floats, cell_A: Floats, only_after: Integers | None = None) -> Floats:
    """Positions without jumps across the cell's faces, by adding up the shortest steps, in the type of `positions_A`.

    `only_after`: the frames after which atoms may have jumped; after any where it is None.

    The lattice decides, not the axes that describe it: steps are rounded in the reduced cell. Raises AmbiguousStep where a step is longer
    than 0.4 of the shortest lattice vector: below half of it no other image is nearer.
    """
    reduced, _ = minkowski_reduce(np.asarray(cell_A, dtype=float))
    inverse, repeat_A = np.linalg.inv(reduced), float(np.linalg.norm(reduced, axis=1).min())
    found, chosen = np.empty_like(positions_A), slice(None) if only_after is None else only_after
    for atom in range(positions_A.shape[1]):  # one at a time: a long trajectory is not in memory thrice
        path = positions_A[:, atom, :].astype(float)
        steps = np.diff(path, axis=0)
        steps[chosen] -= np.rint(steps[chosen] @ inverse) @ reduced
        largest_A = float(np.linalg.norm(steps[chosen], axis=1).max(initial=0.0))
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

"""Walks whose diffusion coefficient is known by construction, for the tests of every estimator."""

import numpy as np

from analysis.science import msd
from analysis.science.diffusion import Paths

EDGE_A = 1.0


def as_paths(path, frame_interval_ps=1.0):
    """All ions of (n_frames, n_ions, 3), without a drift."""
    return Paths(msd.paths_of(path, np.arange(path.shape[1])), frame_interval_ps)


def lattice_walk(rng, n_frames, n_ions, hop_probability=1.0, vibration_A=0.0, edge_A=EDGE_A, n_dimensions=3):
    """Independent ions on a cubic lattice, a hop in a frame with `hop_probability`: D = edge^2 * probability / 6 per frame.

    With fewer dimensions they hop in planes or channels; the mean over the three axes stays.
    """
    shape = (n_frames - 1, n_ions)
    steps = np.zeros((*shape, 3))
    np.put_along_axis(steps, rng.integers(0, n_dimensions, shape)[..., None], rng.choice([-edge_A, edge_A], shape)[..., None], axis=2)
    steps *= (rng.random(shape) < hop_probability)[..., None]
    path = np.concatenate([np.zeros((1, n_ions, 3)), np.cumsum(steps, axis=0)])
    return (path + vibration_A * rng.normal(size=path.shape)).astype(np.float32)


def ageing_walk(rng, n_frames, n_ions, hop_probability, falls_to, edge_A=EDGE_A, vibration_A=0.25):
    """Ions that hop ever more rarely: the probability falls to `falls_to` of its first value along the run, each frame alike."""
    pace = hop_probability * falls_to ** (np.arange(n_frames - 1) / n_frames)
    steps = rng.random((n_frames - 1, n_ions, 1)) < pace[:, None, None]
    path = np.concatenate([np.zeros((1, n_ions, 3)), np.cumsum(steps * edge_A * _directions(rng, (n_frames - 1, n_ions)), axis=0)])
    return (path + vibration_A * rng.normal(size=path.shape)).astype(np.float32)


def _directions(rng, shape):
    """(*shape, 3), each one of the six along the axes."""
    return np.eye(3)[rng.integers(0, 3, shape)] * rng.choice([-1, 1], (*shape, 1))


def fractional_walk(rng, n_frames, n_ions, exponent, last_msd_A2):
    """Fractional Brownian motion (Davies and Harte 1987): MSD ~ t^exponent at all times, `last_msd_A2` at half of the run."""
    lags = np.arange(n_frames + 1.0)
    covariance = ((lags + 1) ** exponent - 2 * lags**exponent + np.abs(lags - 1) ** exponent) / 2
    spectrum = np.maximum(np.fft.fft(np.concatenate([covariance, covariance[1:-1][::-1]])).real, 0)
    noise = rng.normal(size=(2, 3 * n_ions, len(spectrum)))
    steps = np.fft.fft((noise[0] + 1j * noise[1]) * np.sqrt(spectrum / len(spectrum)), axis=1).real[:, :n_frames]
    path = np.cumsum(steps, axis=1).reshape(n_ions, 3, n_frames).transpose(2, 0, 1)
    return (path * np.sqrt(last_msd_A2 / 3 / (n_frames / 2) ** exponent)).astype(np.float32)


def concerted_walk(rng, n_frames, n_groups, group, hop_probability=1.0, edge_A=EDGE_A):
    """Ions that hop together, `group` at a time: the number of independent ions is `n_groups`."""
    return np.repeat(lattice_walk(rng, n_frames, n_groups, hop_probability, edge_A=edge_A), group, axis=1)


def ring_walk(rng, n_frames, n_ions, n_sites, hop_probability, edge_A, vibration_A=0.1):
    """Ions that hop around a ring of `n_sites` for ever, or between two sites: each is caged, D = 0."""
    hops = rng.choice([-1, 1], (n_frames, n_ions)) * (rng.random((n_frames, n_ions)) < hop_probability)
    angle = 2 * np.pi / n_sites * (np.cumsum(hops, axis=0) + rng.integers(0, n_sites, n_ions))
    radius_A = edge_A / (2 * np.sin(np.pi / n_sites))
    path = radius_A * np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=-1)
    return (path + vibration_A * rng.normal(size=path.shape)).astype(np.float32)


def cavity_walk(rng, n_frames, n_ions, radius_A, step_A, n_substeps=4):
    """Ions that diffuse within a hollow sphere for ever, by `step_A` along each axis in a frame; what leaves it is refused."""
    here = rng.normal(size=(n_ions, 3))
    here *= radius_A * rng.random((n_ions, 1)) ** (1 / 3) / np.linalg.norm(here, axis=1, keepdims=True)
    path = np.empty((n_frames, n_ions, 3), dtype=np.float32)
    for frame in range(n_frames):
        for _ in range(n_substeps):
            there = here + step_A / np.sqrt(n_substeps) * rng.normal(size=here.shape)
            here = np.where(np.linalg.norm(there, axis=1, keepdims=True) < radius_A, there, here)
        path[frame] = here
    return path


def cage_walk(rng, n_frames, n_ions, escape_probability, hop_probability=0.3, cage_A=7.0, edge_A=3.0):
    """Cages on a cubic lattice with four sites in each; to any of them in a frame with `hop_probability`: D = cage^2 * escape / 6."""
    path = lattice_walk(rng, n_frames, n_ions, escape_probability, edge_A=cage_A)
    corners_A = edge_A / np.sqrt(8) * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    hops = rng.random((n_frames, n_ions)) < hop_probability
    hops[0] = True
    last_hop = np.maximum.accumulate(np.where(hops, np.arange(n_frames)[:, None], 0), axis=0)
    site = np.take_along_axis(rng.integers(0, 4, (n_frames, n_ions)), last_hop, axis=0)
    return (path + corners_A[site]).astype(np.float32)


def exclusion_walk(rng, n_frames, side, n_ions, sweeps=1):
    """Hops to empty sites alone, on a periodic simple cubic lattice of `side`^3 sites; `sweeps` attempts per ion and frame."""
    site = np.stack(np.unravel_index(rng.choice(side**3, n_ions, replace=False), (side,) * 3), axis=1)
    path = np.empty((n_frames, n_ions, 3), dtype=np.float32)
    taken = {tuple(one) for one in site.tolist()}
    here = site.tolist()
    for frame in range(n_frames):
        path[frame] = here
        attempts = zip(*(rng.integers(0, limit, sweeps * n_ions).tolist() for limit in (n_ions, 3, 2)), strict=True)
        for ion, axis, forward in attempts:
            target = list(here[ion])
            target[axis] += 2 * forward - 1
            key = tuple(value % side for value in target)
            if key not in taken:
                taken.remove(tuple(value % side for value in here[ion]))
                taken.add(key)
                here[ion] = target
    return path


def channel_walk(rng, n_frames, n_across, n_along, n_ions, cross):
    """Hops to empty sites alone, in `n_across`^2 periodic channels of `n_along` sites; a part `cross` of the attempts lead to the next."""
    sides = np.array([n_across, n_across, n_along])
    here = np.stack(np.unravel_index(rng.choice(sides.prod(), n_ions, replace=False), sides), axis=1).tolist()
    taken = {tuple(one) for one in here}
    path = np.empty((n_frames, n_ions, 3), dtype=np.float32)
    for frame in range(n_frames):
        path[frame] = here
        axes = np.where(rng.random(n_ions) < cross, rng.integers(0, 2, n_ions), 2).tolist()
        for ion, axis, step in zip(rng.integers(0, n_ions, n_ions).tolist(), axes, rng.choice([-1, 1], n_ions).tolist(), strict=True):
            target = list(here[ion])
            target[axis] += step
            key = tuple(np.mod(target, sides).tolist())
            if key not in taken:
                taken.remove(tuple(np.mod(here[ion], sides).tolist()))
                taken.add(key)
                here[ion] = target
    return path


def file_walk(rng, n_frames, n_rings, n_sites, n_ions):
    """Closed rings of `n_sites` with `n_ions` in each, which cannot pass.

    MSD ~ sqrt(t) at first; later all of a ring move as one, D = (n_sites - n_ions)/(n_sites - 1)/(6 n_ions).
    """
    ring, path = np.arange(n_rings), np.zeros((n_frames, n_rings * n_ions, 3), dtype=np.float32)
    here = np.stack([np.sort(rng.choice(n_sites, n_ions, replace=False)) for _ in ring])
    for frame in range(n_frames):
        path[frame, :, 0] = here.reshape(-1)
        for _ in range(n_ions):
            ion, step = rng.integers(0, n_ions, n_rings), rng.choice([-1, 1], n_rings)
            neighbour = here[ring, (ion + step) % n_ions] + n_sites * ((ion + step) // n_ions)
            is_free = here[ring, ion] + step != neighbour
            here[ring[is_free], ion[is_free]] += step[is_free]
    return path

"""Wrapped coordinates: the same path and the same D, whichever axes describe the lattice and wherever the cell begins."""

import numpy as np
import pytest

from analysis.science import diffusion, msd

from .walks import as_paths, lattice_walk

EDGE_A = 8.0
CUBE_A = EDGE_A * np.eye(3)
FRAMES, IONS = 400, 6
AXES = {
    "cube": np.eye(3),
    "sheared": np.array([[1, 0, 0], [3, 1, 0], [0, 0, 1]]),
    "sheared twice": np.array([[1, 2, 0], [0, 1, 0], [-1, 1, 1]]),
    "left-handed": np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]]),
}


def wrap(path_A, cell_A, origin=0.0):
    fractions = path_A @ np.linalg.inv(cell_A) - origin
    return (fractions - np.floor(fractions) + origin) @ cell_A


@pytest.fixture
def path_A():
    return 0.9 * lattice_walk(np.random.default_rng(5), FRAMES, IONS, 0.4, 0.1).astype(float)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("origin", [0.0, -0.5])
def test_the_path_does_not_depend_on_the_axes_or_the_origin(path_A, axes, origin):
    cell_A = AXES[axes] @ CUBE_A
    wrapped = wrap(path_A, cell_A, origin)
    assert msd.is_wrapped(wrapped, cell_A)
    found = msd.unwrap(wrapped, cell_A)
    assert np.allclose(found - found[0], path_A - path_A[0], atol=1e-9)


def test_d_does_not_depend_on_wrapping(path_A):
    plain, again = (diffusion.estimate(as_paths(one), 0.9)
                    for one in (path_A, msd.unwrap(wrap(path_A, CUBE_A), CUBE_A)))  # fmt: skip
    assert again.diffusivity_cm2_s == pytest.approx(plain.diffusivity_cm2_s, rel=1e-9)
    assert again.error_cm2_s == pytest.approx(plain.error_cm2_s, rel=1e-6)


def test_atoms_that_stick_out_of_the_cell_are_still_wrapped(path_A):
    """Some programs wrap only when they rebuild their neighbour lists."""
    wrapped = wrap(path_A, CUBE_A)
    late = wrapped.copy()
    step = wrapped[1::2] - wrapped[:-1:2]
    late[1::2] = wrapped[:-1:2] + step - EDGE_A * np.rint(step / EDGE_A)
    assert late.min() < 0
    assert msd.is_wrapped(late, CUBE_A)
    assert np.allclose(msd.unwrap(late, CUBE_A) - late[0], path_A - path_A[0], atol=1e-9)


def test_unwrapped_coordinates_with_long_steps_are_left_alone():
    path = np.cumsum(np.random.default_rng(0).normal(0, 2.5, (300, 4, 3)), axis=0)
    assert np.abs(np.diff(path, axis=0)).max() > EDGE_A / 2
    assert not msd.is_wrapped(path, CUBE_A)


def test_the_type_is_kept(path_A):
    wrapped = wrap(path_A, CUBE_A).astype(np.float32)
    found = msd.unwrap(wrapped, CUBE_A)
    assert found.dtype == np.float32
    assert np.allclose(found - found[0], path_A - path_A[0], atol=1e-4)


@pytest.mark.parametrize("angle", [60.0, 90.0, 120.0])
def test_a_step_is_the_shortest_one_or_refused(angle):
    """In a hexagonal cell the nearest image is not always the one of the rounded fractions."""
    radians = np.deg2rad(angle)
    cell_A = EDGE_A * np.array([[1, 0, 0], [np.cos(radians), np.sin(radians), 0], [0, 0, 1.5]])
    rng = np.random.default_rng(1)
    for _ in range(300):
        step = rng.uniform(-0.5, 0.5, 3) @ cell_A
        try:
            found = msd.unwrap(np.stack([np.zeros((1, 3)), step[None]]), cell_A)[1, 0]
        except msd.AmbiguousStep:
            continue
        images = [step + np.array([i, j, k]) @ cell_A for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)]
        assert np.linalg.norm(found) == pytest.approx(min(np.linalg.norm(one) for one in images))

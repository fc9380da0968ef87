import numpy as np
import pytest

from analysis.science import msd

from .walks import lattice_walk

CELL_A = np.array([[7.0, 0, 0], [2.0, 8.0, 0], [1.0, -1.5, 9.0]])


@pytest.fixture
def path():
    return lattice_walk(np.random.default_rng(3), 120, 7, 0.4, 0.2).astype(float)


def direct(path, lag):
    return np.square(path[lag:] - path[:-lag]).sum(axis=2).mean(axis=0)


def test_fft_gives_what_the_definition_gives(path):
    found = msd.fft_msd(path + 1e4)
    expected = np.array([direct(path, lag) for lag in range(1, len(path))])
    assert np.allclose(found[1:], expected, rtol=1e-9, atol=1e-7)
    assert np.all(found[0] == 0)


def test_chunks_do_not_change_the_result(path, monkeypatch):
    ions, lags, none = np.arange(7), np.arange(1, 60), np.zeros((120, 3))
    whole = msd.ion_msd(path, ions, none, lags)
    monkeypatch.setattr(msd, "CHUNK_VALUES", 6 * 120 * 2)
    assert np.allclose(msd.ion_msd(path, ions, none, lags), whole, rtol=1e-12)
    assert np.allclose(msd.mean_msd(path, ions, none, lags), whole.mean(axis=1), rtol=1e-10)


def test_constant_velocity_is_quadratic():
    path = np.arange(50)[:, None, None] * np.array([0.1, 0.2, -0.2])
    found = msd.fft_msd(path)[:, 0]
    assert np.allclose(found, 0.09 * np.arange(50) ** 2, atol=1e-9)
    assert msd.loglog_slope(np.arange(1, 50) * 0.1, found[1:]) == pytest.approx(2, abs=1e-9)


def test_permuted_and_translated_ions_have_the_same_mean(path):
    none, lags = np.zeros((120, 3)), np.arange(1, 60)
    expected = msd.ion_msd(path, np.arange(7), none, lags).mean(axis=1)
    changed = path[:, np.random.default_rng(0).permutation(7)] + np.array([3.0, -40.0, 7.0])
    assert np.allclose(msd.ion_msd(changed, np.arange(7), none, lags).mean(axis=1), expected, rtol=1e-10)


def test_wrapped_coordinates_unwrap_to_the_same_path(path):
    small = 0.5 * path  # steps below 0.4 of the shortest vector
    fractions = small @ np.linalg.inv(CELL_A)
    wrapped = (fractions - np.floor(fractions)) @ CELL_A
    assert msd.is_wrapped(wrapped, CELL_A)
    assert not msd.is_wrapped(small, CELL_A)
    back = msd.unwrap(wrapped, CELL_A)
    assert np.allclose(back - back[0], small - small[0], atol=1e-9)


def test_a_step_that_may_have_gone_either_way_is_refused():
    path = np.zeros((3, 1, 3))
    path[1, 0, 0] = 0.45 * 7
    with pytest.raises(msd.AmbiguousStep, match="store frames more often"):
        msd.unwrap(path, CELL_A)


def test_drift_of_the_whole_cell_is_taken_off(path):
    positions = np.concatenate([path, np.zeros((120, 5, 3))], axis=1)
    is_mobile = np.arange(12) < 7
    moving = positions + (0.3 * np.arange(120))[:, None, None] * np.array([1.0, 2.0, -1.0])
    reference = msd.drift(moving, is_mobile)
    assert reference.reference == "framework"
    lags = np.arange(1, 60)
    expected = msd.ion_msd(positions, np.arange(7), np.zeros((120, 3)), lags)
    assert np.allclose(msd.ion_msd(moving, np.arange(7), reference.displacement_A, lags), expected, atol=1e-8)
    assert np.allclose(
        msd.collective_msd(moving, np.arange(7), reference.displacement_A, lags),
        msd.collective_msd(positions, np.arange(7), np.zeros((120, 3)), lags),
        atol=1e-7,
    )


def test_without_a_framework_the_mean_of_all_is_the_reference(path):
    reference = msd.drift(path, np.ones(7, dtype=bool))
    assert reference.reference == "all atoms"
    assert np.allclose(reference.displacement_A, path.mean(axis=1) - path[0].mean(axis=0))


def test_ions_that_move_as_one_have_n_times_the_collective_msd(path):
    together = np.repeat(path[:, :1], 4, axis=1)
    none, lags = np.zeros((120, 3)), np.arange(1, 60)
    single = msd.ion_msd(together, np.arange(4), none, lags).mean(axis=1)
    assert np.allclose(msd.collective_msd(together, np.arange(4), none, lags), 4 * single, rtol=1e-9)


def test_gaussian_displacements_have_no_non_gaussian_parameter():
    path = np.cumsum(np.random.default_rng(1).normal(size=(4000, 20, 3)), axis=0)
    assert abs(msd.non_gaussian(path, np.arange(20), np.zeros((4000, 3)), 1)) < 0.02
    rare = lattice_walk(np.random.default_rng(2), 4000, 20, 0.05).astype(float)
    assert msd.non_gaussian(rare, np.arange(20), np.zeros((4000, 3)), 1) == pytest.approx(0.6 / 0.05 - 1, rel=0.1)

import numpy as np
import pytest

from analysis.science import msd

from .walks import ageing_walk, as_paths, concerted_walk, file_walk, lattice_walk

CELL_A = np.array([[7.0, 0, 0], [2.0, 8.0, 0], [1.0, -1.5, 9.0]])


@pytest.fixture
def path():
    return lattice_walk(np.random.default_rng(3), 120, 7, 0.4, 0.2).astype(float)


def direct(path, lag):
    return np.square(path[lag:] - path[:-lag]).sum(axis=2).mean(axis=0)


def ion_msd(path, lags, drift_A=None):
    return msd.ion_msd(msd.paths_of(path, np.arange(path.shape[1]), drift_A), lags)


def test_fft_gives_what_the_definition_gives(path):
    found = ion_msd(path + 1e4, np.arange(len(path)))
    expected = np.array([direct(path, lag) for lag in range(1, len(path))])
    assert np.allclose(found[1:], expected, rtol=1e-9, atol=1e-7)
    assert np.all(found[0] == 0)


def test_chunks_do_not_change_the_result(path, monkeypatch):
    lags = np.arange(1, 60)
    whole = ion_msd(path, lags)
    monkeypatch.setattr(msd, "CHUNK_VALUES", 3 * 180 * 2)
    monkeypatch.setattr(msd, "CHUNK_FRAMES", 32)
    assert np.allclose(ion_msd(path, lags), whole, rtol=1e-12)


def test_lags_do_not_change_one_another(path):
    """The padding is as long as the longest lag needs, no longer."""
    whole = ion_msd(path, np.arange(1, 120))
    assert np.allclose(ion_msd(path, np.array([3, 60])), whole[[2, 59]], rtol=1e-10)


def test_a_mean_from_fewer_origins_is_that_of_all_within_little(path):
    lags = np.arange(1, 60)
    paths = msd.paths_of(path, np.arange(7))
    expected = ion_msd(path, lags).mean(axis=1)
    assert np.allclose(msd.mean_msd(paths, lags), expected, rtol=0.1)
    assert np.allclose(msd.mean_msd(paths, lags[:8]), expected[:8], rtol=1e-10)


def test_sampled_origins_give_the_msd_of_every_atom(path, monkeypatch):
    lags, drift_A = np.array([1, 7, 59]), 0.1 * np.arange(120)[:, None] * np.ones(3)
    assert np.allclose(msd.sampled_msd(path + drift_A[:, None], drift_A, lags), ion_msd(path, lags), rtol=1e-9)
    still = 0.3 * np.random.default_rng(1).normal(size=(8000, 40, 3))
    found = msd.sampled_msd(still, np.zeros((8000, 3)), lags).mean(axis=1)
    assert np.allclose(found, 6 * 0.09, rtol=0.03)


def test_constant_velocity_is_quadratic():
    path = np.arange(50)[:, None, None] * np.array([0.1, 0.2, -0.2])
    found = ion_msd(path, np.arange(50))[:, 0]
    assert np.allclose(found, 0.09 * np.arange(50) ** 2, atol=1e-9)
    assert msd.loglog_slope(np.arange(1, 50) * 0.1, found[1:]) == pytest.approx(2, abs=1e-9)


def test_permuted_and_translated_ions_have_the_same_mean(path):
    lags = np.arange(1, 60)
    expected = ion_msd(path, lags).mean(axis=1)
    changed = path[:, np.random.default_rng(0).permutation(7)] + np.array([3.0, -40.0, 7.0])
    assert np.allclose(ion_msd(changed, lags).mean(axis=1), expected, rtol=1e-10)


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
    found, expected = msd.paths_of(moving, np.arange(7), reference.displacement_A), msd.paths_of(positions, np.arange(7))
    assert np.allclose(msd.ion_msd(found, lags), msd.ion_msd(expected, lags), atol=1e-8)
    assert np.allclose(msd.collective_msd(found, lags), msd.collective_msd(expected, lags), atol=1e-7)


def test_without_a_framework_the_mean_of_all_is_the_reference(path):
    reference = msd.drift(path, np.ones(7, dtype=bool))
    assert reference.reference == "all atoms"
    assert np.allclose(reference.displacement_A, path.mean(axis=1) - path[0].mean(axis=0))


def test_ions_that_move_as_one_have_n_times_the_collective_msd(path):
    together = np.repeat(path[:, :1], 4, axis=1)
    lags = np.arange(1, 60)
    assert np.allclose(msd.collective_msd(msd.paths_of(together, np.arange(4)), lags), 4 * ion_msd(together, lags)[:, 0], rtol=1e-9)


def test_gaussian_displacements_have_no_non_gaussian_parameter():
    path = np.cumsum(np.random.default_rng(1).normal(size=(4000, 20, 3)), axis=0)
    assert abs(msd.non_gaussian(msd.paths_of(path, np.arange(20)), 1)) < 0.02
    rare = lattice_walk(np.random.default_rng(2), 4000, 20, 0.05).astype(float)
    assert msd.non_gaussian(msd.paths_of(rare, np.arange(20)), 1) == pytest.approx(0.6 / 0.05 - 1, rel=0.1)


def test_ions_that_block_each_other_are_found_coupled_and_others_are_not():
    """Four ions that share a ring move as one in the end; independent ones, slowing down together or not, have nothing in common."""
    rng = np.random.default_rng(5)

    def mean(make):
        return np.mean([msd.coupled(as_paths(make()).paths_A) for _ in range(12)])

    assert 3 < mean(lambda: file_walk(rng, 500, 12, 8, 4)) <= 5
    assert mean(lambda: concerted_walk(rng, 400, 8, 4, 0.3)) == pytest.approx(4, rel=0.25)
    assert mean(lambda: lattice_walk(rng, 400, 20, 0.3)) < 1.1
    assert mean(lambda: lattice_walk(rng, 400, 20, 0.3, n_dimensions=1)) < 1.15
    assert mean(lambda: ageing_walk(rng, 400, 20, 0.3, 0.05)) < 1.15

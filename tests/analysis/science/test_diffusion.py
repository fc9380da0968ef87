import numpy as np
import pytest

from analysis.science import diffusion, gls, msd

from . import walks

A2_FRAME = 1e-4  # frames 1 ps apart: D in cm^2/s of 1 Angstrom^2 per frame


def estimate(path, hop=walks.EDGE_A):
    return diffusion.estimate(walks.as_paths(path), hop)


def calibrate(make, diffusivity_cm2_s, n, hop=walks.EDGE_A):
    """Fractions within one and two standard deviations, and the bias over the true sd."""
    rng = np.random.default_rng(17)
    found = [estimate(make(rng), hop) for _ in range(n)]
    z = np.array([(one.diffusivity_cm2_s - diffusivity_cm2_s) / one.error_cm2_s for one in found])
    return np.mean(np.abs(z) < 1), np.mean(np.abs(z) < 2), z.mean()


def test_the_covariance_is_that_of_many_walks():
    rng, lags, vibration = np.random.default_rng(4), np.array([2, 5, 11, 24]), 0.5
    path = np.cumsum(rng.normal(size=(50, 6000, 3)), axis=0) + vibration * rng.normal(size=(50, 6000, 3))
    found = np.cov(msd.ion_msd(walks.as_paths(path).paths_A, lags))
    assert np.allclose(found / gls.covariance(lags, 3.0, 6 * vibration**2, gls.Sample(50, 1, 0.0)), 1, atol=0.08)


def test_a_straight_line_is_found_exactly():
    lags = np.arange(3, 40)
    line = gls.fit(lags, 0.7 + 0.03 * lags, gls.Sample(100, 20, 1.0))
    assert line.slope_A2 == pytest.approx(0.03, rel=1e-9)
    assert line.intercept_A2 == pytest.approx(0.7, rel=1e-9)


def test_the_weights_give_the_slope():
    lags = np.arange(3, 40)
    values = 0.7 + 0.03 * lags + 0.01 * np.sin(lags)
    sample = gls.Sample(100, 20, 1.0)
    line = gls.fit(lags, values, sample, rounds=12)
    assert gls.weights(lags, line, sample) @ values == pytest.approx(line.slope_A2, rel=1e-6)


@pytest.mark.parametrize(("n_frames", "n_ions", "probability", "vibration_A"), [(300, 24, 0.1, 0.1), (80, 8, 0.3, 0.0)])
def test_the_error_covers_the_truth_as_often_as_it_says(n_frames, n_ions, probability, vibration_A):
    one, two, bias = calibrate(
        lambda rng: walks.lattice_walk(rng, n_frames, n_ions, probability, vibration_A), probability / 6 * A2_FRAME, 120
    )
    assert 0.56 < one < 0.80  # 0.68 with three standard errors of 120 walks
    assert two > 0.89
    assert abs(bias) < 0.35


def test_ions_that_hop_together_have_a_larger_error():
    one, two, _ = calibrate(lambda rng: walks.concerted_walk(rng, 300, 8, 4, 0.3), 0.05 * A2_FRAME, 80)
    assert 0.52 < one < 0.84
    assert two > 0.86
    found = estimate(walks.concerted_walk(np.random.default_rng(5), 300, 8, 4, 0.3))
    assert found.move_together == pytest.approx(4, rel=0.3)
    assert any("move together" in flag for flag in found.flags)


def test_d_scales_with_time_and_length():
    path = walks.lattice_walk(np.random.default_rng(1), 200, 10, 0.3)
    one = diffusion.estimate(walks.as_paths(path), 1.0)
    other = diffusion.estimate(walks.as_paths(3 * path, 0.5), 3.0)
    assert other.diffusivity_cm2_s == pytest.approx(18 * one.diffusivity_cm2_s, rel=1e-5)
    assert other.error_cm2_s == pytest.approx(18 * one.error_cm2_s, rel=1e-5)


@pytest.mark.parametrize("drawn", range(8))
def test_permuted_ions_have_the_same_d(drawn):
    """And the same error of the ordinary line, which decides whether generalized least squares are believed."""
    rng = np.random.default_rng(drawn)
    path = walks.lattice_walk(rng, 60, 8, 0.3)
    one, other = estimate(path), estimate(path[:, rng.permutation(8)])
    assert other.diffusivity_cm2_s == pytest.approx(one.diffusivity_cm2_s, rel=1e-9)
    assert other.error_cm2_s == pytest.approx(one.error_cm2_s, rel=1e-9)
    assert other.ols_error_cm2_s == pytest.approx(one.ols_error_cm2_s, rel=1e-9)


def test_translated_ions_have_the_same_d():
    path = walks.lattice_walk(np.random.default_rng(1), 200, 10, 0.3)
    one, other = estimate(path), estimate(path + np.float32(16.0))
    assert other.diffusivity_cm2_s == pytest.approx(one.diffusivity_cm2_s, rel=1e-6)
    assert other.error_cm2_s == pytest.approx(one.error_cm2_s, rel=1e-6)


def test_too_few_frames_are_refused():
    with pytest.raises(diffusion.TooFewFrames, match="15 stored frames"):
        estimate(np.zeros((15, 3, 3)))


def test_a_single_ion_has_an_error_too():
    found = estimate(walks.lattice_walk(np.random.default_rng(8), 2000, 1, 0.3))
    assert np.isfinite(found.error_cm2_s)
    assert abs(found.diffusivity_cm2_s - 0.05 * A2_FRAME) < 4 * found.error_cm2_s


def test_halves_that_disagree_enlarge_the_error():
    """A walk whose ions drift apart, each its own way: later lags say a larger D than early ones."""
    rng = np.random.default_rng(4)
    path = walks.lattice_walk(rng, 400, 20, 0.3)
    apart = np.arange(400)[:, None, None] * rng.normal(scale=0.03, size=(1, 20, 3))
    found, calm = estimate((path + apart).astype(np.float32)), estimate(path)
    assert abs(calm.halves_sigma) < diffusion.HALVES_SIGMA < found.halves_sigma
    assert found.error_cm2_s >= 0.5 * (found.halves_cm2_s[1] - found.halves_cm2_s[0])
    assert any("halves" in flag for flag in found.flags)
    assert not any("halves" in flag for flag in calm.flags)


@pytest.mark.parametrize(("n_dimensions", "anisotropy"), [(1, 3.0), (2, 1.5), (3, 1.0)])
def test_the_covariance_knows_in_how_many_dimensions_ions_move(n_dimensions, anisotropy):
    """Channels: the square of a displacement along one axis scatters three times as much as that along three."""
    rng = np.random.default_rng(1)
    path = walks.lattice_walk(rng, 400, 20, 0.3, n_dimensions=n_dimensions)
    assert msd.anisotropy(walks.as_paths(path).paths_A, 20, 20) == pytest.approx(anisotropy, rel=0.15)
    few = [msd.anisotropy(walks.as_paths(walks.lattice_walk(rng, 60, 2, 0.5, n_dimensions=n_dimensions)).paths_A, 6, 2) for _ in range(200)]
    assert np.mean(few) == pytest.approx(anisotropy, rel=0.4)
    many = walks.as_paths(np.cumsum(rng.normal(size=(50, 6000, 3)) * (np.arange(3) < n_dimensions), axis=0)).paths_A
    lags = np.array([2, 5, 11, 24])
    found = np.cov(msd.ion_msd(many, lags))
    assert np.allclose(found / gls.covariance(lags, n_dimensions, 0.0, gls.Sample(50, 1, 0.0, anisotropy)), 1, atol=0.15)


def test_the_error_in_channels_covers_the_truth():
    one, two, bias = calibrate(lambda rng: walks.lattice_walk(rng, 200, 16, 0.3, n_dimensions=1), 0.05 * A2_FRAME, 100)
    assert 0.56 < one < 0.80
    assert two > 0.89
    assert abs(bias) < 0.35


def test_the_fit_starts_behind_wide_cages():
    """Half of a hop's square lies on the cages' plateau, from where the fit would begin among motion that leads nowhere."""
    path = walks.cage_walk(np.random.default_rng(2), 1000, 40, 0.005, hop_probability=0.1)
    found = estimate(path, 3.0)
    assert msd.mean_msd(walks.as_paths(path).paths_A, np.array([found.first_lag]))[0] > 15
    assert abs(found.diffusivity_cm2_s - 0.005 * 49 / 6 * A2_FRAME) < 2.5 * found.error_cm2_s


@pytest.mark.parametrize("n_ions", [1, 2, 3])
def test_few_ions_are_said_to_be_few_and_have_a_wider_error(n_ions):
    one, two, _ = calibrate(lambda rng: walks.lattice_walk(rng, 500, n_ions, 0.3), 0.05 * A2_FRAME, 60)
    assert 0.5 < one < 0.92
    assert two > 0.84
    found = estimate(walks.lattice_walk(np.random.default_rng(1), 500, n_ions, 0.3))
    assert any("independent ions" in flag for flag in found.flags)
    assert not any("independent ions" in flag for flag in estimate(walks.lattice_walk(np.random.default_rng(1), 500, 8, 0.3)).flags)


@pytest.mark.parametrize("n_ions", [2, 4, 12])
def test_ions_without_a_framework_lose_nothing_to_their_own_drift(n_ions):
    rng, ratios = np.random.default_rng(5), []
    for _ in range(60):
        path = walks.lattice_walk(rng, 200, n_ions, 0.5)
        own = msd.drift(path, np.ones(n_ions, dtype=bool))
        paths = diffusion.Paths(msd.paths_of(path, np.arange(n_ions), own.displacement_A), 1.0).with_own_drift()
        ratios.append(msd.mean_msd(paths.paths_A, np.array([10]))[0] / 5)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.06)


def test_the_error_of_ions_that_block_each_other_covers_the_truth():
    """Rings of eight sites with four ions: taken as independent, their error is half of the true one."""
    one, two, _ = calibrate(lambda rng: walks.file_walk(rng, 400, 12, 8, 4), 4 / 7 / 24 * A2_FRAME, 40)
    assert one > 0.55
    assert two > 0.88


def test_a_line_by_chance_two_errors_from_the_other_enlarges_the_error_and_keeps_its_slope():
    line, flags = gls.Line(1.0, 0.03, 0.0), []
    assert diffusion._choose(line, (1.25, 0.1), float("nan"), flags) == (1.0, pytest.approx(np.hypot(0.03, 0.125)), "GLS")
    assert "disagree" in flags[0]
    assert diffusion._choose(line, (1.4, 0.1), float("nan"), [])[::2] == (1.4, "OLS")


def test_channels_are_said_to_have_an_uncertain_error():
    for n_dimensions, said in ((1, True), (3, False)):
        found = estimate(walks.lattice_walk(np.random.default_rng(1), 400, 20, 0.3, n_dimensions=n_dimensions))
        assert any("channels" in flag for flag in found.flags) == said

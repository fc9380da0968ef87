from pathlib import Path

import numpy as np
import pytest
from scipy import constants

from analysis.science import arrhenius, transport

GOLDENS = Path(__file__).parents[2] / "data" / "goldens"
K = constants.k / constants.e
GOLDEN_K = 8.617e-5  # what the published numbers were computed with


def ideal(temperatures_K=(500, 600, 750, 1000, 1200), energy_eV=0.3, relative_error=0.1, temperature_error_K=0.0):
    T = np.array(temperatures_K, dtype=float)
    D = 1e-3 * np.exp(-energy_eV / (K * T))
    return arrhenius.Points(T, np.full(len(T), temperature_error_K), D, relative_error * D)


@pytest.fixture
def llzo():
    T, D, error = np.loadtxt(GOLDENS / "arrhenius_D_T.csv", delimiter=",", skiprows=1).T
    return arrhenius.Points(T, np.zeros(9), D, error)


def test_an_ideal_line_gives_its_energy():
    line = arrhenius.fit(ideal())
    assert line.activation_energy_eV == pytest.approx(0.3, abs=1e-10)
    assert line.log10_prefactor == pytest.approx(-3, abs=1e-10)
    assert arrhenius.robust_activation_energy_eV(ideal()) == pytest.approx(0.3, abs=1e-8)
    assert arrhenius.jackknife_max_change_eV(ideal()) < 1e-10
    assert arrhenius.extrapolate(line, 300).diffusivity_cm2_s == pytest.approx(1e-3 * np.exp(-0.3 / (K * 300)), rel=1e-9)


def test_llzo_as_published(llzo):
    line = arrhenius.fit(llzo)
    cold = arrhenius.extrapolate(line, 300)
    assert line.activation_energy_eV * GOLDEN_K / K == pytest.approx(0.258128, abs=1e-6)
    assert line.activation_energy_error_eV * GOLDEN_K / K == pytest.approx(0.016832, abs=1e-6)
    assert cold.diffusivity_cm2_s == pytest.approx(6.80754e-9, rel=1e-6)
    gradient = np.array([1, -1 / (K * 300)])
    normal = 1.96 * np.sqrt(gradient @ line.covariance @ gradient)  # the published interval is normal
    assert cold.diffusivity_cm2_s * np.exp(-normal) == pytest.approx(2.8e-9, rel=0.02)
    assert cold.diffusivity_cm2_s * np.exp(normal) == pytest.approx(1.7e-8, rel=0.04)
    assert cold.low_cm2_s == pytest.approx(2.8e-9, rel=0.02)
    assert cold.high_cm2_s == pytest.approx(1.7e-8, rel=0.04)


def test_conductivity_of_llzo_as_published(llzo):
    from pymatgen.io.vasp import Poscar

    text = (GOLDENS / "arrhenius_POSCAR").read_text()
    structure = Poscar.from_str(text).structure
    n_li = structure.composition["Li"]
    factor = 1000 * transport.nernst_einstein_S_cm(1.0, n_li, 1.0, structure.volume, 300.0)
    assert factor == pytest.approx(1.5870125e8, rel=5e-7)  # with the constants of 2014
    line = arrhenius.fit(llzo)
    conductivity_mS_cm = factor * arrhenius.extrapolate(line, 300).diffusivity_cm2_s
    assert conductivity_mS_cm == pytest.approx(1.080365, rel=1e-6)
    # The published interval is one sd without the covariance of D0 and Ea (0.96 correlated): half as wide again as it should be.
    published = np.exp(np.hypot(np.sqrt(line.covariance[0, 0]), line.activation_energy_error_eV / (K * 300)))
    assert conductivity_mS_cm / published == pytest.approx(0.545, rel=1e-3)
    assert conductivity_mS_cm * published == pytest.approx(2.141, rel=1e-3)


def test_the_error_covers_the_truth():
    rng, z, inside = np.random.default_rng(2), [], []
    exact = ideal(relative_error=0.15)
    for _ in range(400):
        logs = np.log(exact.diffusivity_cm2_s) + 0.15 * rng.normal(size=5)
        line = arrhenius.fit(arrhenius.Points(exact.temperature_K, exact.temperature_error_K, np.exp(logs), 0.15 * np.exp(logs)))
        z.append((line.activation_energy_eV - 0.3) / line.activation_energy_error_eV)
        cold = arrhenius.extrapolate(line, 300)
        inside.append(cold.low_cm2_s < 1e-3 * np.exp(-0.3 / (K * 300)) < cold.high_cm2_s)
    assert 0.66 < np.mean(np.abs(z) < 1) < 0.85  # chi^2 above its mean enlarges the error, below it does not shrink it
    assert abs(np.mean(z)) < 0.15
    assert np.mean(inside) > 0.94


def covered(temperatures_K, factor, n_lines=1500):
    """How often the 95 % interval at 300 K holds the truth, the errors being `factor` times larger than they are said to be."""
    rng, inside = np.random.default_rng([len(temperatures_K), int(factor * 10)]), 0
    exact, truth = ideal(temperatures_K, relative_error=0.1), 1e-3 * np.exp(-0.3 / (K * 300))
    for _ in range(n_lines):
        D = exact.diffusivity_cm2_s * np.exp(0.1 * factor * rng.normal(size=len(temperatures_K)))
        cold = arrhenius.extrapolate(arrhenius.fit(arrhenius.Points(exact.temperature_K, exact.temperature_error_K, D, 0.1 * D)), 300)
        inside += cold.low_cm2_s < truth < cold.high_cm2_s
    return inside / n_lines


@pytest.mark.parametrize("temperatures_K", [(600, 750, 1000), (600, 700, 850, 1000), (600, 675, 750, 850, 1000),
                                            (600, 640, 680, 720, 770, 820, 870, 930, 1000)])  # fmt: skip
def test_the_interval_at_300_K_covers_the_truth_as_often_as_it_says(temperatures_K):
    assert 0.94 < covered(temperatures_K, 1.0) < 0.985
    # Where the errors are half of what they should be, few points cannot tell in every case.
    assert covered(temperatures_K, 2.0) > (0.8 if len(temperatures_K) < 5 else 0.88)


def test_points_that_agree_with_their_errors_have_a_normal_interval():
    line = arrhenius.fit(ideal((600, 750, 1000)))
    cold = arrhenius.extrapolate(line, 300)
    gradient = np.array([1, -1 / (K * 300)])
    half = 1.95996 * np.sqrt(gradient @ line.covariance @ gradient)
    assert np.log(cold.high_cm2_s / cold.diffusivity_cm2_s) == pytest.approx(half, rel=1e-4)


def test_an_uncertain_temperature_enlarges_the_error():
    assert arrhenius.fit(ideal(temperature_error_K=25)).activation_energy_error_eV > arrhenius.fit(ideal()).activation_energy_error_eV * 1.2


def test_scatter_beyond_the_errors_enlarges_them():
    exact = ideal()
    noisy = arrhenius.Points(
        exact.temperature_K, exact.temperature_error_K, exact.diffusivity_cm2_s * [1.5, 0.6, 1.4, 0.7, 1.3], exact.error_cm2_s
    )
    line = arrhenius.fit(noisy)
    assert line.chi2_per_dof > 4
    assert any("scatter" in one for one in arrhenius.caveats(noisy, line))


def test_two_temperatures_give_no_line():
    with pytest.raises(arrhenius.NoLine, match="2 temperatures"):
        arrhenius.fit(ideal((600, 800)))
    with pytest.raises(arrhenius.NoLine):
        arrhenius.fit(ideal((600, 600, 800)))


def test_few_temperatures_are_said_to_be_few():
    points = ideal((600, 800, 1000))
    assert any("only 3 temperatures" in one for one in arrhenius.caveats(points, arrhenius.fit(points)))
    assert arrhenius.jackknife_max_change_eV(points) is None
    assert arrhenius.curvature_sigma(points) is None


def test_a_bend_is_seen():
    exact = ideal()
    bend = np.exp(-(((1000 / exact.temperature_K) - 1.3) ** 2))
    points = arrhenius.Points(
        exact.temperature_K, exact.temperature_error_K, exact.diffusivity_cm2_s * bend, 0.1 * exact.diffusivity_cm2_s * bend
    )
    assert arrhenius.curvature_sigma(points) < -2
    assert any("bend" in one for one in arrhenius.caveats(points, arrhenius.fit(points)))


def test_a_stray_point_pulls_the_robust_fit_less():
    exact = ideal((500, 550, 600, 700, 800, 1000, 1200))
    D = exact.diffusivity_cm2_s * [3, 1, 1, 1, 1, 1, 1]
    points = arrhenius.Points(exact.temperature_K, exact.temperature_error_K, D, 0.1 * D)
    weighted = abs(arrhenius.fit(points).activation_energy_eV - 0.3)
    assert abs(arrhenius.robust_activation_energy_eV(points) - 0.3) < 0.6 * weighted


@pytest.mark.parametrize(("column", "value"), [(0, -5.0), (1, -1.0), (1, np.nan), (2, 0.0), (2, np.nan), (3, 0.0), (3, np.inf)])
def test_what_cannot_lie_on_the_line_is_refused(column, value):
    columns = [np.array([600.0, 800, 1000]), np.zeros(3), np.full(3, 1e-6), np.full(3, 1e-7)]
    columns[column][1] = value
    with pytest.raises(ValueError, match=r"must be"):
        arrhenius.Points(*columns)


@pytest.mark.parametrize("order", [[2, 0, 1, 4, 3], [4, 3, 2, 1, 0]])
def test_the_order_of_the_points_does_not_matter(order):
    exact = ideal()
    noisy = exact.diffusivity_cm2_s * np.array([1.1, 0.9, 1.05, 0.95, 1.0])
    whole = arrhenius.fit(arrhenius.Points(exact.temperature_K, exact.temperature_error_K, noisy, exact.error_cm2_s))
    mixed = arrhenius.fit(arrhenius.Points(exact.temperature_K[order], exact.temperature_error_K, noisy[order], exact.error_cm2_s[order]))
    assert mixed.activation_energy_eV == pytest.approx(whole.activation_energy_eV, rel=1e-10)
    assert mixed.activation_energy_error_eV == pytest.approx(whole.activation_energy_error_eV, rel=1e-10)


def test_temperatures_that_are_nearly_equal_count_once():
    with pytest.raises(arrhenius.NoLine, match="2 temperatures"):
        arrhenius.fit(ideal((600, 600.1, 900)))
    assert arrhenius.n_temperatures(ideal((600, 604, 608, 900))) == 3  # 608 is more than a hundredth above 600
    points = ideal((600, 602, 800, 1000))
    assert "only 3 temperatures that differ by more than 1 % (at least" in "; ".join(arrhenius.caveats(points, arrhenius.fit(points)))


def test_the_jackknife_skips_a_point_without_which_there_is_no_line_and_says_so():
    points = ideal((600, 602, 800, 1000))
    assert arrhenius.jackknife_max_change_eV(points) == pytest.approx(0, abs=1e-9)
    assert any("without 800 K or 1000 K there would be no line" in one for one in arrhenius.caveats(points, arrhenius.fit(points)))
    assert not any("without" in one for one in arrhenius.caveats(ideal(), arrhenius.fit(ideal())))

import numpy as np
import pytest

from campaigns.science.decorrelation import in_words, inefficiency


def correlated(memory, n=400, n_atoms=20):
    """An autoregressive process, whose integrated autocorrelation is known: (1 + memory) / (1 - memory) samples for an independent one."""
    rng = np.random.default_rng(1)
    forces = [rng.normal(size=(n_atoms, 3))]
    for _ in range(n - 1):
        forces.append(memory * forces[-1] + np.sqrt(1 - memory**2) * rng.normal(size=(n_atoms, 3)))
    return np.array(forces)


@pytest.mark.parametrize(("memory", "expected"), [(0.0, 1.0), (0.5, 3.0), (0.8, 9.0)])
def test_correlated_samples_count_for_fewer(memory, expected):
    assert inefficiency(correlated(memory)) == pytest.approx(expected, rel=0.15)


def test_a_dozen_samples_of_fifty_atoms_tell():
    assert inefficiency(correlated(0.5, n=12, n_atoms=50)) == pytest.approx(2.6, rel=0.2)
    assert inefficiency(correlated(0.0, n=12, n_atoms=50)) == pytest.approx(1.0, abs=0.3)


def test_samples_that_oscillate_are_not_taken_for_worse_than_independent():
    signs = np.array([1, -1] * 10)[:, None, None]
    assert inefficiency(signs * np.ones((20, 5, 3))) == 1.0


@pytest.mark.parametrize("forces", [np.ones((3, 5, 3)), np.zeros((9, 5, 3)), np.ones((0, 5, 3))])
def test_nothing_is_said_of_too_few(forces):
    assert inefficiency(forces) is None


def test_words():
    assert in_words(11, 1.2, 30.0).endswith("are worth 9 independent ones: the sampling interval is long enough.")
    assert "worth 4 independent ones: the sampling interval is shorter" in in_words(11, 2.6, 30.0)
    assert "With about 78 fs" in in_words(11, 2.6, 30.0)

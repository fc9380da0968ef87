import numpy as np
import pytest

from analysis.science.parity import deviation, drawn


def test_numbers_of_a_known_difference():
    label = np.array([0.0, 1.0, 2.0, 3.0])
    found = deviation(label + np.array([0.1, -0.1, 0.3, 0.1]), label)
    assert (found.n, found.mae, found.bias, found.largest) == (4, pytest.approx(0.15), pytest.approx(0.1), pytest.approx(0.3))
    assert found.rmse == pytest.approx(np.sqrt(0.12 / 4))


@pytest.mark.parametrize(("model", "label"), [(np.zeros(3), np.zeros(2)), (np.zeros(0), np.zeros(0)), (np.array([np.nan]), np.zeros(1))])
def test_what_cannot_be_compared(model, label):
    with pytest.raises(ValueError):  # noqa: PT011
        deviation(model, label)


def test_the_worst_points_are_always_drawn_and_no_more_than_asked_for():
    random = np.random.default_rng(1)
    label = random.normal(size=30_000)
    model = label + random.normal(0, 0.1, 30_000)
    chosen = drawn(model, label, 2000)
    assert len(chosen) == len(set(chosen.tolist())) == 2000
    worst = np.argsort(-np.abs(model - label))[:200]
    assert set(worst.tolist()) <= set(chosen.tolist())
    assert drawn(model[:50], label[:50], 2000).tolist() == list(range(50))

"""A model's values against labels: how far apart they are, and which points to draw of very many."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Deviation:
    """Of `n` values: root-mean-square and mean absolute error, bias (mean of model minus label) and the largest, in the values' unit."""

    n: int
    rmse: float
    mae: float
    bias: float
    largest: float


def deviation(model: Floats, label: Floats) -> Deviation:
    """`model` and `label` have the same shape. Raises ValueError where there is nothing, or something is not finite."""
    if model.shape != label.shape or not model.size:
        raise ValueError(f"{model.shape} values of the model against {label.shape} labels")
    apart = (model - label).ravel()
    if not np.isfinite(apart).all():
        raise ValueError("a value is not finite")
    return Deviation(
        apart.size, float(np.sqrt(np.mean(apart**2))), float(np.mean(np.abs(apart))), float(np.mean(apart)), float(np.abs(apart).max())
    )


def drawn(model: Floats, label: Floats, limit: int) -> NDArray[np.integer]:
    """Indices, rising, of at most `limit` of n points (n,): a tenth are those farthest from the diagonal, the others spread evenly."""
    n = len(label)
    if n <= limit:
        return np.arange(n)
    worst = np.argsort(-np.abs(model - label), kind="stable")[: limit // 10]
    rest = np.setdiff1d(np.arange(n), worst)
    even = rest[np.linspace(0, len(rest) - 1, limit - len(worst)).astype(int)]
    return np.sort(np.concatenate([worst, even]))

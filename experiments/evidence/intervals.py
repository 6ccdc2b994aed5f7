"""The mean of paired differences, with a bootstrap interval that keeps the folds as they are."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import bootstrap

RESAMPLES = 9999
CONFIDENCE = 0.95


class Gain(NamedTuple):
    """Mean over folds of the mean over seeds; `low` and `high` are None where a fold has fewer than two pairs."""

    mean: float
    low: float | None
    high: float | None
    pairs: int
    won: int


def gain(folds: Sequence[Sequence[float]]) -> Gain:
    """The gain over all folds, each weighing as much as another.

    Seeds are drawn again within each fold, never across folds: the folds are the benchmark, not a sample of it. The
    interval is the percentile one, of draws that a fixed seed makes.

    Args:
        folds: for each fold the differences of its pairs, a pair sharing fold and seed.

    >>> gain([[1.0, 3.0], [5.0]])
    Gain(mean=3.5, low=None, high=None, pairs=3, won=3)
    """
    every = [value for fold in folds for value in fold]
    low = high = None
    if min(map(len, folds)) > 1:
        found = bootstrap(
            [np.asarray(fold, dtype=float) for fold in folds],
            _mean_of_means,
            confidence_level=CONFIDENCE,
            n_resamples=RESAMPLES,
            method="percentile",
            random_state=0,
        ).confidence_interval
        low, high = float(found.low), float(found.high)
    mean = float(_mean_of_means(*(np.asarray(fold, dtype=float) for fold in folds)))
    return Gain(mean, low, high, len(every), sum(value > 0 for value in every))


def _mean_of_means(*folds: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.mean([fold.mean(axis) for fold in folds], axis=0)

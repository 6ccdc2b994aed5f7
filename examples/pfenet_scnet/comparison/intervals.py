"""95 % intervals of paired differences: over the query pictures of one evaluation, and over seeds."""

from collections.abc import Sequence
from statistics import mean, stdev
from typing import NamedTuple

import numpy as np
from evaluation.metrics import Evaluation
from scipy.stats import bootstrap, t

RESAMPLES = 9999
CONFIDENCE = 0.95
# So many resamples are held at once.
HELD = 500


class Interval(NamedTuple):
    """A mean and its interval; `low` and `high` are None where there is too little to say anything."""

    mean: float
    low: float | None
    high: float | None
    count: int

    @property
    def verdict(self) -> int:
        """1 above 0, −1 below, 0 where the interval holds 0 or there is none."""
        if self.low is None or self.high is None:
            return 0
        return (self.low > 0) - (self.high < 0)


def over_seeds(differences: Sequence[float]) -> Interval:
    """Student's interval of the mean difference, each seed's pair being one draw.

    >>> over_seeds([1.0, 2.0, 3.0])._replace(low=0, high=0)
    Interval(mean=2.0, low=0, high=0, count=3)
    >>> [round(one, 2) for one in over_seeds([1.0, 2.0, 3.0])[1:3]]
    [-0.48, 4.48]
    """
    count, middle = len(differences), mean(differences)
    if count < 2:
        return Interval(middle, None, None, count)
    half = float(t.ppf((1 + CONFIDENCE) / 2, count - 1)) * stdev(differences) / count**0.5
    return Interval(middle, middle - half, middle + half, count)


def over_pictures(baseline: Evaluation, other: Evaluation) -> tuple[Interval, Interval]:
    """How far the difference in mIoU and in FB-IoU hangs on the query pictures: a percentile bootstrap.

    Query pictures are drawn again within each class, each with all its episodes, the same for both models; the classes
    stay, as they are the benchmark. Both evaluations must have the same episodes. Draws are seeded.
    """
    classes = list(_pixels_by_query(baseline, other).values())
    count = sum(map(len, classes))
    means = _differences(*(np.arange(len(one)) for one in classes), axis=-1, classes=classes)
    lows = highs = (None, None)
    if min(map(len, classes)) > 1:
        found = bootstrap(
            [np.arange(len(one)) for one in classes],
            lambda *drawn, axis: _differences(*drawn, axis=axis, classes=classes),
            n_resamples=RESAMPLES,
            batch=HELD,
            vectorized=True,
            confidence_level=CONFIDENCE,
            method="percentile",
            random_state=0,
        ).confidence_interval
        lows, highs = found.low.tolist(), found.high.tolist()
    miou, fb_iou = (Interval(float(m), low, high, count) for m, low, high in zip(means, lows, highs, strict=True))
    return miou, fb_iou


def _pixels_by_query(baseline: Evaluation, other: Evaluation) -> dict[int, np.ndarray]:
    """Class → pixels (query picture, model, truth, prediction), summed over a picture's episodes."""
    sums: dict[int, dict[int, np.ndarray]] = {}
    for one, two in zip(baseline.by_episode, other.by_episode, strict=True):
        if one.episode != two.episode:
            raise ValueError("other: expected the baseline's episodes, got others; evaluate both by one recipe")
        pixels = np.stack([one.pixels.numpy(), two.pixels.numpy()])
        queries = sums.setdefault(one.episode.novel_class, {})
        queries[one.episode.query] = queries.get(one.episode.query, 0) + pixels
    return {c: np.stack(list(queries.values())) for c, queries in sums.items()}


def _differences(*drawn: np.ndarray, axis: int, classes: list[np.ndarray]) -> np.ndarray:
    """Differences in percent, (measure, ...), of drawn query pictures: an array of places for each class."""
    pixels = np.stack([one[places].sum(places.ndim - 1) for one, places in zip(classes, drawn, strict=True)])
    each, whole = _iou(pixels), _iou(pixels.sum(0))
    scores = np.stack([np.nanmean(each[..., 1], axis=0), np.nanmean(whole, axis=-1)])
    return 100 * (scores[..., 1] - scores[..., 0])


def _iou(pixels: np.ndarray) -> np.ndarray:
    """Pixels (..., truth, prediction) → IoU of background and foreground, (..., 2)."""
    hit = np.diagonal(pixels, axis1=-2, axis2=-1)
    with np.errstate(invalid="ignore"):
        return hit / (pixels.sum(-1) + pixels.sum(-2) - hit)

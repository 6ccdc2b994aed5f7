"""The intervals against slow loops, and against numbers that were made up to give a known answer."""

import numpy as np
import pytest
import torch
from comparison.intervals import Interval, over_pictures, over_seeds
from data.episodes import Episode
from evaluation.metrics import Evaluation, FoldMeter, ScoredEpisode
from scipy.stats import ttest_1samp

CLASSES = [3, 7]


def evaluated(rows, classes=CLASSES):
    """An evaluation of episodes (class, query, pixels by truth and prediction)."""
    meter = FoldMeter(classes)
    scored = [ScoredEpisode(Episode(c, query, (99,)), torch.tensor(pixels)) for c, query, pixels in rows]
    for one in scored:
        meter.pixels[classes.index(one.episode.novel_class)] += one.pixels
    return Evaluation(meter.scores(), 10.0, 0, len(rows), "digest", tuple(scored))


def drawn(seed, better, queries=12, repeats=1):
    """Both models' episodes: each query `repeats` times, the second model right in `better` more pixels of it."""
    random = np.random.default_rng(seed)
    rows = ([], [])
    for c in CLASSES:
        for query in range(queries):
            size, hit = int(random.integers(200, 400)), int(random.integers(0, 150))
            gain = max(0, min(size, hit + better + int(random.integers(-20, 21))))
            for one, right in zip(rows, (hit, gain), strict=True):
                one.extend([(c, query, [[1000, 50], [size - right, right]])] * repeats)
    return [evaluated(one) for one in rows]


def slow_interval(baseline, other, measure):
    """Query pictures drawn again in loops, one draw after another."""
    random, found = np.random.default_rng(5), []
    for _ in range(1500):
        rows = ([], [])
        for c in CLASSES:
            queries = sorted({one.episode.query for one in baseline.by_episode if one.episode.novel_class == c})
            for query in random.choice(queries, len(queries)):
                for mine, evaluation in zip(rows, (baseline, other), strict=True):
                    mine.extend(
                        (c, query, one.pixels.tolist())
                        for one in evaluation.by_episode
                        if one.episode[:2] == (c, query)
                    )
        one, two = (evaluated(row).scores for row in rows)
        found.append(getattr(two, measure) - getattr(one, measure))
    return np.percentile(found, [2.5, 97.5])


def test_it_is_what_drawing_the_pictures_again_in_loops_gives():
    pair = drawn(0, better=30)
    for measure, interval in zip(("miou", "fb_iou"), over_pictures(*pair), strict=True):
        one, two = (getattr(evaluation.scores, measure) for evaluation in pair)
        assert interval.mean == pytest.approx(two - one) and interval.count == 24
        width = interval.high - interval.low
        assert np.allclose(slow_interval(*pair, measure), interval[1:3], atol=0.12 * width)


def test_an_interval_holds_nothing_where_there_is_a_difference_and_0_where_there_is_none():
    better, equal = (over_pictures(*drawn(1, better))[0] for better in (60, 0))
    assert better.verdict == 1 and equal.verdict == 0 and equal.low < 0 < equal.high
    assert over_pictures(*drawn(1, 60)[::-1])[0].verdict == -1
    assert over_pictures(*drawn(1, 60))[0] == better, "the draws are seeded"


def test_the_same_pictures_in_more_episodes_are_no_more_pictures():
    once, often = (over_pictures(*drawn(2, 30, repeats=repeats))[0] for repeats in (1, 9))
    assert often.count == once.count == 24 and np.allclose(often[:3], once[:3])


def test_a_class_with_one_picture_gives_no_interval():
    miou, fb_iou = over_pictures(*drawn(3, 30, queries=1))
    assert miou.mean > 0 and (miou.low, miou.high, miou.count, miou.verdict) == (None, None, 2, 0)
    assert fb_iou.low is None


def test_other_episodes_are_refused():
    one, _ = drawn(4, 0)
    rows = [(c, query + 1, [[5, 5], [5, 5]]) for c in CLASSES for query in range(12)]
    with pytest.raises(ValueError, match="expected the baseline's episodes, got others"):
        over_pictures(one, evaluated(rows))


def test_students_interval_is_scipys():
    values = [-1.5, 0.25, 2.0, 0.75, 1.0]
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    found = over_seeds(values)
    assert (found.mean, found.count, found.verdict) == (0.5, 5, 0)
    assert np.allclose([found.low, found.high], [expected.low, expected.high])
    assert over_seeds([3.0]) == Interval(3.0, None, None, 1)
    assert over_seeds([2.0, 2.0]) == Interval(2.0, 2.0, 2.0, 2) and over_seeds([2.0, 2.0]).verdict == 1

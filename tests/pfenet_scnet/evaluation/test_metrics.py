import numpy as np
import pytest
import torch
from evaluation.metrics import FoldMeter


def naive_scores(episodes, classes):
    """Intersections and unions pixel by pixel, as PROTOCOL.md words them."""
    sums = {(c, v): [0, 0] for c in classes for v in (0, 1)}
    for prediction, truth, c in episodes:
        for p, t in zip(prediction.ravel(), truth.ravel(), strict=True):
            if t == 255:
                continue
            for v in (0, 1):
                sums[c, v][0] += p == v and t == v
                sums[c, v][1] += p == v or t == v
    class_iou = {c: 100 * sums[c, 1][0] / sums[c, 1][1] for c in classes}
    both = [100 * sum(sums[c, v][0] for c in classes) / sum(sums[c, v][1] for c in classes) for v in (0, 1)]
    return sum(class_iou.values()) / len(classes), sum(both) / 2, class_iou


def test_agrees_with_counting_pixel_by_pixel():
    random = np.random.default_rng(0)
    episodes = [
        (random.integers(0, 2, (5, 7)), random.choice([0, 1, 255], (5, 7)), int(random.choice([3, 4])))
        for _ in range(9)
    ]
    meter = FoldMeter([3, 4])
    for prediction, truth, c in episodes:
        meter.update(torch.from_numpy(prediction), torch.from_numpy(truth), c)
    miou, fb_iou, class_iou = naive_scores(episodes, [3, 4])
    scores = meter.scores()
    assert scores.miou == pytest.approx(miou)
    assert scores.fb_iou == pytest.approx(fb_iou)
    assert scores.class_iou == pytest.approx(class_iou, abs=1e-3)


def test_sums_over_episodes_before_dividing():
    meter = FoldMeter([1])
    meter.update(torch.tensor([[1, 1, 1, 1]]), torch.tensor([[1, 1, 1, 1]]), 1)
    meter.update(torch.tensor([[1, 0, 0, 0]]), torch.tensor([[0, 1, 0, 0]]), 1)
    # A mean of the two images' IoUs would be 50.
    assert meter.scores().miou == pytest.approx(100 * 4 / 6)


def test_unlabelled_pixels_count_nowhere():
    meter = FoldMeter([1])
    meter.update(torch.tensor([[1, 1, 0]]), torch.tensor([[1, 255, 255]]), 1)
    assert meter.scores().miou == 100


def test_a_class_that_was_not_seen_stays_out_of_the_mean():
    meter = FoldMeter([1, 2])
    meter.update(torch.tensor([[1, 0]]), torch.tensor([[1, 1]]), 1)
    scores = meter.scores()
    assert scores.miou == 50 and scores.class_iou == {1: 50.0, 2: None}


def test_calling_every_pixel_foreground():
    meter = FoldMeter([1, 2])
    meter.update(torch.tensor([[1, 0, 0, 0]]), torch.tensor([[0, 1, 0, 255]]), 1)
    meter.update(torch.tensor([[1, 0]]) > 0, torch.tensor([[1, 0]], dtype=torch.uint8), 2)
    assert meter.every_pixel_foreground() == pytest.approx((100 / 3 + 50) / 2)


def test_refuses_unlike_sizes_and_an_empty_meter():
    meter = FoldMeter([1])
    with pytest.raises(ValueError, match="prediction: expected the truth's shape"):
        meter.update(torch.zeros(2, 2), torch.zeros(3, 3), 1)
    with pytest.raises(ValueError, match="at least one episode"):
        meter.scores()

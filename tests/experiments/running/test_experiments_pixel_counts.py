"""Counted by kind, the pixels give the very scores of the example's own meter."""

import pytest
import torch
from evaluation.metrics import FoldMeter
from running.pixel_counts import Counts


def test_scores_are_the_meters():
    counts, meter = Counts([6, 7, 8], [6, 7, 8]), FoldMeter([6, 7, 8])
    generator = torch.Generator().manual_seed(0)
    for target in (6, 7, 6, 8):
        labels = torch.tensor([0, 3, 6, 7, 8, 255], dtype=torch.uint8)[torch.randint(6, (30, 40), generator=generator)]
        prediction = torch.randint(2, (30, 40), generator=generator)
        counts.update(prediction, labels, target)
        meter.update(prediction, torch.where(labels == 255, 255, (labels == target).long()), target)
    found, expected = counts.report(["bus", "car", "cat"]), meter.scores()
    assert torch.equal(counts.meter().pixels, meter.pixels)
    assert (found["miou"], found["fb_iou"]) == (expected.miou, expected.fb_iou)
    assert list(found["class_iou"].values()) == list(expected.class_iou.values())
    assert found["false_positives"] == meter.pixels[:, 0, 1].sum()
    assert found["false_negatives"] == meter.pixels[:, 1, 0].sum()


def test_mistakes_by_what_lies_there():
    counts = Counts([6, 7], [6, 7])
    labels = torch.tensor([[0, 0, 3, 7, 6, 6, 6, 6, 255]], dtype=torch.uint8)
    counts.update(torch.tensor([[1, 0, 1, 1, 1, 0, 0, 0, 1]]), labels, 6)
    counts.update(torch.tensor([[0, 1]]), torch.tensor([[7, 6]], dtype=torch.uint8), 7)
    found = counts.report(["bus", "car"])
    assert found["pixels"]["bus"] == {"background": [1, 1], "base": [0, 1], "novel": [0, 1], "target": [3, 1]}
    assert found["pixels"]["car"] == {"background": [0, 0], "base": [0, 0], "novel": [0, 1], "target": [1, 0]}
    assert found["target_called_background_percent"] == pytest.approx(80)
    assert (found["false_positives"], found["false_negatives"]) == (4, 4)

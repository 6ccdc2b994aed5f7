"""Means and spreads by hand; what stands beside a number."""

from pathlib import Path

import pytest
from data.image_list import ImageList, Item
from evaluation.metrics import Evaluation, FoldScores
from recipe import Recipe
from reporting.report import report

IMAGES = ImageList((Item(Path("0.jpg"), Path("0.png"), {}),))


def evaluation(seed, miou, aeroplane, bicycle):
    return Evaluation(FoldScores(miou, 60.0 + seed, {1: aeroplane, 2: bicycle}), 10.0, seed, 1000, f"digest{seed}")


def test_means_and_sample_spreads_over_the_seeds(capsys):
    seeds = [evaluation(1, 40.0, 30.0, 50.0), evaluation(2, 44.0, 36.0, None), evaluation(3, 48.0, 42.0, 54.0)]
    result = report(Recipe(fold=0), seeds, IMAGES)
    # 40, 44, 48: deviations -4, 0, 4, so the sample variance is 32 / 2.
    assert result["miou"] == 44 and result["miou_spread"] == pytest.approx(4)
    assert result["fb_iou"] == 62 and result["fb_iou_spread"] == pytest.approx(1)
    assert result["class_iou"] == {"aeroplane": 36, "bicycle": 52}, "a seed that never showed a class has no say in it"
    assert result["seeds"] == {s: {"miou": 36.0 + 4 * s, "fb_iou": 60.0 + s} for s in (1, 2, 3)}
    printed = capsys.readouterr().out
    assert "aeroplane    36.0 ± 6.0" in printed and "mIoU    44.0 ± 4.0   (every pixel foreground: 10.0)" in printed
    assert all(f"seed {s}: 1000 episodes digest{s}" in printed for s in (1, 2, 3))


def test_one_seed_has_no_spread_and_an_unseen_class_no_number(capsys):
    result = report(Recipe(fold=0, protocol="bam", weight=0.0), [evaluation(5, 40.0, 40.0, None)], IMAGES)
    assert result["miou_spread"] is None and result["class_iou"]["bicycle"] is None
    printed = capsys.readouterr().out
    assert "±" not in printed and "bicycle   no pixel seen" in printed
    assert "PFENet baseline, novel=keep, checkpoint selected by last: fold 0, 1-shot, protocol bam" in printed


def test_weights_from_elsewhere_are_not_called_a_run_of_this_recipe(capsys):
    result = report(Recipe(fold=0), [evaluation(5, 40.0, 40.0, 40.0)], IMAGES, "published.pth")
    assert result["weights"] == "published.pth" and "published.pth: fold 0" in capsys.readouterr().out

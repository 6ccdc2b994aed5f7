"""Curves are those of counting anew at every offset, and the share at equal recall that of sorted margins."""

import math

import pytest
import torch
from evaluation.margin_counts import KINDS, OFFSETS, RECALLS, MarginCounts, best_offset
from evaluation.metrics import FoldMeter

CLASSES, NOVEL = [6, 7], [6, 7, 8]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def episodes():
    """Margins (N, H, W), labels and targets; some margins are an offset itself or just beside it, some lie far out."""
    torch.manual_seed(0)
    labels = torch.tensor([0, 3, 6, 7, 8, 255])[torch.randint(6, (9, 20, 20))].to(torch.uint8)
    targets = torch.tensor([6, 7])[torch.arange(9) % 2]
    margins = 2 * torch.randn(9, 20, 20) + (labels == targets[:, None, None])
    exact = torch.tensor(OFFSETS)
    beside = torch.cat([exact, torch.nextafter(exact, exact + 1), torch.nextafter(exact, exact - 1)])
    margins[0].view(-1)[: len(beside)] = beside
    margins[1, 1, :4] = torch.tensor([50.0, -50.0, math.inf, -math.inf])
    return margins, labels, targets


@pytest.fixture(scope="module")
def counts(episodes):
    margins, labels, targets = episodes
    counts = MarginCounts(CLASSES, NOVEL, CPU)
    for part in (slice(0, 4), slice(4, 9)):
        counts.add(margins[part], labels[part], targets[part])
    return counts


@pytest.fixture(scope="module")
def curves(counts):
    return counts.curves()


def kinds_of(labels, target):
    """A mask of each of `KINDS`."""
    novel = (labels == 6) | (labels == 7) | (labels == 8)
    return dict(zip(KINDS, (labels == 0, labels == 3, novel & (labels != target), labels == target), strict=True))


@pytest.mark.parametrize("place", range(len(OFFSETS)))
def test_a_curve_is_counted_anew_at_each_offset(episodes, counts, curves, place):
    meter, called, pixels = FoldMeter(CLASSES), dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0)
    for margin, labels, target in zip(*episodes, strict=True):
        foreground = margin > OFFSETS[place]
        truth = torch.where(labels == 255, 255, (labels == target).to(torch.uint8))
        meter.update(foreground, truth, int(target))
        for kind, there in kinds_of(labels, target).items():
            pixels[kind] += int(there.sum())
            called[kind] += int((there & foreground).sum())
    # To the pixel: nothing is rounded at an offset.
    assert torch.equal(counts.meter(OFFSETS[place]).pixels, meter.pixels)
    scores = meter.scores()
    assert (curves["miou"][place], curves["fb_iou"][place]) == (scores.miou, scores.fb_iou)
    for kind in KINDS:
        name = "target_found" if kind == "target" else f"{kind}_called"
        assert curves[name][place] == pytest.approx(100 * called[kind] / pixels[kind])


@pytest.mark.parametrize("recall", RECALLS)
def test_base_objects_are_counted_where_so_much_of_the_target_is_found(episodes, curves, recall):
    margins, labels, targets = episodes
    target = margins[labels == targets[:, None, None]]
    threshold = target.quantile(1 - recall / 100)
    expected = 100 * (margins[labels == 3] > threshold).float().mean()
    assert curves["base_called_at_recall"][str(recall)] == pytest.approx(expected.item(), abs=1.5)


def test_a_shift_of_all_margins_moves_the_curve_and_buys_nothing_at_equal_recall(episodes, curves):
    margins, labels, targets = episodes
    inside = margins.clamp(-9, 9)
    shifted, same = MarginCounts(CLASSES, NOVEL, CPU), MarginCounts(CLASSES, NOVEL, CPU)
    shifted.add(inside + 0.5, labels, targets)
    same.add(inside, labels, targets)
    one, other = same.curves(), shifted.curves()
    assert other["miou"][2:] == pytest.approx(one["miou"][:-2], abs=0.2) and other["miou"] != one["miou"]
    for recall in RECALLS:
        assert other["base_called_at_recall"][str(recall)] == pytest.approx(
            one["base_called_at_recall"][str(recall)], abs=0.5
        )


def test_a_recall_that_no_threshold_gives_has_no_share():
    counts = MarginCounts([6], [6], CPU)
    counts.add(torch.tensor([[[-50.0, 1.0]]]), torch.tensor([[[6, 3]]]), torch.tensor([6]))
    assert counts.curves()["base_called_at_recall"] == {"50": None, "60": None, "70": None}


def test_without_an_object_of_a_base_class_there_is_no_share_of_them():
    counts = MarginCounts([6], [6], CPU)
    counts.add(torch.linspace(-3, 3, 40)[None, None], torch.full((1, 1, 40), 6), torch.tensor([6]))
    curves = counts.curves()
    assert set(curves["base_called_at_recall"].values()) == {None} and curves["base_called"] == [0.0] * len(OFFSETS)


def test_a_margin_that_is_no_number_is_never_foreground():
    counts = MarginCounts([6], [6], CPU)
    counts.add(torch.tensor([[[math.nan, 1.0]]]), torch.tensor([[[6, 6]]]), torch.tensor([6]))
    assert counts.curves()["target_found"][0] == 50


def test_the_best_offset_of_a_peak_and_of_a_plateau():
    scores = [0.0] * len(OFFSETS)
    assert best_offset(scores) == 0
    assert best_offset([*scores[:-1], 5.0]) == OFFSETS[-1]

"""Means over seeds, and the scores at the offset that base classes chose."""

import pytest
from evaluation.margin_counts import OFFSETS
from evaluation.metrics import Evaluation, FoldScores
from reporting.threshold_free import at_chosen_offset, over_offsets, recall_line

COUNT, ZERO = len(OFFSETS), OFFSETS.index(0)


def evaluation(curves):
    return Evaluation(FoldScores(0.0, 0.0, {}), 0.0, 3, 9, "digest", (), None, curves)


def curves(miou, at_60=20.0):
    return {
        "miou": [miou] * COUNT,
        "fb_iou": [2 * miou] * COUNT,
        "base_called_at_recall": {"50": 1.0, "60": at_60, "70": 9.0},
    }


def test_curves_are_means_over_the_seeds():
    seeds = [evaluation({"own": curves(40.0), "other class": curves(30.0)}) for _ in range(2)]
    seeds[1] = evaluation({"own": curves(50.0, None), "other class": curves(36.0)})
    found = over_offsets(seeds)
    assert found["offset"] == list(OFFSETS) and found["miou"] == [45.0] * COUNT and found["fb_iou"] == [90.0] * COUNT
    assert found["support_reliance"] == [12.0] * COUNT
    # A recall that one seed has at no threshold has no mean.
    assert found["base_called_at_recall"] == {"50": 1.0, "60": None, "70": 9.0}
    assert recall_line(found["base_called_at_recall"]) == "1.0, –, 9.0 % where 50, 60, 70 % of the targets are found"


def test_without_another_class_there_is_no_reliance_and_without_margins_nothing():
    assert over_offsets([evaluation({"own": curves(40.0)})])["support_reliance"] is None
    assert over_offsets([evaluation({})]) is None


@pytest.mark.parametrize("place", [3, ZERO])
def test_base_classes_choose_where_the_scores_are_read(place):
    peak = curves(10.0)
    peak["miou"][place] = 60.0
    novel = curves(0.0) | {"miou": list(map(float, range(COUNT)))}
    chosen = at_chosen_offset(over_offsets([evaluation({"own": novel})]), evaluation({"own": peak}))
    assert chosen["offset"] == OFFSETS[place] and chosen["miou"] == place and chosen["base_miou"] == 60
    assert chosen["support_reliance"] is None
    assert (chosen["base_episodes"], chosen["base_episodes_digest"]) == (9, "digest")

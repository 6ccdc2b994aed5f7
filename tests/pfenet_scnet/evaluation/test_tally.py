import torch
from data.episodes import Episode
from evaluation.margin_counts import OFFSETS
from evaluation.metrics import Reliance
from evaluation.support_reliance import EMPTY, EVERY, OTHER_CLASS, OWN
from evaluation.tally import Tally

LABELS = torch.tensor([[4, 4, 0, 9, 255]], dtype=torch.uint8)
# The last pixel is unlabelled and counts nowhere.
MARGINS = {OWN: [[2, 1, -1, -2, 5]], OTHER_CLASS: [[1, 0, 0, 0, 0]], EMPTY: [[1, 1, 1, 1, 1]]}


def counted(*kinds):
    tally = Tally([4], [4, 5], kinds)
    tally.update(Episode(4, 0, (1,)), {kind: torch.tensor(MARGINS[kind]).float() for kind in kinds}, LABELS)
    return tally.evaluation(7, "digest")


def test_each_kind_of_supports_has_its_own_counts():
    evaluation = counted(*EVERY)
    assert evaluation.scores.miou == 100 and evaluation.reliance == Reliance(50, 50) and evaluation.chance == 50
    assert (evaluation.seed, evaluation.episodes, evaluation.digest) == (7, 1, "digest")
    # What is noted of an episode is the answer to its own supports.
    assert evaluation.by_episode[0].pixels.tolist() == [[2, 0], [0, 2]]


def test_the_curves_go_on_where_the_scores_are_those_of_offset_0():
    evaluation = counted(*EVERY)
    miou = {kind: dict(zip(OFFSETS, curves["miou"], strict=True)) for kind, curves in evaluation.curves.items()}
    assert miou[OWN][0] == evaluation.scores.miou and miou[OTHER_CLASS][0] == evaluation.reliance.other_class
    # Above 1 only one target pixel is left; below −2 all pixels are found.
    assert miou[OWN][1.5] == 50 and miou[OWN][-2.25] == 50 and miou[EMPTY][1] == 0
    assert evaluation.curves[OWN]["base_called"][OFFSETS.index(-2.25)] == 100


def test_what_was_not_asked_is_none():
    assert counted(OWN).reliance is None
    assert counted(OWN, EMPTY).reliance == Reliance(None, 50)

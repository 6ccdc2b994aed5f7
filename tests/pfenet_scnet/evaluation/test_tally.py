import torch
from data.episodes import Episode
from evaluation.metrics import Reliance
from evaluation.support_reliance import EMPTY, EVERY, OTHER_CLASS, OWN
from evaluation.tally import Tally

TRUTH = torch.tensor([[1, 1, 0, 0]])
ANSWERS = {OWN: [[1, 1, 0, 0]], OTHER_CLASS: [[1, 0, 0, 0]], EMPTY: [[1, 1, 1, 1]]}


def counted(*kinds):
    tally = Tally([4], kinds)
    tally.update(Episode(4, 0, (1,)), {kind: torch.tensor(ANSWERS[kind]) for kind in kinds}, TRUTH)
    return tally.evaluation(7, "digest")


def test_each_kind_of_supports_has_its_own_counts():
    evaluation = counted(*EVERY)
    assert evaluation.scores.miou == 100 and evaluation.reliance == Reliance(50, 50) and evaluation.chance == 50
    assert (evaluation.seed, evaluation.episodes, evaluation.digest) == (7, 1, "digest")
    # What is noted of an episode is the answer to its own supports.
    assert evaluation.by_episode[0].pixels.tolist() == [[2, 0], [0, 2]]


def test_what_was_not_asked_is_none():
    assert counted(OWN).reliance is None
    assert counted(OWN, EMPTY).reliance == Reliance(None, 50)

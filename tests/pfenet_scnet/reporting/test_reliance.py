from evaluation.metrics import Evaluation, FoldScores, Reliance
from reporting.reliance import reliance_line, reliance_of


def evaluation(seed, miou, other_class, empty):
    return Evaluation(FoldScores(miou, 60.0, {1: miou}), 10.0, seed, 9, "d", (), Reliance(other_class, empty))


def test_differences_are_taken_within_a_seed():
    found = reliance_of([evaluation(1, 40.0, 30.0, 8.0), evaluation(2, 50.0, 36.0, 8.0)])
    assert found["over_other_class"] == 12 and found["other_class_miou"] == 33
    assert found["over_other_class_spread"] == 8**0.5 and found["over_empty"] == 37 and found["empty_miou"] == 8
    assert reliance_line(found) == " 12.0 ± 2.8   (mIoU 33.0 with supports of another class, 8.0 with empty supports)"


def test_what_is_not_there_is_said():
    found = reliance_of([evaluation(1, 40.0, None, 8.0)])
    assert found["over_other_class"] is None and found["over_empty"] == 32 and found["over_empty_spread"] is None
    assert reliance_line(found).startswith("none: there is no other class to take supports from")
    assert reliance_of([evaluation(1, 40.0, 9.0, 8.0)._replace(reliance=None)]) is None

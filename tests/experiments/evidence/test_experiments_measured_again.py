"""What is read off the yardstick's lines: at which offset, against which supports, on which classes; and the tables."""

import pytest
from evaluation.margin_counts import OFFSETS
from evidence.measured_again import lines_of, measured_again
from evidence.yardstick_tables import draw_yardstick, yardstick_block
from grid.studies import STUDIES, UNTRAINED
from running.answers import PROTOTYPES


def curves(miou, at=0.0, elsewhere=10.0):
    """mIoU `miou` at one offset, `elsewhere` at all others."""
    values = [miou if offset == at else elsewhere for offset in OFFSETS]
    recalls = {"50": miou / 2, "60": miou / 2 + 1, "70": None}
    return {"miou": values, "fb_iou": [one + 1 for one in values], "base_called_at_recall": recalls}


def line(miou, other=None, offset=0.0, judged="novel", answers=0.5):
    shown = {"own": curves(miou, offset), "other_class": curves(miou - 4 if other is None else other, offset)}
    everything = shown | {"empty": curves(5.0, offset), "own_5": curves(miou + 2, offset)}
    answered = answers and {kind: {"background": answers, "foreground": None} for kind in PROTOTYPES}
    return {"novel": everything if judged == "novel" else None, "base": shown, "offset": offset, "answers": answered}


def pairs(gain, **changes):
    """Of the main study, SCNet ahead by `gain` in each pair."""
    return {key: line(30.0 + gain * (key[0] == "SCNet"), **changes) for key in STUDIES["main"].cells()}


def value(rows, arm, measure):
    (row,) = (row for row in rows if row["arm"] == arm and row["measure"] == measure)
    return row["all"]["mean"] if isinstance(row["all"], dict) else row["all"]


def test_scores_are_read_at_the_offset_that_the_cell_chose_and_at_0():
    report = measured_again(STUDIES["main"], pairs(3.0, offset=-0.5))
    assert value(report["scores"], "PFENet", "mIoU at 0") == 10
    assert value(report["scores"], "PFENet", "mIoU at the base-chosen offset") == 30
    assert value(report["scores"], "SCNet", "FB-IoU at the base-chosen offset") == 34
    assert value(report["scores"], "SCNet", "5-shot mIoU at the base-chosen offset") == 35
    assert value(report["gains"], "SCNet", "mIoU at the base-chosen offset") == pytest.approx(3)
    assert value(report["gains"], "SCNet", "mIoU at 0") == 0
    assert report["offsets"] == {"PFENet": [-0.5] * 20, "SCNet": [-0.5] * 20}


def test_reliance_is_what_another_support_loses():
    report = measured_again(STUDIES["main"], pairs(0.0, other=21.0))
    assert value(report["scores"], "PFENet", "support reliance at the base-chosen offset") == 9
    assert value(report["scores"], "PFENet", "mIoU lost with an empty support") == 25


def test_a_recall_that_was_never_reached_is_left_out():
    report = measured_again(STUDIES["main"], pairs(0.0))
    assert value(report["scores"], "PFENet", "base objects called foreground at 60 % recall") == 16
    assert not [row for row in report["scores"] if "70 % recall" in row["measure"]]


def test_a_study_on_base_classes_is_judged_there():
    lines = {key: line(40.0, judged="base") for key in STUDIES["regime"].cells()}
    report = measured_again(STUDIES["regime"], lines)
    assert report["judged"] == "base" and value(report["scores"], "3200 steps", "mIoU at 0") == 40
    assert not [row for row in report["scores"] if "empty" in row["measure"] or "5-shot" in row["measure"]]


def test_the_untrained_stand_beside_the_arms_and_in_no_gain():
    untrained = {key: line(20.0, answers=None) for key in UNTRAINED.cells()}
    report = measured_again(STUDIES["main"], pairs(1.0), untrained)
    assert value(report["scores"], "Untrained cosine", "mIoU at 0") == 20
    assert {row["arm"] for row in report["gains"]} == {"SCNet"} and set(report["answers"]) == {"PFENet", "SCNet"}
    assert measured_again(STUDIES["main"], {}, untrained)["scores"] == []


def test_lines_are_found_by_their_cells():
    cells = STUDIES["main"].cells()
    key = ("SCNet", 1, 3)
    assert lines_of(STUDIES["main"], {cells[key].digest: {"it": 1}, "another": {"it": 2}}) == {key: {"it": 1}}


def test_the_tables_and_the_figure(tmp_path):
    report = measured_again(STUDIES["main"], pairs(1.5))
    text = yardstick_block(report, "main.png")
    assert text.startswith("40 of 40 cells were read, on novel classes.")
    assert "| SCNet − PFENet | mIoU at 0 | +1.5 [+1.5, +1.5] |" in text and "| SCNet | 0.50 / – |" in text
    draw_yardstick(report, tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_line_nothing_is_claimed():
    assert yardstick_block(measured_again(STUDIES["main"], {}), None) == "not run yet"

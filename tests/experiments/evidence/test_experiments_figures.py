"""What a figure shows, read back from its axes: a point an arm, and a line through those alone that are a curve."""

import math

import pytest
from evidence.figures import draw_gains
from matplotlib import pyplot

MEANS = {"n = 1": 1.0, "n = 2": 3.0, "apart": -2.0}


def gain(arm, mean, shot="1"):
    each = {"mean": mean, "low": mean - 1, "high": mean + 1}
    folds = {str(fold): {"mean": mean + fold} for fold in range(4)}
    return {"arm": arm, "shot": shot, "measure": "miou", "all": each, "folds": folds}


@pytest.fixture
def axes(tmp_path, monkeypatch):
    """The panels of a report in which one arm was evaluated 5-shot too, and the paper has the curve."""
    paper = [{"arm": arm, "gain": mean + 1, "fold_gains": [mean] * 4} for arm, mean in MEANS.items() if arm != "apart"]
    gains = [gain("n = 1", 9.0, "5"), *(gain(arm, mean) for arm, mean in MEANS.items())]
    report = {"gains": gains, "paper": paper, "curve": ["n = 1", "n = 2"], "missing": {}}
    seen = []
    monkeypatch.setattr(pyplot, "close", seen.append)
    draw_gains(report, tmp_path / "figure.png")
    monkeypatch.undo()
    (figure,) = seen
    yield {one.get_title(): one for one in figure.axes}
    pyplot.close(figure)


def lines(panel, marker):
    """Values of the black lines with that marker."""
    found = [line for line in panel.lines if line.get_color() == "black" and line.get_marker() == marker]
    return [list(line.get_ydata()) for line in found]


def test_each_panel_has_the_points_of_its_shots(axes):
    assert list(axes) == ["ours, 5-shot", "ours, 1-shot", "the paper, ResNet-50, 1-shot"]
    for title, means in (("ours, 5-shot", [9.0]), ("ours, 1-shot", [1.0, 3.0, -2.0])):
        assert lines(axes[title], "o") == [means]
        assert [label.get_text() for label in axes[title].get_xticklabels()] == list(MEANS)[: len(means)]


def test_a_line_joins_the_curve_and_nothing_else(axes):
    (ours,) = lines(axes["ours, 1-shot"], "None")
    assert ours[:2] == [1.0, 3.0] and math.isnan(ours[2])
    assert lines(axes["the paper, ResNet-50, 1-shot"], "None") == [[2.0, 4.0]]

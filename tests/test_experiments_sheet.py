"""Which episodes a sheet shows is a rule's choice, and what stands on it comes from the runs' own weights."""

import json

import pytest
import sheet
import torch
from matplotlib.image import imread
from tiny_cells import tiny, tiny_places
from trial import run_cell


def test_episodes_are_those_at_the_quantiles_of_the_difference():
    episodes = list("abcdefghijk")
    baseline = [50.0] * 11
    scnet = [50 + difference for difference in (3, -9, 0, 1, 8, -2, 5, -4, 9, 7, -7)]
    shown = sheet.chosen(episodes, baseline, scnet)
    assert [one.quantile for one in shown] == list(sheet.QUANTILES)
    # Sorted: b k h f c d a g j e i.
    assert [one.episode for one in shown] == ["b", "b", "h", "d", "j", "i", "i"]
    assert (shown[0].baseline, shown[0].scnet) == (50, 41)


def test_of_equal_differences_the_earlier_episode_comes_first():
    shown = sheet.chosen(list("abc"), [1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert shown[0].episode == "a" and shown[-1].episode == "c"


@pytest.mark.parametrize(
    ("prediction", "labels", "expected"),
    [
        ([True, True, False, True], [3, 0, 3, 255], 100 / 3),
        ([False, False], [0, 5], 100.0),
        ([True, False], [5, 3], 0.0),
    ],
)
def test_iou_of_the_target_over_labelled_pixels(prediction, labels, expected):
    assert sheet.iou(torch.tensor(prediction), torch.tensor(labels), 3) == pytest.approx(expected)


def test_the_sheet_of_two_runs(tmp_path, monkeypatch):
    places = tiny_places(tmp_path)
    arms = {"PFENet": tiny(weight=0.0), "SCNet": tiny()}
    for cell in arms.values():
        run_cell(cell, places)

    class Main:
        @staticmethod
        def cells():
            return {(arm, 0, 0): cell for arm, cell in arms.items()}

    monkeypatch.setattr(sheet, "STUDIES", {"main": Main})
    monkeypatch.setattr(sheet, "EPISODES", {"1": 6})
    sheet.main(["--folds", "0", "--work", str(places.work), "--results", str(places.results)])
    (report,) = json.loads((places.results / "sheets.json").read_text())["sheets"]
    assert (report["fold"], report["seed"], report["episodes"]) == (0, 0, 6)
    assert len(report["shown"]) == len(sheet.QUANTILES)
    differences = [one["scnet"] - one["baseline"] for one in report["shown"]]
    assert differences == sorted(differences)
    stored = json.loads(places.result(arms["SCNet"]).read_text())["evaluations"]["1"]
    assert report["episodes_digest"] == stored["episodes_digest"]
    assert imread(places.work / "sheet_fold0.png").std() > 0.05

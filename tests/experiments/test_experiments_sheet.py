"""Which episodes a sheet shows is a rule's choice, and what stands on it comes from the runs' own weights."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import sheet
import torch
from data.synthetic import DRAWING
from matplotlib.image import imread
from running.trial import run_cell
from tiny_cells import SCENES, tiny, tiny_folders


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


@pytest.mark.parametrize("data", [DRAWING, "photographs"])
def test_the_sheet_of_two_runs(data, tmp_path, monkeypatch):
    folders = tiny_folders(tmp_path)
    scenes = folders.work / SCENES
    folders = replace(folders, photographs=scenes)
    arms = {"PFENet": tiny(data=data, weight=0.0), "SCNet": tiny(data=data)}
    for cell in arms.values():
        run_cell(cell, folders)
    cells = {(arm, 0, 0): cell for arm, cell in arms.items()}
    study = SimpleNamespace(compared={"SCNet": "PFENet"}, cells=lambda: cells)
    monkeypatch.setattr(sheet, "STUDIES", {"main": study})
    monkeypatch.setattr(sheet, "EPISODES", {"1": 6})
    options = {"--data": scenes, "--work": folders.work, "--results": folders.results}
    sheet.main(["--folds", "0", *(str(word) for option in options.items() for word in option)])
    (report,) = json.loads((folders.results / "sheet_main.json").read_text())["sheets"]
    assert (report["arms"], report["fold"], report["seed"], report["episodes"]) == (["PFENet", "SCNet"], 0, 0, 6)
    assert len(report["shown"]) == len(sheet.QUANTILES)
    differences = [one["scnet"] - one["baseline"] for one in report["shown"]]
    assert differences == sorted(differences)
    stored = folders.result(arms["SCNet"])["evaluations"]["1"]
    assert report["episodes_digest"] == stored["episodes_digest"]
    # Photographs leave the work folder by nobody's oversight.
    folder, other = (folders.results, folders.work) if data == DRAWING else (folders.work, folders.results)
    assert imread(folder / "sheet_main_fold0.jpg").std() > 0.05 and not list(other.glob("*.jpg"))


def test_an_arm_that_is_compared_with_none_ends_with_those_that_are():
    with pytest.raises(ValueError, match=r"'SCNet, 25 % hidden'.* for dose, got 'SCNet'"):
        sheet.main(["--study", "dose", "--arm", "SCNet"])

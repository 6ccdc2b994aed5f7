import csv
from dataclasses import fields, replace

import pytest
from recipe import Recipe, read_recipe
from reporting.paper import CELLS, SETTINGS, compare, departures, paper_cell, say


@pytest.fixture
def recipe():
    return read_recipe(["--recipe", "pascal_resnet50", "--fold", "2"])


def rows():
    with CELLS.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_cells_are_the_papers():
    assert len(rows()) == 20
    for row in rows():
        folds = [float(row[f"fold{f}"]) for f in range(4)]
        assert sum(folds) / 4 == pytest.approx(float(row["mean"]), abs=0.1), row


@pytest.mark.parametrize(
    ("changes", "cell"),
    [
        ({}, 61.1),
        ({"weight": 0.0}, 55.4),
        ({"shot": 5}, 68.4),
        ({"fold": 0, "backbone": "vgg16_bn"}, 58.0),
        ({"benchmark": "COCO-20i"}, 37.2),
        ({"benchmark": "COCO-20i", "weight": 0.0}, None),
        ({"shot": 3}, None),
    ],
)
def test_finds_the_cell(recipe, changes, cell):
    assert paper_cell(replace(recipe, **changes)) == cell


def test_the_settings_are_fields_of_a_recipe():
    names = {field.name for field in fields(Recipe)}
    assert all(one.name in names for settings in SETTINGS.values() for one in settings)


def test_only_true_departures_are_listed(recipe):
    usual = departures(recipe, 5953)
    assert [one.split(" is ")[0] for one in usual[:3]] == ["learning_rate", "live_statistics", "select"]
    faithful = replace(recipe, learning_rate=0.0025, live_statistics=True, select="novel", backbone_weights="its.pth")
    assert departures(faithful, 5953) == [usual[-1]], "the episodes of the evaluation never are the published ones"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"novel": "drop"}, "novel is drop; PFENet's code, on which the paper builds, has keep"),
        ({"precision": "bf16-mixed"}, "precision is bf16-mixed"),
        ({"batch": 8}, "batch is 8; the paper says 4"),
        ({"scales": [30, 15]}, "scales is [30, 15]"),
        ({"weight": 0.3}, "weight is 0.3"),
        ({"shot": 5}, "training episodes have one support"),
    ],
)
def test_names_each_departure(recipe, changes, sentence):
    new = set(departures(replace(recipe, **changes), 5953)) - set(departures(recipe, 5953))
    assert len(new) == 1 and sentence in new.pop()


def test_a_shorter_list_is_a_departure(recipe):
    assert "the training list holds 3498 images; PFENet's 5953" in departures(recipe, 3498)


def test_prints_the_difference(recipe, capsys):
    comparison = compare(recipe, 60.0, 5953)
    assert (comparison.method, comparison.paper_miou, comparison.difference) == ("SCNet", 61.1, -1.1)
    say(recipe, 60.0, comparison)
    assert "mIoU 60.0, the paper 61.1, difference -1.1" in capsys.readouterr().out
    say(recipe, 60.0, compare(replace(recipe, shot=2), 60.0, 5953))
    assert "the paper prints no such cell" in capsys.readouterr().out

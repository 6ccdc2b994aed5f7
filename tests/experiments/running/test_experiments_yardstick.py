"""What is read off kept weights is what training noted, and what the example's evaluation finds."""

import json
from dataclasses import asdict, replace

import pytest
from evaluation.evaluator import episodes_of, evaluate
from evaluation.margin_counts import OFFSETS, RECALLS, best_offset
from evaluation.support_reliance import EVERY, OTHER_CLASS, OWN
from grid.cell_store import READ, file_of
from run_folder.weights import load_weights
from running.answers import PROTOTYPES
from running.kept_features import KeptFeatures
from running.trial import features_of, run_cell
from running.yardstick import curves_of, line_of, read_cell
from tiny_cells import tiny, tiny_folders

ZERO = OFFSETS.index(0)
CELL, ON_BASE = tiny(), tiny(classes="base", episodes={"1": 4}, weight=0.0)
COSINES = tiny(steps=0, host="Untrained cosine", weight=0.0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return tiny_folders(tmp_path_factory.mktemp("experiments"))


@pytest.fixture(scope="module")
def lines(folders):
    for cell in (CELL, ON_BASE):
        run_cell(cell, folders)
    for cell in (CELL, ON_BASE, COSINES):
        read_cell(cell, folders)
    return [folders.result(cell, READ) for cell in (CELL, ON_BASE, COSINES)]


@pytest.fixture(scope="module")
def trained(folders, lines):
    recipe = replace(folders.recipe(CELL), episodes=CELL.episodes["1"])
    model = recipe.build_model()
    load_weights(folders.run(CELL) / "run", model)
    return model, recipe


def test_the_scores_at_0_are_those_that_training_noted(folders, lines):
    line, noted = lines[0], folders.result(CELL)["evaluations"]["1"]
    assert line["cell"] == json.loads(json.dumps(asdict(CELL))) and line["digest"] == CELL.digest
    assert line["episodes_digest"] == noted["episodes_digest"]
    own = line["novel"]["own"]
    # Not to the last digit: other batches go through the head.
    assert own["miou"][ZERO] == pytest.approx(noted["miou"], abs=0.05)
    assert own["fb_iou"][ZERO] == pytest.approx(noted["fb_iou"], abs=0.05)
    assert 100 - own["target_found"][ZERO] == pytest.approx(noted["target_called_background_percent"], abs=0.05)


def test_other_supports_give_what_the_examples_evaluation_gives(lines, trained):
    model, recipe = trained
    reliance = evaluate(model, recipe, recipe.evaluation_images(), supports=EVERY).reliance
    novel = lines[0]["novel"]
    assert novel["other_class"]["miou"][ZERO] == pytest.approx(reliance.other_class, abs=0.05)
    assert novel["empty"]["miou"][ZERO] == pytest.approx(reliance.empty, abs=0.05)
    five = replace(recipe, shot=5, episodes=3)
    assert novel["own_5"]["miou"][ZERO] == pytest.approx(
        evaluate(model, five, recipe.evaluation_images()).scores.miou, abs=0.05
    )


def test_base_classes_are_read_on_images_without_a_novel_object_and_choose_the_offset(lines, trained):
    model, recipe = trained
    images = recipe.evaluation_images().without_novel(recipe.fold)
    half = replace(recipe, episodes=3)
    found = evaluate(model, half, images, images.base_classes(recipe.fold), supports=EVERY)
    base = lines[0]["base"]
    assert base.keys() == {"own", "other_class"}
    assert base["own"]["miou"][ZERO] == pytest.approx(found.scores.miou, abs=0.05)
    assert base["other_class"]["miou"][ZERO] == pytest.approx(found.reliance.other_class, abs=0.05)
    assert base["own"]["novel_called"] == [0.0] * len(OFFSETS)
    assert lines[0]["offset"] == best_offset(base["own"]["miou"])


def test_every_curve_has_a_value_for_each_offset_and_falls(lines):
    for curves in [*lines[0]["novel"].values(), *lines[0]["base"].values()]:
        assert curves["base_called_at_recall"].keys() == set(map(str, RECALLS))
        for name in ("target_found", "background_called", "base_called"):
            assert len(curves[name]) == len(OFFSETS) and curves[name] == sorted(curves[name], reverse=True)
    assert lines[0]["answers"].keys() == set(PROTOTYPES)


def test_of_a_cell_that_is_judged_on_base_classes_nothing_novel_is_read(folders, lines):
    line = lines[1]
    assert line["novel"] is None and line["offset"] == best_offset(line["base"]["own"]["miou"])
    noted = folders.result(ON_BASE)["evaluations"]["1"]
    assert line["base"]["own"]["miou"][ZERO] == pytest.approx(noted["miou"], abs=0.05)
    assert line["episodes_digest"] == noted["episodes_digest"]


def test_a_host_without_weights_is_read_untrained(folders, lines):
    line = lines[2]
    assert line["answers"] is None and folders.result(COSINES) is None
    assert set(line["novel"]) == {"own", "other_class", "empty", "own_5"}
    # An empty support has a prototype of zeros, whose cosine is 0 with any pixel.
    assert line["novel"]["empty"]["target_found"] == [0.0] * len(OFFSETS)
    assert 0 < line["novel"]["own"]["target_found"][-1] < line["novel"]["own"]["target_found"][0]


def test_a_cell_that_was_read_is_left_as_it_is(folders, lines, monkeypatch):
    monkeypatch.setattr("running.yardstick.line_of", lambda *_: pytest.fail("it was read again"))
    path = file_of(folders.results, CELL, READ)
    assert path == folders.results / "yardstick" / "other.jsonl"
    before = path.read_bytes()
    read_cell(CELL, folders)
    assert path.read_bytes() == before


def test_weights_that_are_gone_are_named(folders):
    with pytest.raises(FileNotFoundError, match=r"weights: expected a run's folder or a file, got .*last\.pt"):
        line_of(tiny(seed=9), folders)


def test_without_another_class_that_kind_of_support_is_left_out(trained):
    model, recipe = trained
    images = recipe.evaluation_images()
    kept = KeptFeatures(features_of(recipe, recipe.build_model(), images), images)
    found = curves_of(model, recipe, kept, episodes_of(recipe, images, [1]), [1], (OWN, OTHER_CLASS))
    assert found.keys() == {"own"}

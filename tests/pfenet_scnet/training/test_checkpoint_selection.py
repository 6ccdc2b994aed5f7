import json
from types import SimpleNamespace

import pytest
import torch
from drawn_scenes import drawn_scenes
from recipe import Recipe
from training.checkpoint_selection import Selection


@pytest.fixture(scope="module")
def scenes():
    return drawn_scenes()


@pytest.fixture
def recipe(scenes):
    return Recipe(
        data=str(scenes), min_pixels=300, size=64, scales=(4, 2), channels=8, steps=10, select="base", select_every=4,
        select_episodes=8, workers=0, batch=4,
    )  # fmt: skip


def evaluation(miou):
    return SimpleNamespace(scores=SimpleNamespace(miou=miou, fb_iou=2 * miou))


def test_candidates_come_regularly_and_at_the_end(recipe, tmp_path):
    selection = Selection(recipe, tmp_path)
    assert [step for step in range(1, 11) if selection.due(step)] == [4, 8, 10]
    recipe.select = "last"
    assert not any(Selection(recipe, tmp_path).due(step) for step in range(1, 11))


def test_keeps_the_best_and_a_later_equal_does_not_replace_it(recipe, tmp_path, monkeypatch):
    scores = iter([10.0, 30.0, 30.0, 20.0])
    monkeypatch.setattr(
        "training.checkpoint_selection.evaluate",
        lambda *_: evaluation(next(scores)),
    )
    selection, model = Selection(recipe, tmp_path), torch.nn.Linear(1, 1)
    for step in range(1, 5):
        torch.nn.init.constant_(model.weight, step)
        selection.look(model, step)
    assert torch.load(tmp_path / "best.pt", weights_only=True)["weight"] == 2
    rows = [json.loads(line) for line in (tmp_path / "selection.jsonl").read_text().splitlines()]
    expected = zip((1, 2, 3, 4), (10, 30, 30, 20), strict=True)
    assert rows == [{"step": step, "miou": miou, "fb_iou": 2 * miou} for step, miou in expected]


def test_forgets_looks_that_a_resumed_run_will_take_again(recipe, tmp_path):
    (tmp_path / "selection.jsonl").write_text('{"step": 4, "miou": 1.0}\n{"step": 8, "miou": 2.0}\n')
    selection = Selection(recipe, tmp_path)
    selection.forget(4)
    assert selection.looks(99) == [{"step": 4, "miou": 1.0}]


@pytest.mark.parametrize("select", ["base", "novel"])
def test_base_selection_sees_no_novel_class_and_no_image_of_the_evaluation(recipe, tmp_path, monkeypatch, select):
    recipe.select = select
    seen = {}

    def note(model, its_recipe, images, classes):
        seen.update(images=images, classes=classes, episodes=its_recipe.episodes)
        return evaluation(1.0)

    monkeypatch.setattr("training.checkpoint_selection.evaluate", note)
    Selection(recipe, tmp_path).look(torch.nn.Linear(1, 1), 4)
    novel = set(recipe.held_out_classes())
    shown = [bool(novel & item.pixels.keys()) for item in seen["images"].items]
    assert seen["episodes"] == 8
    assert any(shown) == (select == "novel")
    assert set(seen["classes"]) == novel if select == "novel" else not novel & set(seen["classes"])


def test_a_list_that_cannot_serve_is_refused_before_training(recipe, tmp_path):
    recipe.min_pixels = 8000
    with pytest.raises(ValueError, match="expected at least 2 images"):
        Selection(recipe, tmp_path)


def test_a_look_evaluates_and_leaves_the_model_training(recipe, tmp_path):
    model = recipe.build_model().train()
    line = Selection(recipe, tmp_path).look(model, 4)
    (row,) = [json.loads(line) for line in (tmp_path / "selection.jsonl").read_text().splitlines()]
    assert (
        row == line
        and 0 <= row["miou"] <= 100
        and 0 <= row["fb_iou"] <= 100
        and model.training
        and (tmp_path / "best.pt").is_file()
    )

from dataclasses import dataclass, fields, replace

import pytest
from recipe import Recipe
from run_folder.contradictions import (
    CLASSES,
    EVALUATION,
    MACHINE,
    check_evaluation,
    check_origin,
    check_start,
    is_finished,
    origin_of,
)


@pytest.fixture
def saved():
    return Recipe(data="data/voc", scales=(4, 2), epochs=3, steps=6, resume=True)


@pytest.fixture
def run(tmp_path, saved):
    saved.save(tmp_path / "recipe.yaml")
    return tmp_path


# A second value for every option.
OTHER = {
    "benchmark": "COCO-20i", "data": "data/other", "fold": 1, "folds": 5, "split": "interleaved", "shot": 5,
    "novel": "drop", "min_pixels": 9, "skip_damaged": True, "hidden": 0.5, "backbone": "resnet50",
    "backbone_weights": "x.pth", "channels": 9, "scales": (4, 3), "live_statistics": True, "weight": 0.25,
    "num_prototypes": 4, "partition": "pyramid", "prior": "keep", "size": 96, "draw": "image", "batch": 4,
    "micro_batch": 2, "steps": 7, "epochs": 4, "optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.5,
    "weight_decay": 0.1, "precision": "bf16-mixed", "select": "base", "select_every": 9, "select_episodes": 9,
    "episodes": 9, "protocol": "bam", "evaluation_memory": 1.0, "seed": 9, "evaluation_seed": 9,
    "cache_features": True, "features": "x", "workers": 3, "checkpoint_every": 9, "out": "x", "baseline": "x",
    "tensorboard": True,
}  # fmt: skip


def test_every_option_is_tried_and_every_free_one_exists():
    names = {field.name for field in fields(Recipe)}
    assert names == OTHER.keys() | {"resume", "novel_classes"}
    assert MACHINE < EVALUATION < names and names > CLASSES


@pytest.mark.parametrize("name", OTHER)
def test_a_run_goes_on_only_under_the_options_that_it_was_begun_with(run, saved, name):
    other = replace(saved, **{name: OTHER[name]})
    if name in MACHINE:
        check_start(other, run)
    else:
        with pytest.raises(ValueError, match=rf"expected the options of the saved run, got {name} .*\(saved: "):
            check_start(other, run)


@pytest.mark.parametrize("name", OTHER)
def test_weights_are_evaluated_as_what_they_were_trained_for(run, saved, name):
    other = replace(saved, **{name: OTHER[name]})
    if name in EVALUATION:
        check_evaluation(other, run)
    else:
        with pytest.raises(ValueError, match=rf"got {name} .*\(saved: "):
            check_evaluation(other, run)


@pytest.mark.parametrize(
    ("name", "one", "other"), [("seed", 1234567, 1234568), ("learning_rate", 0.0025, 0.00250000001)]
)
def test_values_that_look_alike_are_told_apart(run, saved, name, one, other):
    replace(saved, **{name: one}).save(run / "recipe.yaml")
    check_start(replace(saved, **{name: one}), run)
    with pytest.raises(ValueError, match=rf"{name} {other} .saved: {one}"):
        check_start(replace(saved, **{name: other}), run)


def test_other_data_have_other_classes(run, saved):
    check_evaluation(replace(saved, data="data/other", fold=None, novel_classes="cat"), run)
    check_evaluation(replace(saved, data="./data/../data/voc"), run)
    with pytest.raises(ValueError, match=r"fold None \(saved: 2\), novel_classes cat \(saved: None\)"):
        check_evaluation(replace(saved, data="./data/voc", fold=None, novel_classes="cat"), run)


def test_a_recipe_of_a_kind_of_its_own_is_compared_whole(run):
    @dataclass
    class Longer(Recipe):
        host: str = "PFENet"

    mine = Longer(resume=True)
    mine.save(run / "recipe.yaml")
    check_start(mine, run)
    with pytest.raises(ValueError, match=r"host Cosine \(saved: PFENet\)"):
        check_start(replace(mine, host="Cosine"), run)


def test_a_folder_that_holds_a_run_is_begun_in_by_none(run, saved, tmp_path):
    with pytest.raises(
        FileExistsError, match=r"which holds a run; add --resume true .* or name another folder with --out"
    ):
        check_start(replace(saved, resume=False), run)
    check_start(replace(saved, resume=False), tmp_path / "new")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "best.pt").touch()
    with pytest.raises(FileExistsError, match=r"holds best\.pt but no recipe\.yaml"):
        check_start(saved, tmp_path / "torn")


def test_a_run_is_finished_when_its_weights_and_its_result_are_there(run, saved):
    for name in ("last.pt", "result.json"):
        assert not is_finished(saved, run)
        (run / name).touch()
    assert is_finished(saved, run) and is_finished(replace(saved, workers=9, resume=False), run)
    with pytest.raises(ValueError, match=r"expected the options of the saved run, got seed 7 \(saved: 0\)"):
        is_finished(replace(saved, seed=7), run)


@pytest.mark.parametrize("name", OTHER)
def test_a_checkpoint_is_gone_on_with_only_under_its_own_options(saved, tmp_path, name):
    path, origin = tmp_path / "checkpoint.pt", origin_of(saved, "ab12")
    check_origin(origin, saved, "ab12", path)
    other = replace(saved, **{name: OTHER[name]})
    if name in MACHINE:
        check_origin(origin, other, "ab12", path)
    else:
        with pytest.raises(
            ValueError, match=rf"checkpoint\.pt: expected the options of the saved run, got {name} .*saved: "
        ):
            check_origin(origin, other, "ab12", path)


def test_a_checkpoint_of_other_training_episodes_is_refused(saved, tmp_path):
    with pytest.raises(
        ValueError, match=r"expected the training episodes ab12 of the saved run, got cd34; the data cha"
    ):
        check_origin(origin_of(saved, "ab12"), saved, "cd34", tmp_path / "checkpoint.pt")

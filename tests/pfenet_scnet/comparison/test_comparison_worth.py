"""The sentences say what the numbers say: gains, losses and nothing, and what an interval leaves out."""

import json
from functools import partial
from pathlib import Path

import pytest
from compare import asked
from comparison.carrying_out import Arm
from comparison.intervals import Interval
from comparison.measured import COMMITTED, measured
from comparison.summary import Compared, part_of_the_result, summary
from comparison.table import table
from comparison.worth import worth
from data.episodes import digest
from data.image_list import ImageList, Item
from data.synthetic import make_scenes
from evaluation.evaluator import episodes_of
from evaluation.metrics import Evaluation, FoldScores
from recipe import Recipe

IMAGES = ImageList((Item(Path("0.jpg"), Path("0.png"), {}),))
RECIPE = Recipe(fold=0)


def arm(miou, fb_iou, bicycle=50.0):
    scores = FoldScores(miou, fb_iou, {1: miou, 2: bicycle})
    result = {"training_episodes_digest": "t", "training_seconds": 3.0}
    return Arm(RECIPE, Evaluation(scores, 10.0, 0, 300, "e"), result)


def pair(difference, low, high, fb=0.0, seed=0, start=30.0, bicycle=50.0):
    pictures = {"miou": Interval(difference, low, high, 40), "fb_iou": Interval(fb, low, high, 40)}
    return Compared(seed, arm(start, 60.0), arm(start + difference, 60.0 + fb, bicycle), pictures)


def committed(low, high, fb=(-1.0, 1.0)):
    return {
        "difference": {
            "miou": Interval((low + high) / 2, low, high, 5)._asdict(),
            "fb_iou": Interval(sum(fb) / 2, *fb, 5)._asdict(),
        }
    }


def test_one_seed_says_what_it_shows_what_it_hangs_on_and_how_to_know_more():
    first, pictures, seed = worth([pair(-2.5, -4.0, -1.0, fb=0.01)], None)
    assert "300 episodes SCNet's mIoU is 2.5 points below the baseline's (27.5 against 30.0)" in first
    assert "its FB-IoU equals the baseline's (60.0 against 60.0)" in first
    assert "40 query pictures" in pictures and "-4.0 to -1.0" in pictures and "alone does not explain it" in pictures
    assert "One seed proves nothing" in seed and "not known here" in seed and "--seeds 0 1 2 3 4" in seed


def test_pictures_that_tell_nothing_say_so():
    assert "cannot tell the two models apart" in worth([pair(1.0, -0.5, 2.5)], None)[1]
    assert "too few to say" in worth([pair(1.0, None, None)], None)[1]


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (committed(0.5, 2.5), "with this recipe SCNet gains."),
        (committed(-9.0, -2.0), "with this recipe SCNet loses."),
        (committed(-1.0, 2.0), "with this recipe no difference shows."),
        (committed(0.5, 2.5, fb=(-2.0, -1.0)), "SCNet gains in mIoU, and in FB-IoU SCNet loses."),
        (committed(-1.0, 2.0, fb=(-2.0, -1.0)), "no difference shows in mIoU, and in FB-IoU SCNet loses."),
    ],
)
def test_a_recipe_that_was_measured_over_seeds_says_what_came_out(found, verdict):
    sentence = worth([pair(1.0, -0.5, 2.5)], found)[2].partition(" docs/evidence.md")[0]
    assert sentence.endswith(verdict) and "over 5 seeds this very recipe gave" in sentence


def test_many_seeds_give_mean_interval_and_verdict():
    pairs = [pair(difference, -1.0, 1.0, seed=seed) for seed, difference in enumerate((1.0, 2.0, 3.0, -0.5))]
    said, leaves_out = worth(pairs, committed(5.0, 6.0))
    assert "Over 4 seeds SCNet's mIoU is 1.4 points above the baseline's (95 % interval -1.0 to +3.8" in said
    assert "won 3 of 4 pairs" in said and said.endswith("no difference shows.") and "does not cover" in leaves_out


def test_models_that_learnt_nothing_are_not_compared_in_earnest():
    assert "neither has learnt" in worth([pair(0.5, 0.1, 1.0, start=2.0)], None)[-1]
    assert not any("neither" in one for one in worth([pair(9.0, 0.1, 1.0, start=2.0)], None))


def test_the_table_has_both_and_their_difference():
    lines = table([pair(-2.5, -4.0, -1.0, bicycle=None)], IMAGES).splitlines()
    assert lines[0].split() == ["IoU", "%", "baseline", "SCNet", "difference"]
    assert lines[1].split() == ["aeroplane", "30.0", "27.5", "-2.5"]
    assert "bicycle   no pixel seen" in lines[2]
    assert lines[3].split() == ["mIoU", "30.0", "27.5", "-2.5"] and "10.0" in lines[5]
    many = table([pair(1.0, None, None, seed=s) for s in (0, 1)], IMAGES)
    assert "means of 2 seeds" in many and "(95 %: +1.0 to +1.0)" in many


def test_the_file_holds_every_seed_and_what_the_result_depends_on():
    content = json.loads(json.dumps(summary([pair(1.0, 0.0, 2.0), pair(2.0, 0.0, 3.0, seed=4)], IMAGES, ["so"], {})))
    assert [one["seed"] for one in content["seeds"]] == [0, 4] and content["difference"]["miou"]["mean"] == 1.5
    assert content["seeds"][1]["scnet"]["class_iou"] == {"aeroplane": 32.0, "bicycle": 50.0}
    assert "seed" not in content["recipe"] and "out" not in content["recipe"] and content["recipe"]["weight"] == 0.5


def test_what_was_measured_is_said_of_no_other_recipe(tmp_path, monkeypatch):
    file = tmp_path / "scenes.json"
    monkeypatch.setattr("comparison.measured.COMMITTED", file)
    assert measured(RECIPE, "e") is None
    file.write_text(json.dumps({"recipe": part_of_the_result(RECIPE), "episodes_digest": "e"}))
    assert measured(RECIPE, "e") and measured(Recipe(fold=0, seed=3, out="x", workers=7), "e")
    assert measured(RECIPE, "other") is None and measured(Recipe(fold=0, steps=9), "e") is None


def test_the_page_shows_the_committed_figures():
    committed, page = json.loads(COMMITTED.read_text()), (COMMITTED.parents[1] / "results.md").read_text()
    assert len(committed["seeds"]) >= 3
    for one in committed["seeds"]:
        scores = [one[arm][measure] for measure in ("miou", "fb_iou") for arm in ("baseline", "scnet")]
        assert f"| {one['seed']} | {' | '.join(f'{score:.1f}' for score in scores)} |" in page
    for mean, low, high, _ in (one.values() for one in committed["difference"].values()):
        assert f"{mean:+.1f} ({low:+.1f} to {high:+.1f})".replace("-", "−") in page


def test_the_committed_comparison_is_that_of_the_first_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SELFCONTRAST_VOC", raising=False)
    # Scenes to train on change nothing here, and take long to draw.
    monkeypatch.setattr("recipe.recipe.make_scenes", partial(make_scenes, train_scenes=1))
    committed = json.loads(COMMITTED.read_text())
    recipe = asked([])[0].resolve()
    images = recipe.evaluation_images()
    drawn = digest(images, episodes_of(recipe, images))
    assert measured(recipe, drawn) == committed, "run compare.py --seeds 0 1 2 3 4 again, and commit what it writes"

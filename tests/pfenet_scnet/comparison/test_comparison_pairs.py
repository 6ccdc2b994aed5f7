"""Which runs are compared, and where they lie."""

from dataclasses import asdict

import pytest
from comparison.pairs import comparison_folder, pairs_of
from recipe import Recipe


@pytest.fixture
def recipe(tmp_path):
    return Recipe(data=str(tmp_path), steps=7, min_pixels=9)


def test_two_runs_differ_in_weight_and_folder_alone_and_lie_where_train_puts_them(recipe):
    ((seed, baseline, scnet),) = pairs_of(recipe, [3])
    differing = {name for name, value in asdict(scnet).items() if asdict(baseline)[name] != value}
    assert seed == scnet.seed == 3 and differing == {"weight", "out"} and baseline.weight == 0
    alone = Recipe(data=recipe.data, steps=7, min_pixels=9, seed=3, weight=0.0).resolve()
    assert asdict(baseline) == asdict(alone)
    assert scnet.out == Recipe(data=recipe.data, steps=7, min_pixels=9, seed=3).resolve().out
    assert scnet.baseline == baseline.out


def test_a_comparison_lies_beside_its_runs(recipe, tmp_path):
    beside = f"runs/{tmp_path.name}-efficientnet_lite0-fold2-keep-7steps-seed"
    assert str(comparison_folder(recipe, pairs_of(recipe, [3]))) == f"{beside}3/comparison-scnet-weight0.5-n3-neutral"
    many = comparison_folder(recipe, pairs_of(recipe, [3, 0]))
    assert str(many) == f"{beside}s3-0/comparison-scnet-weight0.5-n3-neutral"


def test_a_named_folder_holds_all(recipe):
    recipe.out = "mine"
    one, two = pairs_of(recipe, [0, 1])
    assert [run.out for pair in (one, two) for run in pair.arms.values()] == [
        "mine/baseline-seed0",
        "mine/scnet-seed0",
        "mine/baseline-seed1",
        "mine/scnet-seed1",
    ]
    assert str(comparison_folder(recipe, [one, two])) == "mine"


def test_a_named_baseline_is_the_one_to_compare_with(recipe):
    recipe.baseline = "elsewhere"
    assert pairs_of(recipe, [0])[0].baseline.out == "elsewhere"

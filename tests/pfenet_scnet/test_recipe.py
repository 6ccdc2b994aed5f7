import re
from collections import Counter
from dataclasses import fields

import pytest
from recipe import RECIPES, Recipe, read_recipe
from voc_tree import mask_with, write_voc


def test_defaults_are_the_demonstration():
    assert read_recipe([]) == Recipe()


def test_a_recipe_is_named_then_overridden():
    recipe = read_recipe(["--recipe", "voc_small", "--fold", "1", "--weight", "0"])
    assert (recipe.steps, recipe.fold, recipe.weight) == (1200, 1, 0)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_reads(path):
    assert isinstance(read_recipe(["--recipe", path.stem]), Recipe)


@pytest.mark.parametrize("benchmark", ["pascal", "coco"])
@pytest.mark.parametrize(
    ("backbone", "name"), [("vgg16", "vgg16_bn"), ("resnet50", "resnet50"), ("resnet101", "resnet101")]
)
@pytest.mark.parametrize("form", [["--recipe", "{}"], ["--recipe={}"]])
def test_names_joined_by_an_underscore_are_composed(benchmark, backbone, name, form):
    recipe = read_recipe([part.format(f"{benchmark}_{backbone}") for part in form] + ["--fold", "3", "--shot=5"])
    assert recipe.backbone == name and (recipe.fold, recipe.shot) == (3, 5)
    assert (recipe.batch, recipe.epochs, recipe.split) == {
        "pascal": (4, 200, "sequential"),
        "coco": (8, 50, "interleaved"),
    }[benchmark]


def test_later_names_and_options_win():
    recipe = read_recipe(["--batch", "2", "--recipe", "resnet50_vgg16", "--weight", "0"])
    assert (recipe.backbone, recipe.batch, recipe.weight) == ("vgg16_bn", 2, 0)


def test_epochs_become_steps(tmp_path):
    write_voc(tmp_path, [mask_with(c) for c in (6, 7, 8, 9, 1)])
    recipe = Recipe(data=str(tmp_path), fold=0, min_pixels=100, epochs=3, batch=2, draw="image")
    recipe.resolve()
    assert recipe.steps == 3 * 2, "four usable images are two whole batches an epoch"
    assert recipe.resolve().steps == 6, "a saved recipe holds both"
    recipe.steps = 100
    with pytest.raises(ValueError, match=r"steps: expected none beside epochs = 3, got 100; add --epochs null"):
        recipe.resolve()


@pytest.mark.parametrize(("draw", "queries"), [("image", 1), ("class", None)])
def test_draw_says_what_an_episode_begins_with(tmp_path, draw, queries):
    write_voc(tmp_path, [mask_with(c) for c in range(6, 21) for _ in range(2)])
    recipe = Recipe(data=str(tmp_path), fold=0, min_pixels=100, steps=15, batch=2, draw=draw)
    episodes = recipe.training_episodes(recipe.training_images())
    counts = Counter(episode.query for episode in episodes)
    assert len(episodes) == 30 and (set(counts.values()) == {1}) == (queries == 1)


def test_what_is_saved_reads_back(tmp_path):
    recipe = Recipe(fold=3, scales=(9, 5, 2), weight=0.3, out="there")
    recipe.save(tmp_path / "recipe.yaml")
    assert read_recipe(["--recipe", str(tmp_path / "recipe.yaml")]) == recipe


def test_every_field_is_documented():
    documented = set(re.findall(r"^        (\w+):", Recipe.__doc__, re.MULTILINE))
    assert documented == {field.name for field in fields(Recipe)}


@pytest.mark.parametrize(
    "arguments", [["--steps", "many"], ["--unknown", "1"], ["--novel", "some"], ["--recipe", "pascal_resnet18"]]
)
def test_refuses_what_it_does_not_know(arguments, capsys):
    with pytest.raises(SystemExit):
        read_recipe(arguments)
    assert "error" in capsys.readouterr().err


def test_data_come_from_the_option_then_the_environment(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SELFCONTRAST_VOC", "photographs")
    assert Recipe(data="mine").resolve().data == "mine"
    resolved = Recipe().resolve()
    assert (resolved.data, resolved.min_pixels) == ("photographs", 840)
    assert resolved.out != resolved.baseline == Recipe(weight=0).resolve().out
    assert not list(tmp_path.iterdir()), "nothing is drawn when data are given"

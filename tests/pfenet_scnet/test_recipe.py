import re
from collections import Counter
from dataclasses import fields

import pytest
from recipe import RECIPES, Recipe, load_recipe, read_recipe, recipe_of
from recipe.ranges import RANGES
from voc_tree import mask_with, write_voc

NUMBERS = {str(kind) for kind in (int, float, int | None, float | None)}


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
    ("arguments", "sentence"),
    [
        (["--steps", "many"], "steps: expected a whole number, got many; change --steps"),
        (["--unknown", "1"], "--unknown: expected one of this command's options, got an unknown one"),
        (
            ["--wieght", "1"],
            "--wieght: expected one of this command's options, got an unknown one; did you mean --weight?",
        ),
        (["--weig", "1"], "did you mean --weight?"),
        (["--novel", "some"], "novel: expected one of keep, drop, got some"),
        (["--select", "bset"], "select: expected one of base, novel, last, got bset; did you mean base?"),
        (["--backbone", "resnet5"], "did you mean resnet50?"),
        (["--partition", "kmean"], "did you mean kmeans?"),
        (["--prior", "keap"], "did you mean keep?"),
        (["--recipe", "pascal_resnet18"], "recipe: expected a name in recipes/, names joined by _, or a YAML file"),
        (["--recipe=pascl"], "did you mean pascal?"),
        (["--recipe", "voc_smal"], "did you mean voc_small?"),
        (["--scales", "[]"], "scales: expected at least one side of a grid"),
        (["--fold", "1", "--novel_classes", "cat"], "fold: expected none beside novel_classes = cat, got 1"),
    ],
)
def test_refuses_what_it_does_not_know(arguments, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)) as raised:
        read_recipe(arguments)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", RANGES)
def test_every_number_has_a_range_that_is_checked_first(name):
    allowed = RANGES[name]
    outside = allowed.low - (0 if allowed.above else 1)
    with pytest.raises(ValueError, match=f"{name}: expected .*, got {outside:g}; change --{name}"):
        Recipe(**{name: outside})
    if allowed.high is not None:
        with pytest.raises(ValueError, match=f"{name}: expected {allowed.low:g} to"):
            Recipe(**{name: allowed.high + 1})


def test_no_number_is_without_a_range():
    numbers = {field.name for field in fields(Recipe) if str(field.type) in NUMBERS}
    assert numbers == set(RANGES)


def test_named_classes_take_the_place_of_a_fold(tmp_path):
    write_voc(tmp_path, [mask_with(c) for c in (1, 2, 3)])
    (tmp_path / "classes.txt").write_text("ring\ncube\ncone\n")
    recipe = read_recipe(["--data", str(tmp_path), "--novel_classes", "cone, 1", "--min_pixels", "100"]).resolve()
    assert recipe.fold is None and recipe.held_out == "novel-cone-1" and "novel-cone-1" in recipe.out
    assert recipe.held_out_classes() == [1, 3]
    assert [item.mask.stem for item in recipe.training_images().items] == ["train1"]


def test_a_run_must_hold_every_option(tmp_path):
    Recipe().save(tmp_path / "recipe.yaml")
    whole = (tmp_path / "recipe.yaml").read_text()
    assert load_recipe(tmp_path) == Recipe()
    for damaged in ("", whole[:200], whole[: len(whole) // 2], "a: [", whole.replace("seed: 0\n", "", 1)):
        (tmp_path / "recipe.yaml").write_text(damaged)
        with pytest.raises(ValueError, match=r"recipe\.yaml: expected every option of a recipe, got none of"):
            load_recipe(tmp_path)
    with pytest.raises(FileNotFoundError, match="expected the recipe of a run"):
        load_recipe(tmp_path / "..")


def test_a_file_of_weights_is_read_by_the_run_beside_it_or_a_named_recipe(tmp_path):
    Recipe(channels=7).save(tmp_path / "recipe.yaml")
    weights = tmp_path / "last.pt"
    weights.touch()
    assert recipe_of(weights, ["--shot", "5"]).channels == 7
    assert recipe_of(weights, ["--recipe", "pascal"]).channels == 256
    with pytest.raises(FileNotFoundError, match="expected a run's folder or a file of weights"):
        recipe_of(tmp_path / "none", [])


def test_data_come_from_the_option_then_the_environment(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SELFCONTRAST_VOC", "photographs")
    assert Recipe(data="mine").resolve().data == "mine"
    resolved = Recipe().resolve()
    assert (resolved.data, resolved.min_pixels) == ("photographs", 840)
    assert resolved.out != resolved.baseline == Recipe(weight=0).resolve().out
    assert not list(tmp_path.iterdir()), "nothing is drawn when data are given"

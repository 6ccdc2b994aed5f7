import re
from dataclasses import fields

import pytest
from recipe import RECIPES, Recipe, read_recipe


def test_defaults_are_the_demonstration():
    assert read_recipe([]) == Recipe()


def test_a_recipe_is_named_then_overridden():
    recipe = read_recipe(["--recipe", "voc_small", "--fold", "1", "--weight", "0"])
    assert (recipe.steps, recipe.fold, recipe.weight) == (1200, 1, 0)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_reads(path):
    assert isinstance(read_recipe(["--recipe", path.stem]), Recipe)


def test_what_is_saved_reads_back(tmp_path):
    recipe = Recipe(fold=3, scales=(9, 5, 2), weight=0.3, out="there")
    recipe.save(tmp_path / "recipe.yaml")
    assert read_recipe(["--recipe", str(tmp_path / "recipe.yaml")]) == recipe


def test_every_field_is_documented():
    documented = set(re.findall(r"^        (\w+):", Recipe.__doc__, re.MULTILINE))
    assert documented == {field.name for field in fields(Recipe)}


@pytest.mark.parametrize("arguments", [["--steps", "many"], ["--unknown", "1"], ["--novel", "some"]])
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

"""What is a cell: nothing which decides a result is left out, and whatever is changed is another cell."""

from dataclasses import asdict, fields
from inspect import signature

import pytest
from grid.study import BASELINE, KNOWN_AS, NO_PART_OF_THE_RESULT, RECIPE, TASK, cell
from recipe import Recipe

from selfcontrast import SelfContrastiveAuxiliary


def test_every_setting_of_a_recipe_is_the_grids_or_has_no_part_in_the_result():
    settings = {field.name for field in fields(Recipe)}
    assert settings == RECIPE.keys() | {"fold", "seed"} | NO_PART_OF_THE_RESULT
    assert not RECIPE.keys() & NO_PART_OF_THE_RESULT


def test_every_default_of_the_task_is_the_recipes_or_the_grids():
    defaults = {name: one.default for name, one in signature(SelfContrastiveAuxiliary).parameters.items()}
    assert defaults.keys() == {"num_prototypes", "weight", "partition", "prior", "generator"} | TASK.keys()
    assert {name: KNOWN_AS.get(defaults[name], defaults[name]) for name in TASK} == TASK
    assert cell(0, 0).task == TASK and cell(0, 0, **BASELINE).task == {}


@pytest.mark.parametrize("change", [{"steps": 7}, {"data": "scenes"}, {"objective": "unhalved"}, {"classes": "base"}])
def test_whatever_is_changed_is_another_cell(change):
    assert cell(0, 0, **change).digest != cell(0, 0).digest
    assert len({cell(0, 0).digest, cell(1, 0).digest, cell(0, 1).digest, cell(0, 0, episodes={"1": 9}).digest}) == 4


def test_a_cell_survives_its_file():
    one = cell(1, 2, hidden=0.125)
    assert type(one)(**asdict(one)).digest == one.digest


def test_a_setting_that_no_recipe_has_is_refused():
    with pytest.raises(ValueError, match="expected settings that RECIPE names, got lamda"):
        cell(0, 0, lamda=0.5)
    assert cell(0, 0, **BASELINE).recipe["weight"] == 0

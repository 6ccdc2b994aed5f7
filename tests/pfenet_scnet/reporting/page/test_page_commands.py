import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from page_runs import run
from processes import EXAMPLE
from recipe import read_recipe
from reporting.page.commands import page_command, training_command


def split(command):
    """Words as a shell reads them."""
    return shlex.split(command.replace("\\\n", ""))


@pytest.mark.parametrize(
    "options",
    [
        {"weight": 0.0, "min_pixels": 50, "scales": (4, 2), "cache_features": True, "learning_rate": 2.5e-5},
        {"novel_classes": "cat, a 'sofa'", "seed": 3},
        {"epochs": 2, "steps": 77, "data": "a folder; with signs"},
        {"micro_batch": 2, "fold": 0, "backbone_weights": "x.pth", "benchmark": "PASCAL-5i"},
    ],
)
def test_the_command_gives_the_recipe_again(options):
    one = run("scnet", **options)
    first, script, *words = split(training_command(one, str(EXAMPLE)))
    assert first == "python" and (Path.cwd() / script).resolve() == EXAMPLE / "train.py"
    again = read_recipe(words)
    assert again.out == "runs/scnet-again"
    # A command counts in epochs or in steps.
    steps = {} if one.recipe.epochs is None else {"steps": again.steps}
    assert replace(again, out=None) == replace(one.recipe, **steps)


def test_the_page_is_made_again():
    words = split(page_command([run("a b"), run("c")], Path("x/y.html"), 3, str(EXAMPLE)))
    assert words[2:] == ["runs/a b", "runs/c", "--out", "x/y.html", "--episodes", "3"]

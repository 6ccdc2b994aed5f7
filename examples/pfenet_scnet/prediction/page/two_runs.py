"""What the demo page compares: a run and, where one was trained, the baseline beside it."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from model.pfenet import PFENet
from recipe import Recipe, recipe_of, saved_recipe
from run_folder.contradictions import MACHINE, differences
from run_folder.weights import IN_ORDER, load_model
from runtime.options import given_options
from runtime.shown_path import shown_path

BASELINE, SCNET = "Baseline", "SCNet"
TRAIN = Path(__file__).parents[2] / "train.py"
# Options of the task, which the comparison is about, and those that change nothing in what a training yields.
APART = {"weight", "num_prototypes", "partition", "prior"} | MACHINE
APART |= {"shot", "episodes", "protocol", "evaluation_seed", "benchmark"}


class Runs(NamedTuple):
    """The models in eval mode, by the title of their column; SCNet's recipe; and sentences on what they are.

    `command` trains the baseline that is missing; None where none is.
    """

    models: dict[str, PFENet]
    recipe: Recipe
    notes: list[str]
    command: str | None = None


def load_runs(target: Path, recipe: Recipe, baseline: Path | None, words: Sequence[str] = ()) -> Runs:
    """Load a run or a file of weights, and the baseline: the one named, else the recipe's where it was trained.

    Args:
        words: the options that `recipe` was read with; they say how to train a baseline for a file of weights.

    Raises:
        FileNotFoundError: the baseline that was named is missing.
        ValueError: it was trained with the task, or weights belong to another model; or `target` is a baseline itself.
    """
    if recipe.weight == 0:
        if baseline:
            raise ValueError(
                f"baseline: expected none beside {target}, which is one (weight 0), got {baseline}; give an SCNet run "
                "first, or leave --baseline out"
            )
        note = (
            f"{target} is itself a baseline: it was trained with weight 0. So there is one prediction, and there are "
            "neither regions nor a prototype map, which belong to SCNet's task."
        )
        return Runs({BASELINE: load_model(target, recipe)}, recipe, [note])
    found = baseline or _trained(recipe)
    if found is None:
        return _alone(target, recipe, words)
    if not found.exists():
        raise FileNotFoundError(f"baseline: expected a run's folder or a file of weights, got {found}; check the path")
    own = _own_recipe(found, replace(recipe, weight=0.0))
    if own.weight != 0:
        raise ValueError(
            f"baseline: expected a run of weight 0, got {found} of weight {own.weight:g}; train one with --weight 0"
        )
    models = {BASELINE: load_model(found, own), SCNET: load_model(target, recipe)}
    differences = _differences(_own_recipe(target, recipe), own)
    return Runs(models, recipe, [f"SCNet: {target}. Baseline: {found}.", *differences])


def _trained(recipe: Recipe) -> Path | None:
    folder = Path(recipe.baseline) if recipe.baseline else None
    return folder if folder and any((folder / name).is_file() for name in IN_ORDER) else None


def _alone(target: Path, recipe: Recipe, words: Sequence[str]) -> Runs:
    folder = recipe.baseline or "runs/baseline"
    note = (
        f"SCNet: {target}. There is no baseline to compare with, as {folder} holds no run. Train one, then start anew:"
    )
    saved = saved_recipe(target)
    # Of a run, the words say how to show it, and not how it was trained.
    like = ["--recipe", str(saved)] if saved.is_file() and "recipe" not in given_options(words) else words
    command = shlex.join(["python", shown_path(TRAIN), *like, "--weight", "0", "--out", folder])
    return Runs({SCNET: load_model(target, recipe)}, recipe, [note], command)


def _own_recipe(target: Path, without: Recipe) -> Recipe:
    """The recipe that a run was trained by; `without`, where a file of weights has none beside it."""
    return recipe_of(target, []) if target.is_dir() or saved_recipe(target).is_file() else without


def _differences(recipe: Recipe, baseline: Recipe) -> list[str]:
    """A sentence where more than the task tells the two trainings apart."""
    found = [f"{name} ({theirs} and {ours})" for name, theirs, ours in differences(vars(baseline), recipe, APART)]
    return [f"They differ in more than SCNet's task, and so may what they find: {', '.join(found)}."] if found else []

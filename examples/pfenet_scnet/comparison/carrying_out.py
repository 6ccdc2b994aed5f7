"""Train and evaluate one of the two runs; a run that is finished is taken as it is."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from data.image_list import ImageList
from evaluation.evaluator import evaluate
from evaluation.metrics import Evaluation
from evaluation.support_reliance import EVERY
from lightning_fabric import Fabric
from model.pfenet import PFENet
from recipe import Recipe
from reporting.pictures import draw_curves
from reporting.report import run_result, scores_of
from run_folder.contradictions import is_finished
from run_folder.weights import load_model
from runtime.atomic_files import write_text_atomically
from runtime.environment import environment
from runtime.json_files import read_object
from training.event_files import write_result
from training.fit import fit

from comparison.pairs import Pair


class Arm(NamedTuple):
    """A finished run: its recipe, its evaluation, and its result.json."""

    recipe: Recipe
    evaluation: Evaluation
    result: dict[str, Any]

    def model(self, fabric: Fabric) -> PFENet:
        """The weights that the run selected."""
        return load_model(Path(self.recipe.out), self.recipe).to(fabric.device)


def carry_out(pair: Pair, fabric: Fabric, images: ImageList) -> dict[str, Arm]:
    """Both runs of a seed, by the names of their columns.

    Raises:
        ValueError: they were not trained or not evaluated on the same episodes.
    """
    arms = {name: _carry_out(name, recipe, fabric, images) for name, recipe in pair.arms.items()}
    baseline, scnet = arms.values()
    for what in ("training_episodes_digest", "episodes_digest"):
        if baseline.result[what] != scnet.result[what]:
            raise ValueError(
                f"{what}: expected the same for both runs, got {baseline.result[what]} in {baseline.recipe.out} and "
                f"{scnet.result[what]} in {scnet.recipe.out}; the data changed between them: name a new folder with "
                "--out"
            )
    return arms


def _carry_out(name: str, recipe: Recipe, fabric: Fabric, images: ImageList) -> Arm:
    run = Path(recipe.out)
    if is_finished(recipe, run):
        print(f"\n{name}, seed {recipe.seed}: {run} is a finished run of this recipe and is not trained again")
        result = read_object(run / "result.json")
        return _evaluated(Arm(recipe, evaluate(load_model(run, recipe).to(fabric.device), recipe, images), result))
    print(f"\n{name}, seed {recipe.seed}: trained in {run}")
    _, training = fit(recipe, fabric)
    evaluation = evaluate(load_model(run, recipe).to(fabric.device), recipe, images, supports=EVERY)
    result = run_result(recipe, scores_of(recipe, [evaluation], images), training) | {"environment": environment()}
    draw_curves(run)
    write_text_atomically(run / "result.json", json.dumps(result, indent=2) + "\n")
    if recipe.tensorboard:
        write_result(run, result)
    return Arm(recipe, evaluation, result)


def _evaluated(arm: Arm) -> Arm:
    """Refuse a finished run whose evaluation list has changed since."""
    if arm.result["episodes_digest"] != arm.evaluation.digest:
        raise ValueError(
            f"data: expected the episodes {arm.result['episodes_digest']} that {arm.recipe.out} was evaluated on, got "
            f"{arm.evaluation.digest}; the list changed since: name a new folder with --out"
        )
    return arm

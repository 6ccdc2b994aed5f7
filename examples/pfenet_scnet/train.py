"""Train PFENet with SCNet's self-contrastive task, evaluate it on classes it never saw, and draw what it does.

python examples/pfenet_scnet/train.py                          # drawn scenes, SCNet
python examples/pfenet_scnet/train.py --weight 0               # the PFENet baseline on the same episodes
SELFCONTRAST_VOC=DIR python examples/pfenet_scnet/train.py     # photographs in VOC's layout
python examples/pfenet_scnet/train.py --resume true            # go on where a run stopped
python examples/pfenet_scnet/train.py --tensorboard true       # then, while it trains: tensorboard --logdir runs
python examples/pfenet_scnet/train.py --recipe pascal_resnet50 --fold 2 --shot 1            # a cell of the paper
torchrun --nproc-per-node 2 examples/pfenet_scnet/train.py --recipe pascal_resnet50        # the same on two GPUs
"""

import json
from pathlib import Path
from typing import Any

import runtime.requirements  # noqa: F401  Before all else: it says in one line what is not installed.
import torch
from evaluation.evaluator import evaluate
from evaluation.support_reliance import EVERY
from model.pfenet import PFENet
from recipe import Recipe, read_recipe
from reporting.pictures import draw_curves, draw_sheet
from reporting.report import report, run_result
from run_folder.weights import load_model, load_weights
from runtime.atomic_files import write_text_atomically
from runtime.command import run_command
from runtime.environment import environment
from training.event_files import write_result
from training.fit import fit, start_fabric


def train(recipe: Recipe) -> dict[str, Any] | None:
    """A whole run, from the data to the result; everything it writes lies in `recipe.out`.

    Of many processes only the first returns the result; the others return None when the training is done.
    """
    fabric = start_fabric(recipe.precision)
    model, training = fit(recipe, fabric)
    return _conclude(recipe, model, Path(recipe.out), training, fabric.device) if fabric.is_global_zero else None


def _conclude(
    recipe: Recipe, model: PFENet, run: Path, training: dict[str, Any], device: torch.device
) -> dict[str, Any]:
    """Evaluate the selected weights, compare with the paper, write the result, draw."""
    load_weights(run, model, recipe.select)
    images = recipe.evaluation_images()
    scores = report(recipe, [evaluate(model, recipe, images, supports=EVERY)], images)
    result = run_result(recipe, scores, training) | {"environment": environment()}
    write_text_atomically(run / "result.json", json.dumps(result, indent=2) + "\n")
    draw_curves(run)
    draw_sheet(run / "sheet.png", _columns(recipe, model, device), recipe, images)
    if recipe.tensorboard:
        write_result(run, result, run / "sheet.png")
    print(f"written: {run}/result.json, curves.png, sheet.png")
    return result


def _columns(recipe: Recipe, model: PFENet, device: torch.device) -> dict[str, PFENet]:
    """The sheet's models: the baseline, where one was trained, and this run's."""
    if recipe.weight == 0:
        return {"baseline": model}
    try:
        baseline = load_model(Path(recipe.baseline), recipe).to(device)
    except FileNotFoundError as error:
        print(f"the sheet has no baseline column ({error}); compare.py trains both and shows them side by side")
        return {"SCNet": model}
    return {"baseline": baseline, "SCNet": model}


def main(words: list[str]) -> None:
    """Train by the options of a command line."""
    train(read_recipe(words, __doc__))


if __name__ == "__main__":
    run_command(main)

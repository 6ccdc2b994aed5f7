"""Successes and failures side by side, chosen by rule: episodes at quantiles of what SCNet gains over the baseline.

SELFCONTRAST_VOC=DIR python experiments/sheet.py     # after the main study: WORK/sheet_foldN.png, RESULTS/sheets.json

One seed of the main study; all 1-shot episodes of a fold, sorted by the difference of the two models' IoU. The
pictures show other people's photographs: they stay in the work folder, their figures are kept.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from example_modules import ROOT

# isort: split
import torch
from checkpoint import load_weights
from environment import environment
from episodes import Episode, digest
from evaluate import episodes_of
from files import write_text_atomically
from grid import EPISODES, FOLDS, STUDIES
from kept_features import KeptFeatures
from pfenet import PFENet
from pictures import draw_episodes
from places import Places
from torch import Tensor
from trial import features_of, predictions

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
ARMS = ("PFENet", "SCNet")


class Shown(NamedTuple):
    """An episode and both models' IoU of it, in percent."""

    quantile: float
    episode: Episode
    baseline: float
    scnet: float


def chosen(episodes: list[Episode], baseline: list[float], scnet: list[float]) -> list[Shown]:
    """The episodes at `QUANTILES` of the difference; of equal ones the earlier stands first."""
    order = sorted(range(len(episodes)), key=lambda index: scnet[index] - baseline[index])
    places = [order[round(quantile * (len(order) - 1))] for quantile in QUANTILES]
    return [Shown(quantile, episodes[i], baseline[i], scnet[i]) for quantile, i in zip(QUANTILES, places, strict=True)]


def iou(prediction: Tensor, labels: Tensor, target: int) -> float:
    """Of the target, in percent, over labelled pixels; 100 where there is nothing to see and nothing seen.

    >>> iou(torch.tensor([True, True, True]), torch.tensor([3, 0, 255]), 3)
    50.0
    """
    truth, labelled = labels == target, labels != 255
    union = ((prediction | truth) & labelled).sum()
    return 100 * float((prediction & truth).sum() / union) if union else 100.0


def trained(places: Places, arm: str, fold: int, seed: int) -> PFENet:
    """An arm's model, from the weights that its run left in the work folder."""
    cell = STUDIES["main"].cells()[arm, fold, seed]
    model = places.recipe(cell).build_model()
    load_weights(places.run(cell) / "run", model)
    return model


def draw(places: Places, fold: int, seed: int) -> dict[str, Any]:
    """`sheet_foldN.png`, and what it shows in numbers."""
    recipe = places.recipe(STUDIES["main"].cells()[ARMS[-1], fold, seed])
    recipe.shot, recipe.episodes = 1, EPISODES["1"]
    models = {arm: trained(places, arm, fold, seed) for arm in ARMS}
    images = recipe.evaluation_images()
    kept = KeptFeatures(features_of(recipe, models[ARMS[-1]], images), images)
    episodes = episodes_of(recipe, images, recipe.novel_classes())
    scores: dict[str, list[float]] = {}
    for arm, model in models.items():
        each = predictions(model, recipe, kept, episodes)
        scores[arm] = [iou(prediction, labels, episode.novel_class) for episode, prediction, labels in each]
    shown = chosen(episodes, *scores.values())
    notes = [
        f"{images.class_names[one.episode.novel_class - 1]}\n{one.baseline:.0f} → {one.scnet:.0f}" for one in shown
    ]
    path = places.work / f"sheet_fold{fold}.png"
    draw_episodes(path, models, recipe, images, [one.episode for one in shown], notes)
    differences = torch.tensor(scores["SCNet"]) - torch.tensor(scores["PFENet"])
    return {
        "fold": fold,
        "seed": seed,
        "episodes": len(episodes),
        "episodes_digest": digest(images, episodes),
        "shown": [one._asdict() | {"episode": one.episode._asdict()} for one in shown],
        "mean_difference": differences.mean().item(),
        "share_better_percent": 100 * (differences > 0).float().mean().item(),
        "share_worse_percent": 100 * (differences < 0).float().mean().item(),
    }


def main(arguments: list[str] | None = None) -> None:
    """Choose and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("SELFCONTRAST_VOC"), help="photographs")
    parser.add_argument("--folds", type=int, nargs="+", default=FOLDS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/experiments"), help="where the main study was run")
    parser.add_argument("--results", type=Path, default=ROOT / "experiments" / "results")
    given = parser.parse_args(arguments)
    places = Places(given.work, given.results, Path(given.data) if given.data else None)
    sheets = [draw(places, fold, given.seed) for fold in given.folds]
    report = {"sheets": sheets, "environment": environment()}
    write_text_atomically(given.results / "sheets.json", json.dumps(report, indent=2) + "\n")
    print(f"written: {given.results}/sheets.json, {given.work}/sheet_fold*.png")


if __name__ == "__main__":
    main()

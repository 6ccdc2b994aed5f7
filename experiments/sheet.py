"""Successes and failures side by side, chosen by rule: episodes at quantiles of what SCNet gains over the baseline.

SELFCONTRAST_VOC=DIR python experiments/sheet.py                            # after the main study
python experiments/sheet.py --study dose --arm "SCNet, 25 % hidden"         # after the study on drawn scenes

One seed of an arm and of the arm it is compared with; all 1-shot episodes of a fold, sorted by the difference of the
two models' IoU. What is shown stands in RESULTS/sheet_STUDY.json. Sheets of drawn scenes, sheet_STUDY_foldN.jpg, lie
beside it; photographs are other people's, and stay in the work folder.
"""

import json
from typing import Any, NamedTuple

from running import example_modules  # noqa: F401

# isort: split
import torch
from data.episodes import Episode, digest
from evaluation.evaluator import episodes_of
from grid.cell import Cell
from grid.studies import STUDIES
from grid.study import EPISODES, FOLDS
from model.pfenet import PFENet
from reporting.pictures import draw_episodes
from run_folder.weights import load_weights
from running.folders import Folders, add_folders, named_folders
from running.kept_features import KeptFeatures
from running.trial import features_of, predictions
from runtime.atomic_files import write_text_atomically
from runtime.command import run_command
from runtime.environment import environment
from runtime.options import ExactParser
from torch import Tensor

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


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


def trained(folders: Folders, cell: Cell) -> PFENet:
    """The cell's model, from the weights that its run left in the work folder."""
    model = folders.recipe(cell).build_model()
    load_weights(folders.run(cell) / "run", model)
    return model


def draw(folders: Folders, study: str, arm: str, fold: int, seed: int) -> dict[str, Any]:
    """`sheet_STUDY_foldN.jpg`, and what it shows in numbers."""
    names = (STUDIES[study].compared[arm], arm)
    cells = {name: STUDIES[study].cells()[name, fold, seed] for name in names}
    models = {name: trained(folders, cell) for name, cell in cells.items()}
    recipe = folders.recipe(cells[arm])
    recipe.shot, recipe.episodes = 1, EPISODES["1"]
    images = recipe.evaluation_images()
    kept = KeptFeatures(features_of(recipe, models[arm], images), images)
    episodes = episodes_of(recipe, images, recipe.held_out_classes())
    baseline, scnet = (
        [iou(prediction, labels, episode.novel_class) for episode, prediction, labels in each]
        for each in (predictions(model, recipe, kept, episodes) for model in models.values())
    )
    shown = chosen(episodes, baseline, scnet)
    notes = [
        f"{images.class_names[one.episode.novel_class - 1]}\n{one.baseline:.0f} → {one.scnet:.0f}" for one in shown
    ]
    folder = folders.results if cells[arm].data != "photographs" else folders.work
    draw_episodes(
        folder / f"sheet_{study}_fold{fold}.jpg", models, recipe, images, [one.episode for one in shown], notes
    )
    differences = torch.tensor(scnet) - torch.tensor(baseline)
    return {
        "arms": names,
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
    parser = ExactParser(description=__doc__)
    parser.add_argument("--study", default="main", choices=STUDIES)
    parser.add_argument("--arm", default="SCNet", help="one that the study compares with another")
    parser.add_argument("--folds", type=int, nargs="+", default=FOLDS)
    parser.add_argument("--seed", type=int, default=0)
    add_folders(parser)
    given = parser.parse_args(arguments)
    compared = STUDIES[given.study].compared
    if given.arm not in compared:
        raise ValueError(
            f"arm: expected one of {', '.join(map(repr, compared))} for {given.study}, got {given.arm!r}; name another"
        )
    folders = named_folders(given)
    sheets = [draw(folders, given.study, given.arm, fold, given.seed) for fold in given.folds]
    report = {"sheets": sheets, "environment": environment()}
    path = folders.results / f"sheet_{given.study}.json"
    write_text_atomically(path, json.dumps(report, indent=2) + "\n")
    print(f"written: {path}, and sheet_{given.study}_fold*.jpg in {folders.results} (scenes) or {folders.work}")


if __name__ == "__main__":
    run_command(main)

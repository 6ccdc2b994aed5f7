"""Train and evaluate one cell, in this process: the result that its line holds.

python -m running.trial CELL.json --work DIR --results DIR --data DIR      # what the pool starts for each cell
"""

import argparse
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from running import example_modules  # noqa: F401

# isort: split
import torch
import torch.nn.functional as F
from data.episodes import Episode, digest
from data.image_list import ImageList
from evaluation.evaluator import episodes_of
from grid.cell import Cell
from grid.cell_store import add_cell
from grid.study import KNOWN_AS
from model.pfenet import Extracted, PFENet
from recipe import Recipe
from runtime.environment import environment
from torch import Tensor
from tqdm import tqdm
from training.feature_cache import FeatureCache, open_features
from training.fit import fit, start_fabric

from running.folders import Folders, add_folders, named_folders
from running.kept_features import KeptFeatures
from running.objectives import objective_of
from running.pixel_counts import Counts


def run_cell(cell: Cell, folders: Folders) -> None:
    """Write the cell's result, unless it is there; training goes on from the last checkpoint.

    Another process that works on the same cell, left over from a runner that was killed, is waited for.
    """
    run = folders.run(cell)
    run.mkdir(parents=True, exist_ok=True)
    with alone(run / "process"):
        if folders.result(cell) is None:
            add_cell(folders.results, cell, result_of(cell, folders))


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """One process at a time; the file names it. The system ends the lock with the process, however that ends."""
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def result_of(cell: Cell, folders: Folders) -> dict[str, Any]:
    """Train, evaluate, and say all that a table could ask of the cell."""
    started = time.monotonic()
    recipe = folders.recipe(cell)
    _check_task(cell, recipe)
    model, training = fit(recipe, start_fabric(recipe.precision), objective_of(cell.objective, recipe))
    trained = time.monotonic()
    images, classes = evaluated(cell, recipe)
    whole = recipe.evaluation_images()
    kept = KeptFeatures(features_of(recipe, model, whole).of(whole, images), images)
    evaluations = {
        shot: evaluate(model, replace(recipe, shot=int(shot), episodes=count), kept, classes)
        for shot, count in cell.episodes.items()
    }
    rows = [json.loads(line) for line in (Path(recipe.out) / "metrics.jsonl").read_text().splitlines()]
    seconds = {"training": trained - started, "evaluation": time.monotonic() - trained}
    return {
        "cell": asdict(cell),
        "evaluations": evaluations,
        "training": training,
        "losses": [{key: row[key] for key in ("step", "main_loss", "contrast_loss")} for row in thinned(rows)],
        # A cell that was stopped tells of its last start alone.
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "environment": environment(),
    }


def thinned(rows: list[Any]) -> list[Any]:
    """At most a hundred of a log's rows, at even distances: a result is kept for good.

    >>> len(thinned(list(range(6400)))), thinned([1, 2])
    (100, [1, 2])
    """
    return rows[:: -(-len(rows) // 100)]


def _check_task(cell: Cell, recipe: Recipe) -> None:
    """Under another default of the library the cell would not be what its digest says."""
    auxiliary = recipe.build_auxiliary()
    for name, value in cell.task.items():
        found = KNOWN_AS.get(getattr(auxiliary, name), getattr(auxiliary, name))
        if found != value:
            raise ValueError(
                f"task: expected the library's default {name}={value!r}, got {found!r}; set it in "
                "TASK of experiments/grid/study.py, which makes other cells"
            )


def evaluated(cell: Cell, recipe: Recipe) -> tuple[ImageList, list[int]]:
    """The images and classes of the evaluation; base classes are looked for where no novel object is shown."""
    images = recipe.evaluation_images()
    if cell.classes == "base":
        return images.without_novel(recipe.fold), images.base_classes(recipe.fold)
    return images, recipe.held_out_classes()


def features_of(recipe: Recipe, model: PFENet, images: ImageList) -> FeatureCache:
    """The cache of a whole list and of all classes, which serves every fold; computed if it is not there."""
    return open_features(recipe.features, model, images, list(range(1, len(images.class_names) + 1)), recipe.size)


def evaluate(model: PFENet, recipe: Recipe, kept: KeptFeatures, classes: list[int]) -> dict[str, Any]:
    """Scores and pixel counts over the recipe's episodes, as the example's evaluation has them."""
    episodes = episodes_of(recipe, kept.images, classes)
    counts = Counts(classes, recipe.held_out_classes())
    for episode, prediction, labels in predictions(model, recipe, kept, episodes):
        counts.update(prediction, labels, episode.novel_class)
    names = [kept.images.class_names[c - 1] for c in classes]
    return counts.report(names) | {"episodes": len(episodes), "episodes_digest": digest(kept.images, episodes)}


@torch.no_grad()
def predictions(
    model: PFENet, recipe: Recipe, kept: KeptFeatures, episodes: list[Episode]
) -> Iterator[tuple[Episode, Tensor, Tensor]]:
    """Each episode, where the model sees its class, and the class indices there, (s, s)."""
    model.eval()
    device = next(model.parameters()).device
    for batch in tqdm(_batches(episodes, recipe.batch), desc=f"{recipe.shot}-shot evaluation", unit=" batches"):
        extracted = Extracted(*(one.to(device) for one in kept.extracted(batch)))
        logits = model.segment(extracted, (recipe.size, recipe.size)).cpu()
        for margin, episode in zip(logits[:, 1:] - logits[:, :1], batch, strict=True):
            labels = kept.labels(episode.query)
            resized = F.interpolate(margin[None], labels.shape, mode="bilinear", align_corners=True)
            yield episode, resized[0, 0] > 0, labels


def _batches(episodes: list[Episode], size: int) -> list[list[Episode]]:
    return [episodes[start : start + size] for start in range(0, len(episodes), size)]


def main() -> None:
    """Run the cell that a file describes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cell", type=Path, help="a file with a cell's configuration")
    add_folders(parser)
    given = parser.parse_args()
    cell = Cell(**json.loads(given.cell.read_text()))
    run_cell(cell, named_folders(given))


if __name__ == "__main__":
    main()

"""Read one cell's kept weights under the yardstick of issue "5 of 7": the line of `results/yardstick/`.

python -m running.yardstick CELL.json --work DIR --results DIR --data DIR      # what the pool starts for each cell

A line has the curves over `OFFSETS` of novel classes, with each query's own supports, with supports of another class,
with empty ones and with five of its own; those of base classes, on held-out images that show no novel object; and the
offset that is best on base classes. Of a cell that is judged on base classes nothing of novel classes is read.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from running import example_modules  # noqa: F401

# isort: split
import torch
from data.episodes import Episode, digest
from evaluation.evaluator import episodes_of
from evaluation.margin_counts import Curves, MarginCounts, best_offset
from evaluation.support_reliance import EMPTY, EVERY, OTHER_CLASS, OWN, draw_lenders, without_supports
from grid.cell import Cell
from grid.cell_store import READ, add_cell
from model.pfenet import Extracted, PFENet
from prediction.margins import at_size, margins
from recipe import Recipe
from run_folder.weights import SELECTED, load_weights
from runtime.environment import environment
from tqdm import tqdm

from running.answers import answers
from running.folders import Folders, add_folders, named_folders
from running.kept_features import KeptFeatures
from running.trial import alone, features_of

# Episodes of one pass through the head.
BATCH = 8
# The answers are the mean over every so many of the episodes.
ANSWERED = 5
# Of base classes, and of five shots, half as many episodes as of novel classes in one shot.
HALF = 2


def weights_of(cell: Cell, folders: Folders) -> Path | None:
    """The file of a cell's trained weights; None where nothing is trained."""
    return folders.run(cell) / "run" / SELECTED[cell.recipe["select"]] if cell.recipe["steps"] else None


def read_cell(cell: Cell, folders: Folders) -> None:
    """Write the cell's line, unless it is there; another process that reads the same cell is waited for."""
    run = folders.run(cell)
    run.mkdir(parents=True, exist_ok=True)
    with alone(run / "reading"):
        if folders.result(cell, READ) is None:
            add_cell(folders.results, cell, line_of(cell, folders), READ)


def line_of(cell: Cell, folders: Folders) -> dict[str, Any]:
    """All that is read of a cell.

    Raises:
        FileNotFoundError: its weights are gone.
    """
    started = time.monotonic()
    recipe = folders.recipe(cell)
    model = recipe.build_model()
    whole = recipe.evaluation_images()
    # Before the weights are loaded: the cache is known by the backbone as it was when it was made.
    features = features_of(recipe, model, whole)
    weights = weights_of(cell, folders)
    if weights is not None:
        load_weights(weights, model)
    model.eval()
    part = whole.without_novel(recipe.fold)
    kept, kept_base = KeptFeatures(features, whole), KeptFeatures(features.of(whole, part), part)
    novel_classes, base_classes = recipe.held_out_classes(), whole.base_classes(recipe.fold)
    on_novel, count = cell.classes == "novel", cell.episodes["1"]
    one = replace(recipe, shot=1, episodes=count)
    five = replace(recipe, shot=5, episodes=max(count // HALF, 1))
    half = replace(one, episodes=max(count // HALF, 1) if on_novel else count)
    base_episodes = episodes_of(half, part, base_classes)
    base = curves_of(model, half, kept_base, base_episodes, base_classes, (OWN, OTHER_CLASS))
    novel = None
    if on_novel:
        episodes = episodes_of(one, whole, novel_classes)
        novel = curves_of(model, one, kept, episodes, novel_classes, EVERY)
        five_shot = episodes_of(five, whole, novel_classes)
        novel["own_5"] = curves_of(model, five, kept, five_shot, novel_classes, (OWN,))[OWN]
    asked = (kept, episodes) if on_novel else (kept_base, base_episodes)
    return {
        "cell": asdict(cell),
        "digest": cell.digest,
        "novel": _rounded(novel),
        "base": _rounded(base),
        "offset": best_offset(base[OWN]["miou"]),
        "answers": answers(model, asked[0], asked[1][::ANSWERED], recipe.size) if weights is not None else None,
        "episodes_digest": digest(*((whole, episodes) if on_novel else (part, base_episodes))),
        "environment": environment(),
        "seconds": round(time.monotonic() - started, 1),
    }


def _rounded(tree: Any) -> Any:
    """Scores to a thousandth of a point: a line is a third as long."""
    if isinstance(tree, dict):
        return {name: _rounded(one) for name, one in tree.items()}
    if isinstance(tree, list):
        return [_rounded(one) for one in tree]
    return round(tree, 3) if isinstance(tree, float) else tree


@torch.no_grad()
def curves_of(
    model: PFENet,
    recipe: Recipe,
    kept: KeptFeatures,
    episodes: Sequence[Episode],
    classes: list[int],
    kinds: Sequence[str],
) -> dict[str, Curves]:
    """The curves under each kind of supports; without another class to lend supports, that kind is left out."""
    lenders = draw_lenders(episodes, recipe.evaluation_seed) if OTHER_CLASS in kinds else None
    device = next(model.parameters()).device
    counts = {
        kind: MarginCounts(classes, recipe.held_out_classes(), device)
        for kind in kinds
        if kind != OTHER_CLASS or lenders
    }
    for start in tqdm(range(0, len(episodes), BATCH), desc=f"{recipe.shot}-shot reading", unit=" batches"):
        batch = episodes[start : start + BATCH]
        own = kept.extracted(batch)
        lent = kept.extracted(lenders[start : start + BATCH]) if lenders else None
        targets = torch.tensor([episode.novel_class for episode in batch])
        for kind, counted in counts.items():
            found = margins(model, _shown(own, lent, kind), recipe.size)
            for place, episode in enumerate(batch):
                labels = kept.labels(episode.query)
                counted.add(at_size(found[place], labels.shape)[None], labels[None], targets[place : place + 1])
    return {kind.replace(" ", "_"): counted.curves() for kind, counted in counts.items()}


def _shown(own: Extracted, lent: Extracted | None, kind: str) -> Extracted:
    """The queries of `own` with one kind of supports."""
    if kind == OTHER_CLASS and lent is not None:
        return lent._replace(mid=own.mid, high_level=own.high_level)
    return without_supports(own) if kind == EMPTY else own


def main() -> None:
    """Read the cell that a file describes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cell", type=Path, help="a file with a cell's configuration")
    add_folders(parser)
    given = parser.parse_args()
    read_cell(Cell(**json.loads(given.cell.read_text())), named_folders(given))


if __name__ == "__main__":
    main()

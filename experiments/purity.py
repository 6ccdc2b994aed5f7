"""How much of its region a hidden object fills: what the task teaches that a novel object's pixels look like.

SELFCONTRAST_VOC=DIR python experiments/purity.py

For training images that hide a novel object, seen from a cell of that object: which share of the region that it lies in
is hidden object, and not background. At 100 % its prototype is its own; at 10 % the task teaches that it matches
background. Without training; written to RESULTS/purity.json, which `assemble.py` reads.
"""

import json
from typing import Any

from running import example_modules  # noqa: F401

# isort: split
import torch
from data.image_list import ImageList
from data.masks import UNLABELLED
from data.transforms import read_square_truth
from grid.cell import Cell
from grid.studies import STUDIES
from grid.study import FOLDS
from jaxtyping import Bool
from running.folders import Folders, add_folders, named_folders
from running.trial import features_of
from runtime.atomic_files import write_text_atomically
from runtime.command import run_command
from runtime.environment import environment
from runtime.options import ExactParser
from torch import Tensor
from tqdm import tqdm
from training.feature_cache import FeatureCache

from selfcontrast import cosine_kmeans
from selfcontrast.prototypes import labelled_cells, remove_foreground, resize_nearest

COUNTS = (1, 2, 3, 5, 10)
# Of a fold, spread evenly over its list.
IMAGES = 150
# Name → the study and arm whose training images are looked at.
LOOKED_AT = {"photographs": ("main", "SCNet"), "scenes, 50 % hidden": ("dose", "SCNet, 50 % hidden")}


def purity(regions: Bool[Tensor, "B K h w"], hidden: Bool[Tensor, "B h w"]) -> float:
    """The share of hidden cells in the region of a hidden cell, in percent, averaged over the hidden cells of regions.

    Raises:
        ValueError: no hidden cell lies in a region.

    >>> regions = torch.tensor([[[[True, True, False]], [[False, False, True]]]])
    >>> purity(regions, torch.tensor([[[False, True, True]]]))
    75.0
    """
    own = (regions & hidden[:, None]).flatten(2).sum(2)
    if not own.any():
        raise ValueError("hidden: expected cells in some region, got none; look at more images, or at larger ones")
    return 100 * float((own * own / regions.flatten(2).sum(2).clamp(min=1)).sum() / own.sum())


def looked_at(folders: Folders, cell: Cell, counts: tuple[int, ...] = COUNTS, images: int = IMAGES) -> dict[str, Any]:
    """The purities of a fold, by the number of regions."""
    recipe = folders.recipe(cell)
    whole, part = recipe.listed_images(), recipe.training_images()
    cache = features_of(recipe, recipe.build_model(), whole).of(whole, part)
    high_level, masks, hidden = _hiding(cache, part, recipe.held_out_classes(), images)
    size = (high_level.shape[2], high_level.shape[3])
    regions = {
        count: remove_foreground(cosine_kmeans(high_level, count, valid=labelled_cells(masks, size)), masks, count)
        for count in counts
    }
    in_a_region = hidden & regions[counts[0]].any(1)
    return {
        "images": len(hidden),
        "cells": hidden[0].numel(),
        "hidden_cells": in_a_region.flatten(1).sum(1).float().mean().item(),
        "purity": {str(count): purity(of_count, hidden) for count, of_count in regions.items()},
    }


def _hiding(
    cache: FeatureCache, part: ImageList, novel: list[int], images: int
) -> tuple[Tensor, Tensor, Bool[Tensor, "B h w"]]:
    """High-level features, query masks of a base class, and the hidden cells, of images that show a novel object."""
    base = {index: c for index, c in sorted(cache.pair_rows, reverse=True) if c not in novel}
    truths = {index: read_square_truth(part.items[index]) for index in sorted(base)}
    hiding = [index for index, truth in truths.items() if torch.isin(truth, torch.tensor(novel)).any()]
    hiding = hiding[:: max(1, len(hiding) // images)][:images]
    # Kept with channels last.
    maps = torch.stack([cache.read("high_level", index, base[index], 0) for index in hiding])
    high_level = maps.movedim(-1, 1).float()
    size = (high_level.shape[2], high_level.shape[3])
    # Photographs differ in size; at 224 pixels, as in training, their masks stack.
    stacked = torch.stack([resize_nearest(truths[index], (224, 224)) for index in hiding]).long()
    target = torch.tensor([base[index] for index in hiding])[:, None, None]
    masks = torch.where(stacked == UNLABELLED, UNLABELLED, (stacked == target).long())
    return high_level, masks, torch.isin(resize_nearest(stacked, size), torch.tensor(novel))


def main(arguments: list[str] | None = None) -> None:
    """Look at every fold of both."""
    parser = ExactParser(description=__doc__)
    add_folders(parser)
    folders = named_folders(parser.parse_args(arguments))
    torch.manual_seed(0)
    rows = [
        {"data": data, "fold": fold} | looked_at(folders, STUDIES[study].cells()[arm, fold, 0])
        for data, (study, arm) in LOOKED_AT.items()
        for fold in tqdm(FOLDS, desc=data, unit=" folds")
    ]
    report = {"rows": rows, "environment": environment()}
    write_text_atomically(folders.results / "purity.json", json.dumps(report, indent=2) + "\n")
    print(f"written: {folders.results / 'purity.json'}")


if __name__ == "__main__":
    run_command(main)

"""What two models predict for the same pictures, and what SCNet's task makes of each.

Axes: h x w a picture, g x g the model's grid, which covers the picture and the padding that makes it a square.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import tee
from typing import NamedTuple

import torch
from data.transforms import evaluation_transform
from model.pfenet import PFENet
from recipe import Recipe
from torch import Tensor
from torchvision import tv_tensors

from prediction.segment import Support, segment
from selfcontrast.prototypes import foreground_cells

# A cell of the prototype map is a prototype of a region, up to the last digits of a float32.
SAME = 1e-4


class Task(NamedTuple):
    """SCNet's task on one picture, (g, g) each.

    Attributes:
        regions: the region of each cell of the background, -1 for the foreground and the padding.
        compared_with: the region whose prototype the cell is compared with, -1 where there is none.
        foreground: bool, the cells that are foreground.
    """

    regions: Tensor
    compared_with: Tensor
    foreground: Tensor


class Answer(NamedTuple):
    """A picture (3, h, w) uint8, the foreground (h, w) bool that each model finds, and the task, if it was trained."""

    picture: Tensor
    foregrounds: dict[str, Tensor]
    task: Task | None


def compare(
    models: Mapping[str, PFENet], supports: Sequence[Support], queries: Iterable[Tensor], recipe: Recipe
) -> Iterator[Answer]:
    """What each model finds in each query; the task is that of the last model, which the recipe trained.

    Args:
        models: by name, in eval mode.
        supports, queries: as `segment` takes them.

    Raises:
        ValueError: as `segment` does.
    """
    queries, *copies = tee(queries, 1 + len(models))
    pairs = zip(models.values(), copies, strict=True)
    found = [segment(model, supports, copy, recipe.size, recipe.batch) for model, copy in pairs]
    for query, *probabilities in zip(queries, *found, strict=True):
        foregrounds = {name: one > 0.5 for name, one in zip(models, probabilities, strict=True)}
        name, model = list(models.items())[-1]
        yield Answer(query, foregrounds, task_on(model, recipe, query, foregrounds[name]) if recipe.weight else None)


@torch.no_grad()
def task_on(model: PFENet, recipe: Recipe, picture: Tensor, foreground: Tensor) -> Task:
    """Regions and prototype map that the recipe's task makes of a picture with this foreground (h, w).

    The model is in eval mode. The same seed draws the same prototype for the foreground each time.
    """
    device = next(model.parameters()).device
    image, mask = evaluation_transform(recipe.size)(tv_tensors.Image(picture), tv_tensors.Mask(foreground.long()))
    image, mask = (part.as_subclass(Tensor)[None].to(device) for part in (image, mask))
    mid, layer3 = model.mid_level(image)
    features = model.down_query(mid)
    auxiliary = recipe.build_auxiliary(torch.Generator().manual_seed(recipe.seed))
    prepared = auxiliary.prepare(features, model.layer4(layer3), mask)
    inside, region = prepared.regions[0].byte().max(0)
    held = _held(prepared.prototype_map[0], prepared.prototypes[0], prepared.regions[0].flatten(1).any(1))
    cells = foreground_cells(mask, features.shape[2:])[0]
    return Task(torch.where(inside.bool(), region, -1).cpu(), held.cpu(), cells.cpu())


def _held(prototype_map: Tensor, prototypes: Tensor, exists: Tensor) -> Tensor:
    """Which of the prototypes (K, C) each cell of the map (C, g, g) holds, -1 where none."""
    cells = prototype_map.flatten(1).T.float()
    # With a matrix product the distance of equal vectors would not be 0.
    distances = torch.cdist(cells, prototypes, compute_mode="donot_use_mm_for_euclid_dist")
    nearest = distances.masked_fill(~exists, torch.inf).min(1)
    known = nearest.values <= SAME * prototypes.norm(dim=1).max()
    return torch.where(known, nearest.indices, -1).view(prototype_map.shape[1:])

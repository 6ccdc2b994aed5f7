"""Two further ways to draw training episodes, candidates of the study `regime`. Both begin with the usual draw.

A cell's recipe names them under `draw`, see grid/study.py.
"""

from collections.abc import Sequence

import numpy as np
import torch
from data.episodes import Episode
from data.image_list import ImageList
from recipe import Recipe
from torch import Tensor, nn

# One episode of so many gets a query of two classes, or a wrong support.
SECOND, TENTH = 2, 10
SUPPORTS = ("support_mid", "support_high_level", "support_masks")


def with_two_classes(
    images: ImageList, classes: Sequence[int], episodes: Sequence[Episode], seed: int
) -> list[Episode]:
    """The same episodes, but every second query is drawn from the images that show another of `classes` too.

    Both classes count from `min_pixels` pixels on. Classes and supports stay; where the new query is the support, the
    old query takes the support's place. An episode of a class that never stands beside another stays as it is.
    """
    random = np.random.default_rng([seed, 2])
    crowded = {
        c: [index for index in images.by_class[c] if _others(images, index, c, classes)]
        for c in {one.novel_class for one in episodes}
    }
    changed = list(episodes)
    for place in range(SECOND - 1, len(changed), SECOND):
        one = changed[place]
        if crowded[one.novel_class]:
            query = int(random.choice(crowded[one.novel_class]))
            supports = tuple(one.query if support == query else support for support in one.supports)
            changed[place] = Episode(one.novel_class, query, supports)
    return changed


def _others(images: ImageList, index: int, c: int, classes: Sequence[int]) -> bool:
    pixels = images.items[index].pixels
    return any(pixels.get(other, 0) >= images.min_pixels for other in classes if other != c)


def lenders(images: ImageList, episodes: Sequence[Episode], batch: int) -> list[int]:
    """For each episode the row of its batch whose supports it gets: its own, but for every tenth.

    That one takes those of the next episode in its batch, round and round, whose class its query does not show; its
    own, where there is none.
    """
    rows = [place % batch for place in range(len(episodes))]
    for place in range(TENTH - 1, len(episodes), TENTH):
        first, shown = place - place % batch, images.items[episodes[place].query].pixels
        others = [(place + step) % batch for step in range(1, batch)]
        rows[place] = next((row for row in others if episodes[first + row].novel_class not in shown), rows[place])
    return rows


class WrongSupports:
    """Called before a step's loss: every tenth query meets the support of a class that it does not show.

    Its target is then 0 at the object that it was drawn for and unlabelled elsewhere: an object is not foreground just
    for being one. The supports come from the same batch, see `lenders`, so that nothing else has to be read.

    Args:
        recipe: of cached features, whose batches are single forward passes.
    """

    def __init__(self, recipe: Recipe) -> None:
        images = recipe.training_images()
        self._rows = torch.tensor(lenders(images, recipe.training_episodes(images), recipe.batch))

    def __call__(self, _task: nn.Module, inputs: tuple[dict[str, Tensor]]) -> tuple[dict[str, Tensor]]:
        (batch,) = inputs
        mask = batch["mask"]
        self._rows = self._rows.to(mask.device)
        rows = self._rows[batch["index"]]
        wrong = (rows != torch.arange(len(rows), device=rows.device))[:, None, None]
        target = torch.where(wrong, torch.where(mask == 1, 0, 255), mask)
        return (batch | {name: batch[name][rows] for name in SUPPORTS} | {"mask": target},)

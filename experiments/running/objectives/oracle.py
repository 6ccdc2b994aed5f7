"""Perfect regions, as a probe: hidden novel objects lie in a region of their own, read off their masks.

No method: it takes labels of the novel classes that training must not have. It asks whether the task would do as the
paper says if its regions told hidden objects from background.
"""

import torch
from data.episodes import Episode
from data.transforms import read_square_truth
from jaxtyping import Bool, Int
from model.pfenet import PFENet
from recipe import Recipe
from torch import Tensor
from training.cached_episodes import draw_views
from training.episode_loss import Batch, EpisodeLoss, Losses

from selfcontrast import SelfContrastiveAuxiliary
from selfcontrast.prototypes import resize_nearest

# More than any feature grid here, and few enough to keep the masks of all training images.
SIDE = 56


class HiddenApart(SelfContrastiveAuxiliary):
    """Two regions: `hidden`, which is set before each step, and all other pixels."""

    hidden: Bool[Tensor, "B h w"]

    def _partition(self, high_level: Tensor, mask: Tensor, labelled: Bool[Tensor, "B h w"]) -> Int[Tensor, "B h w"]:
        return resize_nearest(self.hidden.long(), (labelled.shape[1], labelled.shape[2]))


class Oracle(EpisodeLoss):
    """The example's loss with `HiddenApart`, for cached training episodes of the recipe."""

    def __init__(self, recipe: Recipe, model: PFENet, auxiliary: SelfContrastiveAuxiliary) -> None:
        super().__init__(model, HiddenApart(2, auxiliary.weight, prior=auxiliary.prior))
        self._seed = recipe.seed
        self._novel = torch.tensor(recipe.held_out_classes())
        self._images = recipe.training_images()
        self._episodes = recipe.training_episodes(self._images)
        self._seen: dict[int, Tensor] = {}

    def forward(self, batch: Batch) -> Losses:
        self.auxiliary.hidden = torch.stack([self._hidden(index) for index in batch["index"].tolist()])
        return super().forward(batch)

    def _hidden(self, index: int) -> Bool[Tensor, "s s"]:
        """Of the query of the episode at that place, mirrored where the query was."""
        episode: Episode = self._episodes[index]
        if episode.query not in self._seen:
            truth = read_square_truth(self._images.items[episode.query])
            self._seen[episode.query] = torch.isin(resize_nearest(truth, (SIDE, SIDE)), self._novel)
        hidden = self._seen[episode.query]
        mirrored = draw_views(self._seed, index, 1 + len(episode.supports))[0]
        return hidden.flip(1) if mirrored else hidden

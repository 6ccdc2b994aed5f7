"""A few episodes in pictures, always the same ones, as the model sees them while it trains.

They are the first of the training, without augmentation, so no picture shows anything of the evaluation.
"""

from itertools import islice

import torch
from data.transforms import EpisodeDataset, displayable, evaluation_transform
from model.pfenet import Encoded, PFENet, upsample
from recipe import Recipe
from torch import Tensor
from torchvision.transforms import v2

from selfcontrast import SelfContrastiveAuxiliary
from selfcontrast.visualize import outline_mask, overlay_mask, show_contrast

COUNT = 3
# The longer side of a picture, in pixels: a run may have hundreds of checkpoints.
SIDE = 160


class ShownEpisodes:
    """Draws the episodes for the weights of the moment.

    Args:
        recipe: says which episodes are the first, and what the task is; with weight 0 there is none.
    """

    def __init__(self, recipe: Recipe) -> None:
        images = recipe.training_images()
        episodes = list(islice(recipe.training_episodes(images), COUNT))
        self._samples = EpisodeDataset(images, episodes, evaluation_transform(recipe.size))
        self._recipe = recipe

    @torch.no_grad()
    def pictures(self, model: PFENet) -> dict[str, Tensor]:
        """Pictures (3, h, w) uint8 by their names; the model's mode and the global generators stay as they were.

        `prediction/episode_N` shows the support and its mask, then the query with what the model finds and the truth's
        rim. `task/episode_N` is the row of `selfcontrast.visualize.show_contrast`.
        """
        was_training = model.training
        model.eval()
        found: dict[str, Tensor] = {}
        for place in range(len(self._samples)):
            sample = {name: value[None] for name, value in self._samples[place].items()}
            for name, picture in self._drawn(model, sample).items():
                found[f"{name}/episode_{place + 1}"] = picture
        model.train(was_training)
        return found

    def _drawn(self, model: PFENet, sample: dict[str, Tensor]) -> dict[str, Tensor]:
        device = next(model.parameters()).device
        query, supports, support_masks, mask = (
            sample[name].to(device) for name in ("query", "supports", "support_masks", "mask")
        )
        encoded = model.encode(query, supports, support_masks)
        logits = model.compare(encoded.features, encoded.prototype_map, encoded.prior)[0]
        prediction = upsample(logits, query.shape[2:]).argmax(1)[0].cpu()
        image, support = _small(sample["query"][0]), _small(sample["supports"][0, 0])
        marks, truth = sample["support_masks"][0, 0], sample["mask"][0]
        marked = [
            outline_mask(overlay_mask(support, marks), marks),
            outline_mask(overlay_mask(image, prediction), truth),
        ]
        drawn = {"prediction": torch.cat(marked, 2)}
        if self._recipe.weight > 0:
            drawn["task"] = self._task(model, encoded, mask, image)
        return drawn

    def _task(self, model: PFENet, encoded: Encoded, mask: Tensor, image: Tensor) -> Tensor:
        """The pass of the task, with draws that are the same at each checkpoint."""
        task: SelfContrastiveAuxiliary = self._recipe.build_auxiliary(torch.Generator().manual_seed(self._recipe.seed))
        contrast = task.contrast(encoded.features, encoded.high_level, mask, compare=model.compare, prior=encoded.prior)
        return show_contrast(image.to(mask.device), mask[0], contrast).cpu()


def _small(picture: Tensor) -> Tensor:
    """A normalised picture as bytes, at most `SIDE` pixels wide and high."""
    return v2.functional.resize(displayable(picture), [min(SIDE, picture.shape[1])], antialias=True)

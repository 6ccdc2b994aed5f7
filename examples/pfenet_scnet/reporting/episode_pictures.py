"""One episode in pictures: support, query, truth, what each model finds, with its IoU, and the task's regions."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from data.episodes import Episode
from data.image_list import ImageList, Item
from data.transforms import EpisodeDataset, read_pair
from evaluation.evaluator import predictions
from evaluation.metrics import count_pixels, foreground_iou
from evaluation.protocols import PROTOCOLS
from model.pfenet import PFENet
from recipe import Recipe
from torch import Tensor
from torchvision.transforms import v2

from selfcontrast import overlay_labels
from selfcontrast.visualize import overlay_mask

# The longer side of a picture, in pixels.
SIDE = 320
OPACITY = 0.65
# How bright a grey copy is: a white line must show on it.
DIMMED = 0.75


class EpisodePictures(NamedTuple):
    """Pictures (3, h, w) uint8 of one episode, without padding; a white line is the rim of a mask.

    Attributes:
        class_name: what is looked for.
        support: the first support; what its mask leaves out is grey.
        shots: how many supports there are.
        query: as it is; the pictures after it are laid over its grey copy.
        truth: where the class is; stripes are unlabelled, and count nowhere.
        predictions: model → what it calls foreground, with the truth's rim.
        iou: model → IoU in percent over labelled pixels; None where there is nothing to find and nothing found.
    """

    class_name: str
    support: Tensor
    shots: int
    query: Tensor
    truth: Tensor
    predictions: dict[str, Tensor]
    iou: dict[str, float | None]


def episode_pictures(
    models: dict[str, PFENet], recipe: Recipe, images: ImageList, episodes: Sequence[Episode]
) -> list[EpisodePictures]:
    """The pictures of some episodes, predicted as the evaluation predicts."""
    found = {
        name: list(predictions(model.eval(), recipe, images, episodes, f"pictures of {name}"))
        for name, model in models.items()
    }
    return [
        _pictures({name: found[name][place] for name in models}, recipe, images, episode)
        for place, episode in enumerate(episodes)
    ]


def region_pictures(model: PFENet, recipe: Recipe, images: ImageList, episodes: Sequence[Episode]) -> list[Tensor]:
    """Each query's regions of background, in a colour each, as pictures like those of `EpisodePictures`."""
    padded = PROTOCOLS[recipe.protocol].original_truth
    queries = [_shown(images.items[one.query], one.novel_class)[0] for one in episodes]
    found = region_labels(model, recipe, images, episodes)
    # The foreground has the first colour, and no region has it.
    return [
        _laid_over(grey(query), torch.where(regions >= 0, regions + 1, -1), padded)
        for query, regions in zip(queries, found, strict=True)
    ]


@torch.no_grad()
def region_labels(model: PFENet, recipe: Recipe, images: ImageList, episodes: Sequence[Episode]) -> list[Tensor]:
    """The query's regions of background, (h, w) on the features' grid: 0 .. n - 1, and -1 elsewhere."""
    dataset = EpisodeDataset(images, list(episodes), PROTOCOLS[recipe.protocol].transform(recipe.size))
    device = next(model.parameters()).device
    labels: list[Tensor] = []
    for sample in (dataset[place] for place in range(len(episodes))):
        query, supports, masks, mask = (
            sample[key][None].to(device) for key in ("query", "supports", "support_masks", "mask")
        )
        encoded = model.eval().encode(query, supports, masks)
        task = recipe.build_auxiliary(torch.Generator().manual_seed(recipe.seed))
        contrast = task.contrast(encoded.features, encoded.high_level, mask, compare=model.compare, prior=encoded.prior)
        inside, region = contrast.regions[0].byte().max(0)
        labels.append(torch.where(inside.bool(), region, -1).cpu())
    return labels


def grey(picture: Tensor) -> Tensor:
    """A dimmed copy of a picture (3, h, w) without its colours, so that colours laid over it stand out."""
    return (picture.float().mean(0, keepdim=True) * DIMMED).round().to(torch.uint8).expand(3, -1, -1)


def outlined(picture: Tensor, mask: Tensor, width: int = 1) -> Tensor:
    """A white line along the rim of a mask (h, w) on a picture (3, h, w) of the same size."""
    filled = F.pad(mask.float()[None, None], [width] * 4, mode="replicate")
    thickest, thinnest = (F.max_pool2d(sign * filled, 2 * width + 1, 1)[0, 0] * sign for sign in (1, -1))
    return torch.where(thickest > thinnest, 255, picture).to(torch.uint8)


def _pictures(
    found: dict[str, tuple[Tensor, Tensor]], recipe: Recipe, images: ImageList, episode: Episode
) -> EpisodePictures:
    padded = PROTOCOLS[recipe.protocol].original_truth
    query, mask = _shown(images.items[episode.query], episode.novel_class)
    support, support_mask = _shown(images.items[episode.supports[0]], episode.novel_class)
    truth, support_mask = mask == 1, support_mask == 1
    return EpisodePictures(
        images.class_names[episode.novel_class - 1],
        outlined(torch.where(support_mask, support, grey(support)), support_mask),
        len(episode.supports),
        query,
        outlined(overlay_mask(grey(query), mask, OPACITY), truth),
        {
            name: outlined(_laid_over(grey(query), prediction.cpu().long() - 1, padded), truth)
            for name, (prediction, _) in found.items()
        },
        {name: foreground_iou(count_pixels(*one)) for name, one in found.items()},
    )


def _shown(item: Item, novel_class: int) -> tuple[Tensor, Tensor]:
    """A picture (3, h, w) whose longer side is `SIDE`, and its mask (h, w) of 0, 1 and 255."""
    image, mask = v2.Resize(None, max_size=SIDE, antialias=True)(*read_pair(item, novel_class))
    return image.as_subclass(Tensor), mask.as_subclass(Tensor)


def _laid_over(picture: Tensor, labels: Tensor, padded: bool) -> Tensor:
    """Labels of the square that the model sees, on the picture; where it is `padded`, the picture lies top left."""
    if not padded:
        return overlay_labels(picture, labels, OPACITY)
    height, width = picture.shape[1:]
    side = max(height, width)
    square = F.pad(picture, [0, side - width, 0, side - height])
    return overlay_labels(square, labels, OPACITY)[:, :height, :width]

"""The yardstick, read on the device: how a cell scores with its own supports, with wrong ones and with none.

The figures and the episodes are those of `experiments/yardstick.py`. The truth has the size of the packed masks, where
the other one judges at the photographs' own size, so the two are not to be compared.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from data.episodes import Episode
from data.image_list import ImageList
from data.transforms import read_square_truth
from evaluation.evaluator import episodes_of
from evaluation.margin_counts import Curves, MarginCounts, best_offset
from evaluation.support_reliance import EMPTY, OTHER_CLASS, OWN, draw_lenders, without_supports
from model.pfenet import PFENet
from prediction.margins import margins
from recipe import Recipe
from torch import Tensor
from training.cached_episodes import cached

from gpu.device_features import DeviceFeatures

# Episodes of one pass through the head.
PORTION = 50


class EvaluationData(NamedTuple):
    """The evaluation list, with features and class indices (images, H, W), uint8, on the device."""

    images: ImageList
    features: DeviceFeatures
    labels: Tensor


def labels_of(images: ImageList, size: int, device: torch.device) -> Tensor:
    """Class indices of every image as its features have it, padded with 255, (images, size, size) uint8.

    Raises:
        ValueError: the pack's pictures have another size.
    """
    labels = [read_square_truth(item) for item in images.items]
    if len(labels[0]) != size:
        raise ValueError(
            f"size: expected the pack's {len(labels[0])} pixels, got {size}; write another pack with --size {size}"
        )
    return torch.stack(labels).to(device)


@torch.no_grad()
def read_cell(model: PFENet, recipe: Recipe, data: EvaluationData, episodes: dict[str, int]) -> dict[str, Any]:
    """A line's "novel", "base" and "offset".

    Args:
        model: in eval mode.
        recipe: says fold, evaluation seed and picture size.
        episodes: how many of the novel classes, by the number of shots; of base classes half as many as 1-shot.
    """
    novel, base = recipe.held_out_classes(), data.images.base_classes(recipe.fold)
    without_novel = data.images.without_novel(recipe.fold)
    one_shot = replace(recipe, shot=1, episodes=episodes["1"])
    five_shot = replace(recipe, shot=5, episodes=episodes["5"])
    half = replace(one_shot, episodes=max(episodes["1"] // 2, 1))
    of_novel = _read(model, one_shot, data, data.images, novel, (OWN, OTHER_CLASS, EMPTY))
    of_base = _read(model, half, data, without_novel, base, (OWN, OTHER_CLASS))
    five = _read(model, five_shot, data, data.images, novel, (OWN,))
    return {
        "novel": of_novel | {"own_5": five[OWN]},
        "base": of_base,
        "offset": best_offset(of_base[OWN]["miou"]),
    }


def _read(
    model: PFENet, recipe: Recipe, data: EvaluationData, images: ImageList, classes: list[int], kinds: Sequence[str]
) -> dict[str, Curves]:
    """Curves under each kind of supports, over the recipe's episodes on a part of the list."""
    places = {item.image: index for index, item in enumerate(data.images.items)}
    numbers = [places[item.image] for item in images.items]
    drawn = [
        Episode(one.novel_class, numbers[one.query], tuple(numbers[support] for support in one.supports))
        for one in episodes_of(recipe, images, classes)
    ]
    lenders = draw_lenders(drawn, recipe.evaluation_seed) if OTHER_CLASS in kinds else None
    curves: dict[str, Curves] = {}
    for kind in kinds:
        shown = lenders if kind == OTHER_CLASS else drawn
        if shown:
            counts = MarginCounts(classes, recipe.held_out_classes(), data.labels.device)
            for start in range(0, len(drawn), PORTION):
                part = slice(start, start + PORTION)
                _count(model, recipe, data, drawn[part], shown[part], kind, counts)
            curves[kind.replace(" ", "_")] = counts.curves()
    return curves


def _count(
    model: PFENet,
    recipe: Recipe,
    data: EvaluationData,
    drawn: Sequence[Episode],
    shown: Sequence[Episode],
    kind: str,
    counts: MarginCounts,
) -> None:
    """Add the queries of `drawn`, predicted with the supports of `shown`."""

    def on_device(values: list[Any]) -> Tensor:
        return torch.tensor(values, device=data.labels.device)

    queries, targets = on_device([one.query for one in drawn]), on_device([one.novel_class for one in drawn])
    supports = on_device([one.supports for one in shown])
    never_mirrored = supports.new_zeros(len(drawn), 1 + supports.shape[1])
    batch = data.features.batch(queries, supports, on_device([one.novel_class for one in shown]), never_mirrored)
    extracted = without_supports(cached(batch)) if kind == EMPTY else cached(batch)
    counts.add(margins(model, extracted, recipe.size)[:, 0], data.labels[queries], targets)

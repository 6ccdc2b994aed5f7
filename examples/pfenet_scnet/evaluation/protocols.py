"""Evaluation protocols of published code: how each draws episodes, prepares images and chooses the truth.

Every convention follows the code of PFENet, HSNet or BAM. Their random draws are not repeated, unless a docstring says
so. Scores under different protocols are not comparable.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from data.episodes import Episode, sample_episodes
from data.image_list import ImageList
from data.transforms import evaluation_transform, finish, square_truth
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

Draw = Callable[[ImageList, Sequence[int], int, int, int], list[Episode]]
PASSES = 10


@dataclass(frozen=True)
class Protocol:
    """One evaluation protocol.

    Attributes:
        draw: (list, classes, shot, seed, count) → episodes.
        transform: side in pixels → the transform of an image and its mask to a square of that side.
        original_truth: the truth keeps its original size, padded with 255 to a square; otherwise it is the
            transformed mask.
        episodes: how many, on PASCAL-5i and on COCO-20i.
        seeds: the evaluation is repeated for each of these.
    """

    draw: Draw
    transform: Callable[[int], v2.Transform]
    original_truth: bool
    episodes: tuple[int, int]
    seeds: tuple[int, ...]

    def truth(self, mask: Tensor, transformed: Tensor) -> Tensor:
        """The truth (h, w) that predictions are resized to and compared with, from the mask before and after the
        transform."""
        return square_truth(mask) if self.original_truth else transformed

    def count(self, images: ImageList) -> int:
        """The number of episodes on the data set of `images`."""
        return self.episodes[len(images.class_names) > 20]


def every_image(
    images: ImageList, classes: Sequence[int], shot: int, seed: int, count: int, passes: int | None = PASSES
) -> list[Episode]:
    """PFENet's episodes: images with a usable object in turn, each the query of any class that it shows, however small.

    Supports of an episode differ from one another and from the query. The list ends after `passes` over the images,
    even with fewer than `count` episodes.
    """
    usable = sorted({index for c in classes for index in images.by_class.get(c, [])})
    if not usable:
        raise ValueError(
            f"data: expected images with {images.min_pixels} pixels of a class among {list(classes)}, got none; "
            "lower min_pixels or add images"
        )
    random = np.random.default_rng([seed, shot])
    count = count if passes is None else min(count, passes * len(usable))
    episodes: list[Episode] = []
    for query in (usable[place % len(usable)] for place in range(count)):
        chosen = int(random.choice([c for c in classes if c in images.items[query].pixels]))
        others = _others(images, chosen, query, shot)
        episodes.append(Episode(chosen, query, tuple(random.choice(others, shot, replace=False).tolist())))
    return episodes


def bam_episodes(images: ImageList, classes: Sequence[int], shot: int, seed: int, count: int) -> list[Episode]:
    """BAM's episodes: PFENet's, with as many passes over the images as the count needs."""
    return every_image(images, classes, shot, seed, count, passes=None)


def every_pair(images: ImageList, classes: Sequence[int], shot: int, seed: int, count: int) -> list[Episode]:
    """HSNet's episodes: on PASCAL-5i the (image, class) pairs in turn, on COCO-20i a random class and a random query.

    Two supports of an episode may be the same image. Supports come from numpy's old generator, as in HSNet, so HSNet's
    list in its order gives HSNet's episodes.
    """
    random = np.random.RandomState(seed)
    pairs = sorted((index, c) for c in classes for index in images.by_class.get(c, []))
    if not pairs:
        raise ValueError(
            f"data: expected images with {images.min_pixels} pixels of a class among {list(classes)}, got none; "
            "lower min_pixels or add images"
        )
    episodes: list[Episode] = []
    for place in range(count):
        if len(images.class_names) > 20:
            chosen = int(random.choice(classes, 1, replace=False)[0])
            query = int(random.choice(images.by_class[chosen], 1, replace=False)[0])
        else:
            query, chosen = pairs[place % len(pairs)]
        _others(images, chosen, query, 1)
        supports: list[int] = []
        while len(supports) < shot:
            support = int(random.choice(images.by_class[chosen], 1, replace=False)[0])
            supports += [support] if support != query else []
        episodes.append(Episode(chosen, query, tuple(supports)))
    return episodes


def _others(images: ImageList, novel_class: int, query: int, needed: int) -> list[int]:
    others = [index for index in images.by_class.get(novel_class, []) if index != query]
    if len(others) < needed:
        raise ValueError(
            f"class {novel_class} ({images.class_names[novel_class - 1]}): expected {needed} images with "
            f"{images.min_pixels} pixels of it beside a query, got {len(others)}; lower min_pixels or shot, or add "
            "images"
        )
    return others


def black_padding(size: int) -> v2.Transform:
    """PFENet's and BAM's: round both sides down to multiples of 8, then pad with zeros, before normalising."""
    return v2.Compose([_ToMultiplesOf8(size), *finish()])


def squash(size: int) -> v2.Transform:
    """HSNet's: resize both sides to `size`, whatever the picture's shape."""
    return v2.Compose([v2.Resize((size, size), antialias=True), *finish()])


class _ToMultiplesOf8(v2.Transform):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def transform(self, inpt: Tensor, params: dict[str, object]) -> Tensor:
        longer = max(inpt.shape[-2:])
        # The longer side keeps `size` itself: an error of rounding could cost it 8 pixels.
        sides = (self.size if side == longer else int(side * self.size / longer) for side in inpt.shape[-2:])
        height, width = (side // 8 * 8 for side in sides)
        resized = v2.functional.resize(inpt, [height, width], antialias=False)
        fill = 255 if isinstance(inpt, tv_tensors.Mask) else 0
        return v2.functional.pad(resized, [0, 0, self.size - width, self.size - height], fill=fill)


# PFENet's loop runs one episode more than the 5,000 and 20,000 in its settings. BAM's code draws its five seeds from
# the seed 123.
PROTOCOLS = {
    "ours": Protocol(sample_episodes, evaluation_transform, True, (5_000, 20_000), (1000,)),
    "pfenet": Protocol(every_image, black_padding, True, (5_001, 20_001), (321,)),
    "hsnet": Protocol(every_pair, squash, False, (1_000, 1_000), (0,)),
    "bam": Protocol(bam_episodes, black_padding, True, (1_000, 1_000), (510, 365, 382, 322, 988)),
}

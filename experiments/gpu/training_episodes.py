"""The training episodes of cells that are trained side by side, drawn at once and kept on the device.

A cell's episodes follow the rule of `data.episodes.sample_episodes`: the class uniformly, then a query and another
image of it. The draws are others: one by one, a cell's 400,000 episodes would take the host a quarter of a minute.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from data.image_list import ImageList
from torch import Tensor
from training.episode_loss import Batch

from gpu.arms import LOSS_SIDE
from gpu.device_features import DeviceFeatures
from selfcontrast.prototypes import resize_nearest


class Schedule(NamedTuple):
    """Episodes in the order of the steps: class, query and support, all (N,), and whether each is mirrored, (N, 2).

    The indices point into the list that the episodes were drawn from.
    """

    classes: Tensor
    queries: Tensor
    supports: Tensor
    views: Tensor


def draw_schedule(images: ImageList, classes: Sequence[int], seed: int, count: int) -> Schedule:
    """`count` 1-shot episodes, a pure function of list, classes and seed.

    Raises:
        ValueError: a class has no two images.
    """
    pools = [np.array(images.by_class.get(c, [])) for c in classes]
    for c, pool in zip(classes, pools, strict=True):
        if len(pool) < 2:
            raise ValueError(
                f"class {c} ({images.class_names[c - 1]}): expected at least 2 images with {images.min_pixels} pixels "
                f"of it, got {len(pool)}; lower min_pixels or pack more images"
            )
    random = np.random.default_rng([seed, 1])
    sizes = np.array([len(pool) for pool in pools])
    starts, flat = np.cumsum(sizes) - sizes, np.concatenate(pools)
    chosen = random.integers(len(classes), size=count)
    query = random.integers(sizes[chosen])
    # From 1 to one less than all places further on: never the query itself, and every other image equally likely.
    support = (query + random.integers(1, sizes[chosen])) % sizes[chosen]
    drawn = np.array(classes)[chosen], flat[starts[chosen] + query], flat[starts[chosen] + support]
    return Schedule(*map(torch.from_numpy, drawn), torch.from_numpy(random.integers(2, size=(count, 2))))


class TrainingBatches:
    """The batches of cells side by side: a cell's episodes come together, and the cells one after the other.

    Args:
        features: of the training list.
        schedules: of each cell.
        size: episodes a step and cell.
    """

    def __init__(self, features: DeviceFeatures, schedules: Sequence[Schedule], size: int) -> None:
        self.features = features
        self.size = size
        self.schedule = Schedule(*(torch.stack(parts).to(features.device) for parts in zip(*schedules, strict=True)))

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step, with the query's mask at `LOSS_SIDE` pixels a side."""
        places = slice(step * self.size, (step + 1) * self.size)
        classes, queries, supports, views = (part[:, places].flatten(0, 1) for part in self.schedule)
        mask = self.features.masks(queries, classes, views[:, 0])
        return self.features.batch(queries, supports[:, None], classes, views) | {
            "mask": resize_nearest(mask, (LOSS_SIDE, LOSS_SIDE)).long(),
            "class": classes,
        }

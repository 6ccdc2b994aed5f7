"""What the frozen backbone makes of every training image, kept on disk: the head then trains without a backbone pass.

A cache is a folder of plain, memory-mapped .npy arrays that `feature_cache.py` wrote. Axes of an array: images or
(image, class) pairs, two views (the picture and its mirror image), rows, columns, channels.
"""

from collections.abc import Sequence
from copy import copy
from pathlib import Path

import numpy as np
import torch
from data.episodes import Episode, ImageList
from model.pfenet import Extracted
from torch import Tensor
from torch.utils.data import Dataset

CACHED_AUGMENTATION = "mirroring only: no crop, scale, rotation or blur, since features are cached"
BY_IMAGE = ("mid", "high_level")
BY_PAIR = ("support_high_level", "masks")


class FeatureCache:
    """Features by image and by (image, class) pair, read from `folder` as they are asked for.

    Args:
        folder: what `precompute.open_features` made.
        pairs: the (image, class) pairs in the arrays' order, images ascending.
    """

    def __init__(self, folder: Path, pairs: list[tuple[int, int]]) -> None:
        self.folder = folder
        self.pair_rows = {pair: row for row, pair in enumerate(pairs)}
        self.image_rows = {index: row for row, index in enumerate(dict(pairs))}
        # Copy on write: torch refuses arrays that nobody may write to, and nothing here writes.
        self.arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="c", allow_pickle=False) for name in BY_IMAGE + BY_PAIR
        }

    def of(self, whole: ImageList, part: ImageList) -> "FeatureCache":
        """The same features, numbered as in `part`, when this cache is of the `whole` list: one serves every fold."""
        places = {item.image: index for index, item in enumerate(whole.items)}
        numbered = copy(self)
        images = {places[item.image]: index for index, item in enumerate(part.items)}
        numbered.image_rows = {images[i]: row for i, row in self.image_rows.items() if i in images}
        numbered.pair_rows = {(images[i], c): row for (i, c), row in self.pair_rows.items() if i in images}
        return numbered

    def read(self, name: str, index: int, novel_class: int, view: int) -> Tensor:
        """An image's entry in one of the arrays, channels last; the class matters where entries are by pair."""
        row = self.image_rows[index] if name in BY_IMAGE else self.pair_rows[index, novel_class]
        return torch.from_numpy(self.arrays[name][row, view])


class CachedEpisodes(Dataset[dict[str, Tensor]]):
    """Episodes as `EpisodeDataset` gives them, with backbone features in the place of images.

    Query and supports are each mirrored half of the time, by (seed, place in the list) alone. There is no other
    augmentation: a crop or a rotation would need a backbone pass.
    """

    def __init__(self, cache: FeatureCache, episodes: Sequence[Episode], seed: int = 0) -> None:
        self.cache = cache
        self.episodes = episodes
        self.seed = seed

    def __len__(self) -> int:
        return len(self.episodes)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        episode = self.episodes[index]
        view, *views = draw_views(self.seed, index, 1 + len(episode.supports))

        def query(name: str) -> Tensor:
            return self.cache.read(name, episode.query, episode.novel_class, view)

        def supports(name: str) -> Tensor:
            shots = zip(episode.supports, views, strict=True)
            return torch.stack([self.cache.read(name, support, episode.novel_class, v) for support, v in shots])

        return {
            "mid": query("mid"),
            "high_level": query("high_level"),
            "support_mid": supports("mid"),
            "support_high_level": supports("support_high_level"),
            "support_masks": supports("masks"),
            "mask": query("masks").long(),
            "class": torch.tensor(episode.novel_class),
            "index": torch.tensor(index),
        }


def draw_views(seed: int, index: int, count: int) -> list[int]:
    """`count` views for the episode at place `index`, each of the two equally likely."""
    return np.random.default_rng([seed, index]).integers(2, size=count).tolist()


def cached(batch: dict[str, Tensor]) -> Extracted:
    """The features in a batch of `CachedEpisodes`, as the model takes it; channels come to the front without a copy."""
    maps = {name: batch[name].movedim(-1, -3) for name in Extracted._fields if name != "support_masks"}
    return Extracted(**maps, support_masks=batch["support_masks"])

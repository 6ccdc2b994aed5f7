"""Evaluation without a backbone pass: the cached features of the evaluation list, as they lie, never mirrored."""

from collections.abc import Sequence

import torch
from data.episodes import Episode
from data.image_list import ImageList
from data.transforms import read_square_truth
from model.pfenet import Extracted
from torch import Tensor
from training.cached_episodes import cached
from training.feature_cache import FeatureCache

PLAIN = 0  # The first of a cache's two views; the other is the mirror image.


class KeptFeatures:
    """What episodes of `images` show, read from a cache.

    Args:
        cache: of this very list, see `FeatureCache.of`.
    """

    def __init__(self, cache: FeatureCache, images: ImageList) -> None:
        self.cache = cache
        self.images = images
        self._labels: dict[int, Tensor] = {}

    def extracted(self, episodes: Sequence[Episode]) -> Extracted:
        """A batch of episodes as the model takes it."""

        def query(name: str) -> Tensor:
            return torch.stack([self.cache.read(name, e.query, e.novel_class, PLAIN) for e in episodes])

        def supports(name: str) -> Tensor:
            every = [self.cache.read(name, support, e.novel_class, PLAIN) for e in episodes for support in e.supports]
            return torch.stack(every).unflatten(0, (len(episodes), -1))

        return cached(
            {
                "mid": query("mid"),
                "high_level": query("high_level"),
                "support_mid": supports("mid"),
                "support_high_level": supports("support_high_level"),
                "support_masks": supports("masks"),
            }
        )

    def labels(self, index: int) -> Tensor:
        """Class indices of an image at its original size, padded with 255 to a square: (s, s) uint8."""
        if index not in self._labels:
            self._labels[index] = read_square_truth(self.images.items[index])
        return self._labels[index]

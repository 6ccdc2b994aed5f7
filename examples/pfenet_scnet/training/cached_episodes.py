"""Episodes of cached backbone features in the place of images: the head trains without a backbone pass."""

from collections.abc import Sequence

import numpy as np
import torch
from data.episodes import Episode
from model.pfenet import Extracted
from torch import Tensor
from torch.utils.data import Dataset

from training.feature_cache import FeatureCache

CACHED_AUGMENTATION = "mirroring only: no crop, scale, rotation or blur, since features are cached"


class CachedEpisodes(Dataset[dict[str, Tensor]]):
    """Episodes as `EpisodeDataset` gives them, with backbone features in the place of images.

    Query and supports are each mirrored half of the time, as the seed and the place in the list decide. There is no
    other augmentation: a crop or a rotation would need a backbone pass.
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

"""The frozen backbone's features of a whole list, in half precision on one device, gathered there by indices.

Axes: N episodes, S shots. Indices point into the list. They, classes and views are tensors on the device, so that no
gathering waits for the host.
"""

import torch
from data.image_list import ImageList
from torch import Tensor
from training.feature_cache import BY_IMAGE, BY_PAIR, FeatureCache


class DeviceFeatures:
    """What a `FeatureCache` holds, copied to the device once. Maps are stored as float16, masks as bytes.

    Args:
        cache: of this very list.
    """

    def __init__(self, cache: FeatureCache, images: ImageList, device: torch.device) -> None:
        self.device = device
        self.arrays = {name: _copied(torch.from_numpy(cache.arrays[name]), device) for name in BY_IMAGE + BY_PAIR}
        image_rows = torch.full((len(images.items),), -1)
        pair_rows = torch.full((len(images.items), len(images.class_names) + 1), -1)
        for index, row in cache.image_rows.items():
            image_rows[index] = row
        for pair, row in cache.pair_rows.items():
            pair_rows[pair] = row
        self.image_rows, self.pair_rows = image_rows.to(device), pair_rows.to(device)

    def batch(self, queries: Tensor, supports: Tensor, classes: Tensor, views: Tensor) -> dict[str, Tensor]:
        """Episodes as `CachedEpisodes` gives them, channels last in float32, without the query's mask.

        Args:
            queries: (N,).
            supports: (N, S).
            classes: (N,), which the supports show.
            views: (N, 1 + S), of the query and of each support.
        """
        classes = classes[:, None].expand_as(supports)
        return {
            "mid": self._of_images("mid", queries, views[:, 0]),
            "high_level": self._of_images("high_level", queries, views[:, 0]),
            "support_mid": self._of_images("mid", supports, views[:, 1:]),
            "support_high_level": self._of_pairs("support_high_level", supports, classes, views[:, 1:]).float(),
            "support_masks": self.masks(supports, classes, views[:, 1:]),
        }

    def masks(self, indices: Tensor, classes: Tensor, views: Tensor) -> Tensor:
        """Masks (..., H, W) of 0, 1 and 255, uint8, of a class in images that show it; all three of one shape (...)."""
        return self._of_pairs("masks", indices, classes, views)

    def _of_images(self, name: str, indices: Tensor, views: Tensor) -> Tensor:
        return self.arrays[name][self.image_rows[indices], views].float()

    def _of_pairs(self, name: str, indices: Tensor, classes: Tensor, views: Tensor) -> Tensor:
        return self.arrays[name][self.pair_rows[indices, classes], views]


def _copied(array: Tensor, device: torch.device) -> Tensor:
    """On the device; part by part, so that the wider floats never lie there whole."""
    if not array.is_floating_point():
        return array.to(device)
    copied = torch.empty(array.shape, dtype=torch.float16, device=device)
    for place in range(0, len(array), 256):
        copied[place : place + 256] = array[place : place + 256].to(device)
    return copied

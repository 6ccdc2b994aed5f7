"""Regions of the whole query, its object among them: what pairs of a pixel and a region's prototype are made of.

Axes: B images, C channels, h x w the feature grid, H x W the mask, K regions of background. Region K is the object.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from selfcontrast import SelfContrastiveAuxiliary, masked_average_pool
from selfcontrast.contrast import Prepared
from selfcontrast.prototypes import (
    foreground_cells,
    labelled_cells,
    place_prototypes,
    resize_nearest,
    unlabelled_pixels,
)


class OwnRegions(NamedTuple):
    """A query's regions and their prototypes.

    Attributes:
        regions: cells that each prototype is pooled from, disjoint; a region may be empty.
        prototypes: one a region, of zeros where it is empty.
        exists: which regions have a cell.
        labels: the region of every cell.
        of_pixels: the region of every pixel.
        unlabelled: pixels that are judged nowhere.
    """

    regions: Bool[Tensor, "B K+1 h w"]
    prototypes: Float[Tensor, "B K+1 C"]
    exists: Bool[Tensor, "B K+1"]
    labels: Int[Tensor, "B h w"]
    of_pixels: Int[Tensor, "B H W"]
    unlabelled: Bool[Tensor, "B H W"]

    def task(self, held: Int[Tensor, "B h w"]) -> Prepared:
        """A pass whose map holds the prototypes of the regions `held`.

        Its target is 1 at the pixels of the very region whose prototype stands there, and 0 at all others. A pixel is
        unlabelled where the mask is, and where the map holds a prototype of no cell.
        """
        size = (self.of_pixels.shape[1], self.of_pixels.shape[2])
        judged = self.exists.gather(1, held.flatten(1)).view(held.shape)
        judged = resize_nearest(judged, size) & ~self.unlabelled
        same = (resize_nearest(held, size) == self.of_pixels).long()
        prototype_map = place_prototypes(self.prototypes, held)
        return Prepared(torch.where(judged, same, 255), self.regions, self.prototypes, prototype_map, self.labels, held)


def own_regions(auxiliary: SelfContrastiveAuxiliary, features: Tensor, high_level: Tensor, mask: Tensor) -> OwnRegions:
    """SCNet's regions of background, and the object as one more.

    Args:
        features: (B, C, h, w), what prototypes are pooled from.
        high_level: (B, C̄, h̄, w̄), clustered.
        mask: (B, H, W) of 0, 1 and 255.
    """
    found = auxiliary.prepare(features, high_level, mask)
    count, size = found.regions.shape[1], (features.shape[2], features.shape[3])
    foreground = foreground_cells(mask, size)
    regions = torch.cat([found.regions, (foreground & labelled_cells(mask, size))[:, None]], 1)
    return OwnRegions(
        regions,
        masked_average_pool(features, regions),
        regions.flatten(2).any(2),
        torch.where(foreground, count, found.labels),
        torch.where(mask == 1, count, resize_nearest(found.labels, (mask.shape[1], mask.shape[2]))),
        unlabelled_pixels(mask),
    )

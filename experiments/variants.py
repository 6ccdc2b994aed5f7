"""Ways beyond the paper to make the task, each one change to SCNet.

Axes: B images, C channels, h x w the feature grid, N = h·w pixels, K regions.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from selfcontrast import SelfContrastiveAuxiliary, cosine_kmeans
from selfcontrast.auxiliary import Compare, Prepared, SelfContrast, check_logits
from selfcontrast.prototypes import foreground_cells, labelled_cells, masked_average_pool, resize_nearest

# How sharply a softmax of cosines tells regions apart.
TEMPERATURE = 0.1


class NegativeForEachPixel(SelfContrastiveAuxiliary):
    """Every foreground pixel draws a negative prototype of its own, where the paper draws one for an image."""

    def prepare(self, features: Tensor, high_level: Tensor, mask: Tensor, **given: Any) -> Prepared:
        prepared = super().prepare(features, high_level, mask, **given)
        exists = _exists(prepared)
        # An image without a prototype draws one of its zeros.
        chances = exists + (~exists.any(1, keepdim=True))
        drawn = torch.multinomial(chances.float(), prepared.prototype_map[0, 0].numel(), replacement=True)
        return _with_negatives(prepared, mask, _held(prepared.prototypes, drawn))


class EveryNegative(SelfContrastiveAuxiliary):
    """The comparison sees K maps, in each of which the foreground holds another prototype."""

    def contrast(
        self,
        features: Tensor,
        high_level: Tensor,
        mask: Tensor,
        compare: Compare,
        *,
        prior: Tensor | None = None,
        support: tuple[Tensor, Tensor] | None = None,
    ) -> SelfContrast:
        prepared = self.prepare(features, high_level, mask, support=support)
        exists, pixels = _exists(prepared), prepared.prototype_map[0, 0].numel()
        maps: list[Tensor] = []
        for region in range(exists.shape[1]):
            negatives = _held(prepared.prototypes, torch.full_like(exists[:, :1], region, dtype=torch.long))
            every = _with_negatives(prepared, mask, negatives.expand(-1, -1, pixels)).prototype_map
            # Where the image has no such region, the map stays as it was drawn.
            maps.append(torch.where(exists[:, region, None, None, None], every, prepared.prototype_map))
        extras = () if prior is None else (self.counter_prior(prior).repeat(len(maps), 1, 1, 1),)
        logits = compare(features.repeat(len(maps), 1, 1, 1), torch.cat(maps), *extras)
        check_logits(logits, len(maps) * len(features))
        return SelfContrast(logits, prepared.target.repeat(len(maps), 1, 1), *prepared[1:])


class BackgroundClusters(SelfContrastiveAuxiliary):
    """Only the background's pixels are clustered, where the paper clusters all and removes the foreground."""

    def _partition(self, high_level: Tensor, mask: Tensor, size: tuple[int, int]) -> Int[Tensor, "B h w"]:
        valid = _background(mask, high_level)
        return resize_nearest(cosine_kmeans(high_level, self.num_prototypes, valid=valid), size)


class CountBySeparation(SelfContrastiveAuxiliary):
    """Each image has as many regions, from 2 to `num_prototypes`, as tells its clusters apart best."""

    def _partition(self, high_level: Tensor, mask: Tensor, size: tuple[int, int]) -> Int[Tensor, "B h w"]:
        valid = labelled_cells(mask, (high_level.shape[2], high_level.shape[3]))
        counts = range(2, self.num_prototypes + 1)
        labels = torch.stack([cosine_kmeans(high_level, count, valid=valid) for count in counts])
        separations = [separation(high_level, one, count, valid) for one, count in zip(labels, counts, strict=True)]
        best = torch.stack(separations).argmax(0)
        return resize_nearest(labels[best, torch.arange(len(best))], size)


def separation(high_level: Tensor, labels: Tensor, count: int, valid: Tensor) -> Float[Tensor, " B"]:
    """The simplified silhouette: how much nearer, relatively, pixels are to their own centre than to the next one."""
    members = F.one_hot(labels, count).movedim(3, 1) * valid[:, None]
    units = F.normalize(high_level.flatten(2), dim=1)
    centres = F.normalize(masked_average_pool(units.view_as(high_level), members), dim=2)
    distances = (1 - centres @ units).clamp(min=0)
    own = distances.gather(1, labels.flatten(1)[:, None])[:, 0]
    other = distances.scatter(1, labels.flatten(1)[:, None], torch.inf).amin(1)
    silhouettes = (other - own) / torch.maximum(other, own).clamp(min=1e-6)
    return (silhouettes * valid.flatten(1)).sum(1) / valid.flatten(1).sum(1).clamp(min=1)


class SoftAssignment(SelfContrastiveAuxiliary):
    """Each background pixel holds a mixture of prototypes, by its cosines with the regions' high-level means."""

    def prepare(self, features: Tensor, high_level: Tensor, mask: Tensor, **given: Any) -> Prepared:
        prepared = super().prepare(features, high_level, mask, **given)
        size = (features.shape[2], features.shape[3])
        units = F.normalize(F.interpolate(high_level, size, mode="nearest-exact").flatten(2), dim=1)
        means = F.normalize(masked_average_pool(units.view(*units.shape[:2], *size), prepared.regions), dim=2)
        cosines = (means @ units).masked_fill(~_exists(prepared)[..., None], -1e9)
        shares = (cosines / TEMPERATURE).softmax(1)
        pooled = masked_average_pool(features, shares.view(*shares.shape[:2], *size) * prepared.regions.any(1)[:, None])
        mixed = (pooled.transpose(1, 2) @ shares).view_as(prepared.prototype_map).to(features.dtype)
        background = prepared.regions.any(1)[:, None]
        return prepared._replace(
            prototypes=pooled, prototype_map=torch.where(background, mixed, prepared.prototype_map)
        )


class PulledPrior(SelfContrastiveAuxiliary):
    """The prior mask becomes each pixel's high-level cosine with the region whose prototype it holds, over 0..1."""

    def prepare(self, features: Tensor, high_level: Tensor, mask: Tensor, **given: Any) -> Prepared:
        size, channels = features.shape[2:], features.shape[1]
        resized = F.interpolate(high_level, size, mode="nearest-exact")
        # Pooled and drawn together, both levels of a pixel hold the same region.
        both = super().prepare(torch.cat([features, resized], 1), high_level, mask, **given)
        held, held_high = both.prototype_map.split([channels, resized.shape[1]], 1)
        cosines = F.cosine_similarity(resized, held_high, dim=1).flatten(1)
        low, high = cosines.amin(1, keepdim=True), cosines.amax(1, keepdim=True)
        self._pulled = ((cosines - low) / (high - low + 1e-7)).view(-1, 1, *size)
        return both._replace(prototypes=both.prototypes[..., :channels], prototype_map=held)

    def counter_prior(self, prior: Tensor) -> Tensor:
        return self._pulled.expand_as(prior)


VARIANTS = {
    "a negative for each pixel": NegativeForEachPixel,
    "every negative": EveryNegative,
    "background clusters": BackgroundClusters,
    "count by separation": CountBySeparation,
    "soft assignment": SoftAssignment,
    "pulled prior": PulledPrior,
}


def _exists(prepared: Prepared) -> Tensor:
    return prepared.regions.flatten(2).any(2)


def _background(mask: Tensor, high_level: Tensor) -> Tensor:
    size = (high_level.shape[2], high_level.shape[3])
    return labelled_cells(mask, size) & ~foreground_cells(mask, size)


def _held(prototypes: Float[Tensor, "B K C"], index: Int[Tensor, "B N"]) -> Float[Tensor, "B C N"]:
    return prototypes.gather(1, index[..., None].expand(-1, -1, prototypes.shape[2])).transpose(1, 2)


def _with_negatives(prepared: Prepared, mask: Tensor, negatives: Float[Tensor, "B C N"]) -> Prepared:
    """The map with other prototypes in the foreground."""
    before = prepared.prototype_map
    foreground = foreground_cells(mask, (before.shape[2], before.shape[3]))[:, None]
    return prepared._replace(prototype_map=torch.where(foreground, negatives.reshape(before.shape), before))

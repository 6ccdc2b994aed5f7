"""Lloyd's algorithm on unit vectors: assign every pixel to its nearest centre, move each centre to its pixels' mean.

Axes: B images, C channels, N pixels, K clusters.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from selfcontrast.clustering.feature_matrix import FeatureMatrix
from selfcontrast.errors import values_are_free, values_of
from selfcontrast.index_grids import numbers


class Lloyd:
    """Pixels to be put into K clusters.

    Args:
        weights: 1/‖x‖ of the pixels that count, 0 of the others, which get a label but move no centre.
    """

    def __init__(self, pixels: FeatureMatrix, weights: Float[Tensor, "B N"], num_clusters: int) -> None:
        self.pixels = pixels
        self.weights = weights
        self._usable = (weights > 0)[:, None]
        self._unusable = ~self._usable
        self._clusters = numbers(num_clusters, weights)[:, None]

    def move(self, centres: Float[Tensor, "B K C"], iterations: int) -> Float[Tensor, "B K C"]:
        """The centres, unit vectors or zero, after so many iterations from the given ones."""
        if iterations == 0:
            return centres
        labels = self.assign(centres)
        sums = self.pixels.sums(self._shares(labels))
        for _ in range(iterations - 1):
            before, labels = labels, self.assign(normalise(sums))
            if values_are_free(labels) and not any(values_of((before != labels).any())):
                break
            sums = self._follow(sums, before, labels)
        return normalise(sums)

    def assign(self, centres: Float[Tensor, "B K C"]) -> Int[Tensor, "B N"]:
        """Label each pixel with its nearest centre, then give every empty cluster a pixel."""
        # The largest product with a unit centre is the largest cosine: the pixels need no normalising.
        # A zero centre stands for no direction, so nothing is near it.
        lost = (centres == 0).all(2, keepdim=True)
        if values_are_free(centres) and not any(values_of(lost)):
            labels = self._nearest(centres)
            if all(values_of(self._members(labels).any(2))):
                return labels
        best, labels = self.pixels.similarities(centres).masked_fill(lost, -torch.inf).max(1)
        return self._fill_empty(labels, best * self.weights)

    def _nearest(self, centres: Float[Tensor, "B K C"]) -> Int[Tensor, "B N"]:
        """The nearest centre of each pixel, by how far each centre is ahead of the last one: a row less to multiply."""
        ahead = self.pixels.similarities(centres[:, :-1] - centres[:, -1:])
        return F.pad(ahead, (0, 0, 0, 1)).max(1).indices

    def _members(self, labels: Int[Tensor, "B N"]) -> Bool[Tensor, "B K N"]:
        """The pixels of each cluster that count."""
        return (labels[:, None] == self._clusters) & self._usable

    def _shares(self, labels: Int[Tensor, "B N"]) -> Float[Tensor, "B K N"]:
        """The weight of each pixel in each cluster: 1/‖x‖ stands for normalised pixels."""
        return (labels[:, None] == self._clusters) * self.weights[:, None]

    def _follow(
        self, sums: Float[Tensor, "B K C"], before: Int[Tensor, "B N"], labels: Int[Tensor, "B N"]
    ) -> Float[Tensor, "B K C"]:
        """The clusters' sums after some pixels changed theirs."""
        shares = self._shares(labels)
        if not values_are_free(shares):
            return self.pixels.sums(shares)
        # Soon few pixels change, and reading those is all there is to do; each image decides for itself.
        changed = before != labels
        counts = values_of(changed.sum(1))
        whole = self.pixels.sums(shares) if max(counts) > self.pixels.few else sums
        differences = shares - self._shares(before)
        followed: list[Tensor] = []
        for image, count in enumerate(counts):
            if count > self.pixels.few:
                followed.append(whole[image])
            else:
                index = changed[image].byte().topk(count).indices
                difference = differences[image].index_select(1, index)
                followed.append(sums[image] + difference @ self.pixels.of(image, index))
        return torch.stack(followed)

    def _fill_empty(self, labels: Int[Tensor, "B N"], cosines: Float[Tensor, "B N"]) -> Int[Tensor, "B N"]:
        """Hand an image's worst-served pixels to its empty clusters, never another cluster's best-served one."""
        members = self._members(labels)
        empty = ~members.any(2)
        best_served = cosines[:, None].masked_fill(~members, -torch.inf).max(2).indices
        free = cosines.masked_fill(self._unusable[:, 0], torch.inf)
        # Where an empty cluster has no best-served pixel, it keeps none.
        kept = torch.full_like(cosines[:, :1], torch.inf).expand_as(best_served).masked_fill(empty, -torch.inf)
        free = free.scatter_reduce(1, best_served, kept, "amax")
        service, worst = free.topk(len(self._clusters), dim=1, largest=False)
        rank = (empty.cumsum(1) - 1).clamp(min=0)
        takes = empty & (service.gather(1, rank) < torch.inf)
        # A cluster that takes nothing writes a label where it stands already.
        target = torch.where(empty, worst.gather(1, rank), best_served)
        label = torch.where(takes, self._clusters[:, 0], labels.gather(1, target))
        return labels.scatter(1, target, label)


def normalise(centres: Float[Tensor, "B K C"]) -> Float[Tensor, "B K C"]:
    """Centres of length 1; a zero one stays."""
    norms = centres.square().sum(2, keepdim=True).sqrt()
    return centres / norms.clamp(min=torch.finfo(centres.dtype).tiny)

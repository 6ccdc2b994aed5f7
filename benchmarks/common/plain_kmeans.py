"""References for the clustering: Lloyd in float64, the k-means one would write first, and the objective."""

import torch
import torch.nn.functional as F
from torch import Tensor


def exact_labels(features: Tensor, centres: Tensor, iterations: int) -> Tensor:
    """Labels (B, N) of spherical Lloyd in float64, one assignment after the last move; an empty cluster is an error."""
    return torch.stack(
        [_exact(image.double(), own.double(), iterations) for image, own in zip(features, centres, strict=True)]
    )


def _exact(image: Tensor, centres: Tensor, iterations: int) -> Tensor:
    pixels = F.normalize(image.flatten(1), dim=0)
    labels = (centres @ pixels).argmax(0)
    for _ in range(iterations):
        members = F.one_hot(labels, len(centres)).T.double()
        if not members.any(1).all():
            raise RuntimeError("centres: expected no empty cluster on the way, got one; take another seed")
        centres = F.normalize(members @ pixels.T, dim=1)
        labels = (centres @ pixels).argmax(0)
    return labels


def einsum_kmeans(features: Tensor, centres: Tensor, iterations: int) -> Tensor:
    """Labels (B, N) in the plain way: normalise every pixel, compare and average by einsum."""
    pixels = F.normalize(features.flatten(2), dim=1)
    for _ in range(iterations):
        members = F.one_hot(torch.einsum("bkc,bcn->bkn", centres, pixels).argmax(1), centres.shape[1]).to(pixels.dtype)
        means = torch.einsum("bnk,bcn->bkc", members, pixels) / members.sum(1).clamp(min=1)[:, :, None]
        centres = F.normalize(means, dim=2)
    return torch.einsum("bkc,bcn->bkn", centres, pixels).argmax(1)


def objectives(features: Tensor, labels: Tensor) -> Tensor:
    """Mean cosine distance (B,) of an image's pixels to their cluster's mean direction, in float64; labels (B, N)."""
    return torch.stack([_distance(image.double(), own) for image, own in zip(features, labels, strict=True)])


def _distance(image: Tensor, labels: Tensor) -> Tensor:
    pixels = F.normalize(image.flatten(1), dim=0)
    members = F.one_hot(labels.long()).T.double()
    # The cosines of a cluster's pixels with its mean direction add up to the length of their sum.
    return 1 - (members @ pixels.T).norm(dim=1).sum() / pixels.shape[1]

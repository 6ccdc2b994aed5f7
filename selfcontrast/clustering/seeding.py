"""First centres of the k-means: pixels of the image, drawn.

Axes: B images, C channels, N pixels, K clusters.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from selfcontrast.clustering.feature_matrix import FeatureMatrix
from selfcontrast.sampling import pick

Seeding = Literal["random", "k-means++", "farthest-first"]
SEEDINGS: tuple[Seeding, ...] = get_args(Seeding)


def first_centres(
    pixels: FeatureMatrix, weights: Float[Tensor, "B N"], uniforms: Float[Tensor, "B K"], seeding: Seeding
) -> Float[Tensor, "B K C"]:
    """Distinct pixels as unit centres; a centre that finds no pixel left is zero, and so comes out empty.

    Args:
        weights: 1/‖x‖ of the pixels that may be drawn, 0 of the others.
    """
    centres: list[Tensor] = []
    left, nearest = weights > 0, torch.full_like(weights, -1.0)
    for step, uniform in enumerate(uniforms.unbind(1)):
        index = _next_seed(left, nearest, uniform, "random" if step == 0 else seeding)
        found = left.gather(1, index[:, None])
        centres.append(pixels.one_each(index) * weights.gather(1, index[:, None]) * found)
        left = left.scatter(1, index[:, None], False)
        if seeding != "random" and step + 1 < uniforms.shape[1]:
            nearest = torch.maximum(nearest, pixels.similarities(centres[-1][:, None])[:, 0] * weights)
    return torch.stack(centres, dim=1)


def _next_seed(
    left: Bool[Tensor, "B N"], nearest: Float[Tensor, "B N"], uniform: Float[Tensor, " B"], seeding: Seeding
) -> Int[Tensor, " B"]:
    """The pixel that comes next, given the cosine of each to the `nearest` centre so far."""
    if seeding == "farthest-first":
        return torch.where(left, nearest, torch.inf).min(1).indices
    # On unit vectors the squared distance of k-means++ is twice the cosine distance.
    chances = (1 - nearest).clamp(min=0) if seeding == "k-means++" else torch.ones_like(nearest)
    return pick(chances * left, uniform)

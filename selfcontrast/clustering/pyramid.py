"""Regions by place only: the spatial pyramid that the paper compares k-means with (Table 6).

Axes: B images, C channels, h x w the feature grid.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from selfcontrast.errors import check_count, check_features, require


def spatial_pyramid(features: Tensor, bins: int) -> Int[Tensor, "B h w"]:
    """Divide the grid into bins x bins cells, the alternative to k-means of Table 6.

    Args:
        features: (B, C, h, w); only its shape is used.
        bins: cells along each side, at most the shorter side of the grid.

    Returns:
        Labels in 0..bins²−1, int64, row by row.

    Raises:
        InputError: on another rank, or on bins out of range.

    Source: SCNet, section 4.4.

    >>> import torch
    >>> spatial_pyramid(torch.ones(1, 8, 2, 4), 2)[0]
    tensor([[0, 0, 1, 1],
            [2, 2, 3, 3]])
    """
    check_features(features, "features")
    check_count(bins, 1, "bins")
    batch, _, height, width = features.shape
    shorter = min(height, width)
    require(1 <= bins <= shorter, "bins", f"1 to {shorter} for a {height} x {width} grid", bins, "use fewer bins")
    rows = torch.arange(height, device=features.device) * bins // height
    columns = torch.arange(width, device=features.device) * bins // width
    return (rows[:, None] * bins + columns).expand(batch, height, width)

"""What a log must say, as slow loops over pixels: from logits, from each pixel's region and from the query's mask.

Axes: B images, h x w the feature grid, H x W the mask, K regions.
"""

from collections.abc import Sequence
from math import floor, nan

import numpy as np
import reference
from numpy.typing import NDArray
from torch import Tensor


def slow_log(
    losses: tuple[float, float],
    weight: float,
    logits: Sequence[Tensor],
    labels: Tensor,
    mask: Tensor,
    count: int,
    align_corners: bool = True,
) -> dict[str, float]:
    """The log of a step with these L1 and L2, of a pass with these logits (B, 2, ·, ·) and labels (B, h, w)."""
    judged, right, pixels = 0, [0] * len(logits), 0
    sizes: list[list[float]] = []
    for image, truth in enumerate(mask.numpy()):
        grid = labels[image].numpy()
        regions = reference.remove_foreground(grid, truth, count)
        sizes.append(sorted((float(np.mean(region)) for region in regions), reverse=True))
        has = has_prototype(regions, grid, truth)
        scores = [resized(one[image].detach().double().numpy(), *truth.shape, align_corners) for one in logits]
        for place in np.ndindex(*truth.shape):
            pixels += 1
            if truth[place] == 255 or not has[place]:
                continue
            judged += 1
            for index, score in enumerate(scores):
                # The pass is asked for the complement: background is its class 1.
                says_background = score[(1, *place)] > score[(0, *place)]
                right[index] += says_background == (truth[place] == 0)
    log = {"main_loss": losses[0], "contrast_loss": losses[1], "blended_loss": reference.blend(*losses, weight)}
    log |= {"judged": judged / pixels, "agreement": sum(right) / len(right) / judged if judged else nan}
    log["empty_regions"] = sum(size == 0 for own in sizes for size in own) / (len(sizes) * count)
    return log | {f"region_{k + 1}": sum(own[k] for own in sizes) / len(sizes) for k in range(count)}


def has_prototype(regions: NDArray, grid: NDArray, truth: NDArray) -> NDArray:
    """(H, W): whether the map holds a prototype there; foreground holds one of any region of the image."""
    exists = [bool(region.any()) for region in regions]
    cells = np.array([[exists[label] for label in row] for row in grid])
    cells[reference.resize(truth, *grid.shape) == 1] = any(exists)
    return reference.resize(cells, *truth.shape)


def resized(image: NDArray, height: int, width: int, align_corners: bool) -> NDArray:
    """(C, height, width), bilinearly."""
    if align_corners:
        return reference.bilinear(image, height, width)
    result = np.zeros((len(image), height, width))
    last = (image.shape[1] - 1, image.shape[2] - 1)
    for i, j in np.ndindex(height, width):
        y = max((i + 0.5) * image.shape[1] / height - 0.5, 0)
        x = max((j + 0.5) * image.shape[2] / width - 0.5, 0)
        top, left = floor(y), floor(x)
        bottom, right = min(top + 1, last[0]), min(left + 1, last[1])
        above = image[:, top, left] * (1 - x + left) + image[:, top, right] * (x - left)
        below = image[:, bottom, left] * (1 - x + left) + image[:, bottom, right] * (x - left)
        result[:, i, j] = above * (1 - y + top) + below * (y - top)
    return result

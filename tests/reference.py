"""Eq. 4 to 9 of SCNet as slow loops over one image at a time, in float64 and without torch.

Axes of one image: (C, h, w) features, (H, W) mask, (K, C) centres and prototypes.
"""

from math import ceil, exp, floor, inf, log, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def unit(vector: Floats) -> Floats:
    length = sqrt(sum(float(value) ** 2 for value in vector))
    return vector / length if length > 0 else np.zeros_like(vector)


def kmeans(features: Floats, init: Floats, iterations: int, valid: Bools | None = None) -> Ints:
    """Labels (h, w) of Lloyd's algorithm on unit vectors, from the given centres (Eq. 4)."""
    channels, height, width = features.shape
    pixels = [unit(features[:, i, j]) for i in range(height) for j in range(width)]
    usable = [bool(np.any(pixel)) for pixel in pixels]
    if valid is not None:
        usable = [use and bool(ok) for use, ok in zip(usable, valid.reshape(-1), strict=True)]
    centres = [unit(centre) for centre in init]
    for _ in range(iterations):
        labels = assign(pixels, usable, centres)
        for k in range(len(centres)):
            total = np.zeros(channels)
            for pixel, use, label in zip(pixels, usable, labels, strict=True):
                if use and label == k:
                    total += pixel
            centres[k] = unit(total)
    return np.array(assign(pixels, usable, centres)).reshape(height, width)


def assign(pixels: list[Floats], usable: list[bool], centres: list[Floats]) -> list[int]:
    """Nearest centre by cosine, a zero one near nothing; then the empty clusters take a pixel each, in order.

    It is the worst-served pixel still free, and the best-served one of a cluster in use is never free.
    """
    cosines = [[float(pixel @ centre) if np.any(centre) else -inf for centre in centres] for pixel in pixels]
    labels = [max(range(len(centres)), key=row.__getitem__) for row in cosines]
    served = [row[label] for row, label in zip(cosines, labels, strict=True)]
    members = {k: [i for i, label in enumerate(labels) if label == k and usable[i]] for k in range(len(centres))}
    kept = {max(inside, key=served.__getitem__) for inside in members.values() if inside}
    free = sorted((i for i in range(len(pixels)) if usable[i] and i not in kept), key=served.__getitem__)
    for k, inside in members.items():
        if not inside and free:
            labels[free.pop(0)] = k
    return labels


def objective(features: Floats, labels: Ints, valid: Bools | None = None) -> float:
    """The sum of cosine distances from each valid pixel to the mean direction of its cluster."""
    total = 0.0
    for k in np.unique(labels):
        inside = labels == k if valid is None else (labels == k) & valid
        directions = [unit(pixel) for pixel in features[:, inside].T]
        if directions:
            centre = unit(np.sum(directions, axis=0))
            total += sum(1 - float(direction @ centre) for direction in directions)
    return total


def nearest(i: int, old: int, new: int) -> int:
    """The old cell that the centre of new cell i falls in."""
    return min(floor((i + 0.5) * old / new), old - 1)


def resize(grid: NDArray, height: int, width: int) -> NDArray:
    rows = [nearest(i, grid.shape[0], height) for i in range(height)]
    columns = [nearest(j, grid.shape[1], width) for j in range(width)]
    return np.array([[grid[row, column] for column in columns] for row in rows])


def labelled(mask: Ints, height: int, width: int) -> Bools:
    """False for each cell of the grid that overlaps a pixel of 255."""
    result = np.ones((height, width), dtype=bool)
    for i in range(height):
        for j in range(width):
            rows = range(floor(i * mask.shape[0] / height), ceil((i + 1) * mask.shape[0] / height))
            columns = range(floor(j * mask.shape[1] / width), ceil((j + 1) * mask.shape[1] / width))
            result[i, j] = all(mask[row, column] != 255 for row in rows for column in columns)
    return result


def pyramid(height: int, width: int, bins: int) -> Ints:
    return np.array([[(i * bins // height) * bins + j * bins // width for j in range(width)] for i in range(height)])


def remove_foreground(labels: Ints, mask: Ints, num_clusters: int) -> Bools:
    """(K, h, w): the background pixels of each region (Eq. 5)."""
    height, width = labels.shape
    foreground, known = resize(mask, height, width) == 1, labelled(mask, height, width)
    result = np.zeros((num_clusters, height, width), dtype=bool)
    for i in range(height):
        for j in range(width):
            if known[i, j] and not foreground[i, j]:
                result[labels[i, j], i, j] = True
    return result


def pool(features: Floats, regions: Bools) -> Floats:
    """(K, C): the mean over each region, zeros where there is nothing to average (Eq. 6)."""
    result = np.zeros((len(regions), len(features)))
    for k, region in enumerate(regions):
        inside = [features[:, i, j] for i in range(region.shape[0]) for j in range(region.shape[1]) if region[i, j]]
        if inside:
            result[k] = sum(inside) / len(inside)
    return result


def expand(prototypes: Floats, regions: Bools, labels: Ints, foreground: Bools, drawn: int) -> Floats:
    """(C, h, w): the prototype map, given the negative that was drawn (Eq. 7)."""
    height, width = labels.shape
    result = np.zeros((prototypes.shape[1], height, width))
    for i in range(height):
        for j in range(width):
            held = drawn if foreground[i, j] else int(labels[i, j])
            if regions[held].any():
                result[:, i, j] = prototypes[held]
    return result


def bilinear(image: Floats, height: int, width: int) -> Floats:
    """(C, height, width), corners aligned."""
    result = np.zeros((len(image), height, width))
    for i in range(height):
        for j in range(width):
            y = i * (image.shape[1] - 1) / max(height - 1, 1)
            x = j * (image.shape[2] - 1) / max(width - 1, 1)
            top, left = min(floor(y), image.shape[1] - 1), min(floor(x), image.shape[2] - 1)
            bottom, right = min(top + 1, image.shape[1] - 1), min(left + 1, image.shape[2] - 1)
            above = image[:, top, left] * (1 - x + left) + image[:, top, right] * (x - left)
            below = image[:, bottom, left] * (1 - x + left) + image[:, bottom, right] * (x - left)
            result[:, i, j] = above * (1 - y + top) + below * (y - top)
    return result


def cross_entropy(logits: list[Floats], targets: list[Ints]) -> float:
    """The mean over the labelled pixels of the whole batch, 0 without any (Eq. 9)."""
    losses: list[float] = []
    for image, target in zip(logits, targets, strict=True):
        for i in range(target.shape[0]):
            for j in range(target.shape[1]):
                if target[i, j] != 255:
                    values = [float(value) for value in image[:, i, j]]
                    losses.append(log(sum(exp(value) for value in values)) - values[int(target[i, j])])
    return sum(losses) / len(losses) if losses else 0.0


def complement(mask: Ints) -> Ints:
    """1 − M, where 255 stays 255."""
    return np.array([[255 if value == 255 else 1 - value for value in row] for row in mask])


def blend(main_loss: float, auxiliary_loss: float, weight: float) -> float:
    return (1 - weight) * main_loss + weight * auxiliary_loss

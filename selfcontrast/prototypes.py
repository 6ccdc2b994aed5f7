"""From regions to the prototype map: foreground removal (Eq. 5), masked average pooling (Eq. 6), expansion (Eq. 7).

Axes: B images, C channels, H x W the mask, h x w the feature grid, N = h·w pixels, K regions.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from selfcontrast.errors import (
    check_batch,
    check_count,
    check_map,
    check_mask,
    check_tensors,
    require,
    values_are_free,
    values_of,
)
from selfcontrast.index_grids import nearest_cells, numbers
from selfcontrast.precision import at_least_float32, autocast_off
from selfcontrast.sampling import uniforms


def labelled_cells(mask: Tensor, size: tuple[int, int]) -> Bool[Tensor, "B h w"]:
    """Cells of a feature grid under which every pixel of the mask is labelled.

    Args:
        mask: (B, H, W), labelled where it is 0 or 1.
        size: (h, w) of the grid.

    >>> import torch
    >>> labelled_cells(torch.tensor([[[0, 1, 0, 255]]]), (1, 2))
    tensor([[[ True, False]]])
    """
    _check_rank(mask)
    return wholly_labelled(unlabelled_pixels(mask), size)


def unlabelled_pixels(mask: Tensor) -> Bool[Tensor, "B H W"]:
    """Pixels of a mask that are neither 0 nor 1."""
    # Only 0 and 1 are their own squares: two operations, where comparing with each takes three.
    return mask * mask != mask


def wholly_labelled(unlabelled: Tensor, size: tuple[int, int]) -> Bool[Tensor, "B h w"]:
    """Cells of a grid under which no pixel is unlabelled."""
    pixels = unlabelled.float()[:, None]
    if pixels.device.type == "mps":
        # Up to torch 2.13 MPS pools other windows than these where the sizes do not divide (pytorch issue 190064).
        return (F.adaptive_max_pool2d(pixels.cpu(), size)[:, 0] == 0).to(pixels.device)
    return F.adaptive_max_pool2d(pixels, size)[:, 0] == 0


def foreground_cells(mask: Tensor, size: tuple[int, int]) -> Bool[Tensor, "B h w"]:
    """Cells of a feature grid whose nearest pixel of the mask is foreground: a blurred mask would leak.

    Args:
        mask: (B, H, W), foreground where it is 1.
        size: (h, w) of the grid.

    >>> import torch
    >>> foreground_cells(torch.tensor([[[0, 0, 0, 1, 1, 1]]]), (1, 2))
    tensor([[[False,  True]]])
    """
    _check_rank(mask)
    return resize_nearest(mask, size) == 1


def resize_nearest(grid: Tensor, size: tuple[int, int]) -> Tensor:
    """Labels or masks, (..., H, W), at another size by their nearest value.

    >>> import torch
    >>> resize_nearest(torch.tensor([[[3, 7]]]), (2, 4))
    tensor([[[3, 3, 7, 7],
             [3, 3, 7, 7]]])
    """
    height, width = grid.shape[-2:]
    if (height, width) == tuple(size):
        return grid
    rows, columns = nearest_cells(height, size[0], grid), nearest_cells(width, size[1], grid)
    return grid[..., rows[:, None], columns]


def remove_foreground(
    labels: Tensor, mask: Tensor, num_clusters: int, ignore_index: int = 255
) -> Bool[Tensor, "B K h w"]:
    """Reduce each region to its background: M̄_k ← M̄_k − M̄_k ∩ M (Eq. 5).

    A cell belongs to no region when its nearest mask pixel is foreground, or when any pixel under it is unlabelled.

    Args:
        labels: (B, h, w), integers in 0..K−1, as `cosine_kmeans` gives them.
        mask: (B, H, W) of 0 background, 1 foreground and `ignore_index` unlabelled, of any size.
        num_clusters: K.
        ignore_index: the value of unlabelled pixels.

    Returns:
        One mask a region. A region that lay wholly in the foreground comes out empty.

    Raises:
        InputError: on another rank, another batch or, on a CPU, other values in the mask.

    >>> import torch
    >>> labels, mask = torch.tensor([[[0, 1, 1]]]), torch.tensor([[[0, 0, 1]]])
    >>> remove_foreground(labels, mask, 2)[0].int()
    tensor([[[1, 0, 0]],
    <BLANKLINE>
            [[0, 1, 0]]], dtype=torch.int32)
    """
    _check_labels(labels)
    check_count(num_clusters, 1, "num_clusters")
    check_mask(mask, labels.shape[0], ignore_index)
    size = (labels.shape[1], labels.shape[2])
    return regions_of(labels, labelled_cells(mask, size), foreground_cells(mask, size), num_clusters)


def regions_of(labels: Tensor, labelled: Tensor, foreground: Tensor, num_clusters: int) -> Bool[Tensor, "B K h w"]:
    """The cells of each region that are labelled and not foreground, all (B, h, w)."""
    # Of bools: labelled and not foreground, in one operation.
    background = labelled > foreground
    return _one_hot(labels, num_clusters) & background[:, None]


def _one_hot(labels: Tensor, count: int) -> Bool[Tensor, "B K h w"]:
    return labels[:, None] == numbers(count, labels)[:, None, None]


def masked_average_pool(features: Tensor, masks: Tensor) -> Float[Tensor, "B K C"]:
    """The mean feature of the pixels under each mask (Eq. 1 and Eq. 6), summed in float32.

    Args:
        features: (B, C, h, w); the gradient flows into them.
        masks: (B, K, h, w), bool or weights of at least 0.

    Returns:
        One prototype a mask, float32 or wider; an empty mask gives zeros.

    Raises:
        InputError: on another rank, on unlike sizes and, on a CPU outside a graph, on NaN or infinite features.

    >>> import torch
    >>> masked_average_pool(torch.tensor([[[[1.0, 3.0, 9.0]]]]), torch.tensor([[[[True, True, False]]]]))
    tensor([[[2.]]])
    """
    check_map(features, "features")
    check_tensors(masks=masks)
    expected = (features.shape[0], masks.shape[1] if masks.dim() == 4 else "K", *features.shape[2:])
    require(
        tuple(masks.shape) == expected,
        "masks",
        f"the shape {expected}",
        tuple(masks.shape),
        "resize the masks to the feature grid",
    )
    if masks.is_floating_point() and values_are_free(masks):
        (least,) = values_of(masks.detach().min()) if masks.numel() else (0,)
        require(
            least >= 0, "masks", "weights of at least 0", f"{least:.3g}", "look at the arguments' order: features first"
        )
    with autocast_off(features.device):
        pixels = at_least_float32(features).flatten(2)
        weights = masks.flatten(2).to(pixels.dtype)
        total = weights.sum(2, keepdim=True)
        return (weights @ pixels.transpose(1, 2)) / total.clamp(min=torch.finfo(total.dtype).tiny)


def expand_prototypes(
    prototypes: Tensor,
    regions: Tensor,
    labels: Tensor,
    foreground: Tensor | None = None,
    *,
    generator: Generator | None = None,
) -> Float[Tensor, "B C h w"]:
    """The prototype map E(p_1, …, p_K) of Eq. 7.

    Every pixel outside the foreground holds the prototype of its own region: the positive pairs. All foreground pixels
    of an image hold one prototype, drawn uniformly from those the image has: the negative pairs. A region without a
    pixel has no prototype; a pixel that could only hold such a one holds zeros.

    Args:
        prototypes: (B, K, C), as `masked_average_pool` gives them; the gradient flows into them.
        regions: (B, K, h, w) bool, the pixels that each prototype was pooled from, on any grid.
        labels: (B, h, w), the region of every pixel of the map.
        foreground: (B, h, w) bool; by default the pixels that lie in no region.
        generator: source of the negatives; not inside a compiled graph, where `torch.manual_seed` serves.

    Raises:
        InputError: on another rank or on shapes that do not fit.

    >>> import torch
    >>> prototypes = torch.tensor([[[1.0], [2.0]]])
    >>> regions = torch.tensor([[[[True, False, False]], [[False, False, False]]]])
    >>> expand_prototypes(prototypes, regions, torch.tensor([[[0, 0, 1]]]))
    tensor([[[[1., 1., 1.]]]])
    """
    _check_labels(labels)
    batch = _check_prototypes(prototypes, regions, labels)
    if foreground is None:
        foreground = ~regions.any(1)
    check_tensors(foreground=foreground)
    require(
        foreground.shape == labels.shape and foreground.dtype == torch.bool,
        "foreground",
        f"bool of the shape {tuple(labels.shape)} of the labels",
        f"{foreground.dtype} of shape {tuple(foreground.shape)}",
        "resize it to the grid of the labels and compare it to get a bool, or leave it out",
    )
    exists = regions.flatten(2).any(2)
    held = held_prototypes(labels, foreground, exists, uniforms((batch,), prototypes, generator))
    return place_prototypes(torch.where(exists[:, :, None], prototypes, 0.0), held)


def held_prototypes(
    labels: Int[Tensor, "B h w"],
    foreground: Bool[Tensor, "B h w"],
    exists: Bool[Tensor, "B K"],
    uniform: Float[Tensor, " B"],
) -> Int[Tensor, "B h w"]:
    """Whose prototype each cell of the map holds: its own region's, in the foreground one drawn from those that exist.

    Where none exists the last one stands for it.
    """
    count = exists.cumsum(1, dtype=uniform.dtype)
    drawn = torch.searchsorted(count, uniform[:, None] * count[:, -1:], right=True).clamp(max=exists.shape[1] - 1)
    return torch.where(foreground, drawn[:, :, None], labels)


def place_prototypes(prototypes: Float[Tensor, "B K C"], held: Int[Tensor, "B h w"]) -> Float[Tensor, "B C h w"]:
    """Each cell's prototype at its place (Eq. 7); those of regions without a pixel are zeros."""
    choice = _one_hot(held, prototypes.shape[1]).flatten(2).to(prototypes.dtype)
    with autocast_off(prototypes.device):
        expanded = prototypes.transpose(1, 2) @ choice
    return expanded.view(len(held), -1, *held.shape[1:])


def _check_rank(mask: Tensor) -> None:
    check_tensors(mask=mask)
    fix = "drop the channel dimension with mask[:, 0] or add the batch with mask[None]"
    require(mask.dim() == 3, "mask", "a mask of shape (B, H, W)", tuple(mask.shape), fix)


def _check_labels(labels: Tensor) -> None:
    check_tensors(labels=labels)
    require(
        labels.dim() == 3 and not labels.is_floating_point(),
        "labels",
        "integers of shape (B, h, w)",
        f"{labels.dtype} of shape {tuple(labels.shape)}",
        "pass the labels that cosine_kmeans returned",
    )


def _check_prototypes(prototypes: Tensor, regions: Tensor, labels: Tensor) -> int:
    check_tensors(prototypes=prototypes, regions=regions)
    require(
        prototypes.dim() == 3,
        "prototypes",
        "the shape (B, K, C)",
        tuple(prototypes.shape),
        "pass what masked_average_pool returned",
    )
    batch, num_clusters, _ = prototypes.shape
    check_batch(labels, batch, "labels")
    require(
        regions.dim() == 4 and tuple(regions.shape[:2]) == (batch, num_clusters),
        "regions",
        f"the shape ({batch}, {num_clusters}, h, w)",
        tuple(regions.shape),
        "pass the masks that the prototypes were pooled from",
    )
    return batch

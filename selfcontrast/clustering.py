"""Regions of a feature map: cosine k-means (Eq. 4) and the spatial pyramid that the paper compares it with (Table 6).

Axes: B images, C channels, h x w the feature grid, N = h·w pixels, K clusters.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from selfcontrast.draws import pick, uniforms
from selfcontrast.errors import check_batch, check_choice, check_count, check_features, require, values_are_free
from selfcontrast.precision import at_least_float32, autocast_off

SEEDINGS = ("random", "k-means++", "farthest-first")

_CHANNELS_AT_ONCE = 64


@torch.no_grad()
def cosine_kmeans(
    features: Tensor,
    num_clusters: int,
    *,
    iterations: int = 10,
    valid: Tensor | None = None,
    init: Tensor | None = None,
    seeding: str = "random",
    generator: Generator | None = None,
) -> Int[Tensor, "B h w"]:
    """Group the pixels of each image by the direction of their features (Eq. 4).

    Lloyd's algorithm on unit vectors: every iteration moves each centre to the mean direction of its pixels, and the
    labels are those of one more assignment after the last move. An empty cluster takes over the worst-served pixel of
    its image, so that all clusters are in use wherever an image has that many valid pixels. An image's result depends
    on no other image of the batch. Sums are made in float32; no gradient flows.

    Args:
        features: (B, C, h, w), the query's high-level features.
        num_clusters: K, at most h·w.
        iterations: Lloyd iterations; the paper's is 10. With 0 the initial centres decide.
        valid: (B, h, w) bool; False keeps a pixel out of seeds and centres. It still gets its nearest centre's label.
        init: (B, K, C) initial centres of any length, in place of seeding.
        seeding: "random" (distinct pixels, as in classical k-means), "k-means++" or "farthest-first".
        generator: source of the seeds; not inside a compiled graph, where `torch.manual_seed` serves.

    Returns:
        Labels in 0..K−1, int64.

    Raises:
        InputError: on another rank or dtype, on K out of range, on shapes that do not fit and, on a CPU outside a
            graph, on NaN or infinite features. Elsewhere a pixel whose norm is zero or not finite weighs nothing.

    Source: SCNet, section 3.2.2.

    >>> import torch
    >>> features = torch.tensor([[[[1.0, 2.0, 0.0]], [[0.0, 0.0, 5.0]]]])
    >>> labels = cosine_kmeans(features, 2, generator=torch.Generator().manual_seed(0))
    >>> bool(labels[0, 0, 0] == labels[0, 0, 1]), bool(labels[0, 0, 0] == labels[0, 0, 2])
    (True, False)
    """
    _check_clustering(features, num_clusters, iterations, valid, init, seeding)
    batch, _, height, width = features.shape
    with autocast_off(features.device):
        pixels, inverse_norms = _measure(at_least_float32(features.detach()).flatten(2))
        usable = inverse_norms > 0 if valid is None else valid.flatten(1) & (inverse_norms > 0)
        weights = inverse_norms * usable
        if init is None:
            seeds = uniforms((batch, num_clusters), features, generator)
            centres = _seed(pixels, inverse_norms, usable, seeds, seeding)
        else:
            centres = _normalise(init.to(pixels.dtype))
        for _ in range(iterations):
            centres = _move(pixels, weights, _assign(pixels, inverse_norms, usable, centres), num_clusters)
        return _assign(pixels, inverse_norms, usable, centres).view(batch, height, width)


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
    batch, _, height, width = features.shape
    shorter = min(height, width)
    require(1 <= bins <= shorter, "bins", f"1 to {shorter} for a {height} x {width} grid", bins, "use fewer bins")
    rows = torch.arange(height, device=features.device) * bins // height
    columns = torch.arange(width, device=features.device) * bins // width
    return (rows[:, None] * bins + columns).expand(batch, height, width)


def _check_clustering(
    features: Tensor, num_clusters: int, iterations: int, valid: Tensor | None, init: Tensor | None, seeding: str
) -> None:
    check_features(features, "features")
    batch, channels, height, width = features.shape
    check_count(num_clusters, 1, "num_clusters")
    pixels = height * width
    require(
        num_clusters <= pixels,
        "num_clusters",
        f"at most the {pixels} pixels of a map",
        num_clusters,
        "use fewer clusters",
    )
    check_count(iterations, 0, "iterations")
    check_choice(seeding, SEEDINGS, "seeding")
    if valid is not None:
        check_batch(valid, batch, "valid")
        require(
            valid.dtype == torch.bool and valid.shape[1:] == (height, width),
            "valid",
            f"bool of shape {(batch, height, width)}",
            f"{valid.dtype} of shape {tuple(valid.shape)}",
            "resize it to the feature grid and compare it to get a bool",
        )
    if init is not None:
        expected = (batch, num_clusters, channels)
        require(
            init.shape == expected,
            "init",
            f"centres of shape {expected}",
            tuple(init.shape),
            "pass one centre a cluster",
        )


def _measure(pixels: Float[Tensor, "B C N"]) -> tuple[Float[Tensor, "B C N"], Float[Tensor, "B N"]]:
    """The pixels and 1/‖x‖ of each, 0 for a pixel that weighs nothing."""
    # vector_norm over a strided axis reads the map a dozen times over; chunks of channels read it twice.
    squares = torch.zeros_like(pixels[:, 0])
    for start in range(0, pixels.shape[1], _CHANNELS_AT_ONCE):
        squares = squares + pixels[:, start : start + _CHANNELS_AT_ONCE].square().sum(1)
    finite = torch.isfinite(squares)
    if values_are_free(squares):
        require(
            bool(finite.all()),
            "features",
            "finite values",
            f"{int((~finite).sum())} pixels whose norm is NaN or infinite",
            "look for the layer that made them, or lower the learning rate",
        )
    else:
        pixels = torch.where(finite[:, None], pixels, 0.0)
    usable = finite & (squares > 0)
    return pixels, torch.where(usable, squares.clamp(min=torch.finfo(squares.dtype).tiny).rsqrt(), 0.0)


def _normalise(centres: Float[Tensor, "B K C"]) -> Float[Tensor, "B K C"]:
    norms = centres.square().sum(2, keepdim=True).sqrt()
    return centres / norms.clamp(min=torch.finfo(centres.dtype).tiny)


def _assign(
    pixels: Float[Tensor, "B C N"],
    inverse_norms: Float[Tensor, "B N"],
    usable: Bool[Tensor, "B N"],
    centres: Float[Tensor, "B K C"],
) -> Int[Tensor, "B N"]:
    """Label each pixel with its nearest centre, then give every empty cluster a pixel."""
    # The largest product with a unit centre is the largest cosine: the pixels need no normalising.
    # A zero centre stands for no direction, so nothing is near it.
    lost = (centres == 0).all(2, keepdim=True)
    best, labels = (centres @ pixels).masked_fill(lost, -torch.inf).max(1)
    return _fill_empty(labels, best * inverse_norms, usable, centres.shape[1])


def _fill_empty(
    labels: Int[Tensor, "B N"], cosines: Float[Tensor, "B N"], usable: Bool[Tensor, "B N"], num_clusters: int
) -> Int[Tensor, "B N"]:
    """Hand an image's worst-served pixels to its empty clusters, never another cluster's best-served one."""
    clusters = torch.arange(num_clusters, device=labels.device)[:, None]
    positions = torch.arange(labels.shape[1], device=labels.device)
    members = (labels[:, None] == clusters) & usable[:, None]
    empty = ~members.any(2)
    best_served = torch.where(members, cosines[:, None], -torch.inf).max(2).indices
    kept = ((positions == best_served[:, :, None]) & ~empty[:, :, None]).any(1)
    service, worst = torch.where(usable & ~kept, cosines, torch.inf).topk(num_clusters, dim=1, largest=False)
    rank = (empty.cumsum(1) - 1).clamp(min=0)
    takes = empty & (service.gather(1, rank) < torch.inf)
    moves = (positions == worst.gather(1, rank)[:, :, None]) & takes[:, :, None]
    moved, taker = moves.byte().max(1)
    return torch.where(moved.bool(), taker, labels)


def _move(
    pixels: Float[Tensor, "B C N"], weights: Float[Tensor, "B N"], labels: Int[Tensor, "B N"], num_clusters: int
) -> Float[Tensor, "B K C"]:
    """Each centre moves to the mean direction of its pixels; 1/‖x‖ as the weight stands for normalised pixels."""
    clusters = torch.arange(num_clusters, device=labels.device)[:, None]
    return _normalise(((labels[:, None] == clusters) * weights[:, None]) @ pixels.transpose(1, 2))


def _seed(
    pixels: Float[Tensor, "B C N"],
    inverse_norms: Float[Tensor, "B N"],
    usable: Bool[Tensor, "B N"],
    seeds: Float[Tensor, "B K"],
    seeding: str,
) -> Float[Tensor, "B K C"]:
    """Distinct usable pixels as unit centres; a centre that finds no pixel left is zero, and so comes out empty."""
    centres: list[Tensor] = []
    left, nearest = usable, torch.full_like(inverse_norms, -1.0)
    for step, uniform in enumerate(seeds.unbind(1)):
        index = _next_seed(left, nearest, uniform, "random" if step == 0 else seeding)
        found = left.gather(1, index[:, None])
        scale = inverse_norms.gather(1, index[:, None]) * found
        centre = pixels.gather(2, index[:, None, None].expand(-1, pixels.shape[1], 1))[:, :, 0] * scale
        centres.append(centre)
        left = left.scatter(1, index[:, None], False)
        if seeding != "random":
            nearest = torch.maximum(nearest, (centre[:, None] @ pixels)[:, 0] * inverse_norms)
    return torch.stack(centres, dim=1)


def _next_seed(
    left: Bool[Tensor, "B N"], nearest: Float[Tensor, "B N"], uniform: Float[Tensor, " B"], seeding: str
) -> Int[Tensor, " B"]:
    """The pixel that comes next, given the cosine of each to the `nearest` centre so far."""
    if seeding == "farthest-first":
        return torch.where(left, nearest, torch.inf).min(1).indices
    # On unit vectors the squared distance of k-means++ is twice the cosine distance.
    weights = (1 - nearest).clamp(min=0) if seeding == "k-means++" else torch.ones_like(nearest)
    return pick(weights * left, uniform)

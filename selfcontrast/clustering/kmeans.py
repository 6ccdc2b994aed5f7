"""Regions of a feature map by cosine k-means (Eq. 4).

Axes: B images, C channels, h x w the feature grid, N = h·w pixels, K clusters.
"""

from math import isfinite, sqrt
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from selfcontrast.clustering.faiss_engine import move_by_faiss
from selfcontrast.clustering.feature_matrix import FeatureMatrix
from selfcontrast.clustering.lloyd import Lloyd, normalise
from selfcontrast.clustering.seeding import SEEDINGS, Seeding, first_centres
from selfcontrast.clustering.triton_engine import cluster_in_one_operation, refusal
from selfcontrast.errors import (
    check_batch,
    check_choice,
    check_count,
    check_features,
    check_finite,
    check_tensors,
    require,
    values_are_free,
    values_of,
)
from selfcontrast.precision import at_least_float32, autocast_off
from selfcontrast.sampling import uniforms

Engine = Literal["auto", "torch", "triton", "faiss"]
ENGINES: tuple[Engine, ...] = get_args(Engine)
# Of float32, 32 MiB: one image of the paper's.
_CACHED_VALUES = 2**23


@torch.no_grad()
def cosine_kmeans(
    features: Tensor,
    num_clusters: int,
    *,
    iterations: int = 10,
    valid: Tensor | None = None,
    init: Tensor | None = None,
    seeding: Seeding = "farthest-first",
    generator: Generator | None = None,
    engine: Engine = "auto",
) -> Int[Tensor, "B h w"]:
    """Group the pixels of each image by the direction of their features (Eq. 4).

    Lloyd's algorithm on unit vectors: every iteration moves each centre to the mean direction of its pixels, and the
    labels are those of one more assignment after the last move. An empty cluster takes over the worst-served pixel of
    its image, so that all clusters are in use wherever an image has that many valid pixels. An image's result depends
    on no other image of the batch. Sums are made in float32; no gradient flows.

    Args:
        features: (B, C, h, w), the query's high-level features. Only directions count, but lengths are squared: a
            pixel's norm is 0, or in 1e-18..1e19 (in float64 in 1e-153..1e154).
        num_clusters: K, at most h·w.
        iterations: Lloyd iterations; the paper's is 10. With 0 the initial centres decide.
        valid: (B, h, w) bool; False keeps a pixel out of seeds and centres. It still gets its nearest centre's label.
        init: (B, K, C) initial centres of any length, in place of seeding. One of length 0 has no direction.
        seeding: "farthest-first" (a pixel drawn, then the least like all so far), "k-means++" or "random" (distinct
            pixels, as in classical k-means).
        generator: source of the seeds; not inside a compiled graph, where `torch.manual_seed` serves.
        engine: "torch" serves everywhere; "triton" makes all of it in a few dozen launches on CUDA, from float32,
            float16 or bfloat16 features, for at most 16 clusters and 16,384 pixels an image; "auto" takes "triton"
            where that can serve, else "torch"; "faiss" (`pip install selfcontrast[faiss]`) moves the centres by faiss'
            own k-means on a host's copy of each image, outside graphs. Labels are the same but for rounding.

    Returns:
        Labels in 0..K−1, int64.

    Raises:
        InputError: on another rank or dtype, on K out of range, on shapes that do not fit, where faiss is wanted but
            missing, where "triton" is wanted but cannot serve and, on a CPU outside a graph, on NaN or infinite
            features or centres and on norms out of range. Elsewhere a pixel whose norm is zero or not finite weighs
            nothing, and a centre that is not finite has no direction.

    Source: SCNet, section 3.2.2.

    >>> import torch
    >>> features = torch.tensor([[[[1.0, 2.0, 0.0]], [[0.0, 0.0, 5.0]]]])
    >>> labels = cosine_kmeans(features, 2, generator=torch.Generator().manual_seed(0))
    >>> bool(labels[0, 0, 0] == labels[0, 0, 1]), bool(labels[0, 0, 0] == labels[0, 0, 2])
    (True, False)
    """
    _check_clustering(features, num_clusters, iterations, valid, init, seeding)
    check_choice(engine, ENGINES, "engine")
    batch = features.shape[0]
    first = uniforms((batch, num_clusters), features, generator) if init is None else _directions(init)
    engine = _chosen(engine, features, num_clusters)
    if engine == "triton":
        with autocast_off(features.device):
            if init is not None:
                first = first.float()
            elif seeding != "farthest-first":
                first = first_centres(*_weigh(features.detach(), valid), first, seeding)
            return cluster_in_one_operation(features.detach(), valid, first, iterations)

    def cluster(part: slice) -> Int[Tensor, "B h w"]:
        pixels, weights = _weigh(features[part].detach(), None if valid is None else valid[part])
        centres = first_centres(pixels, weights, first[part], seeding) if init is None else first[part].to(pixels.dtype)
        lloyd = Lloyd(pixels, weights, num_clusters)
        if engine == "torch":
            centres = lloyd.move(centres, iterations)
        else:
            centres = move_by_faiss(pixels, weights, centres, iterations)
        return lloyd.assign(centres).view(-1, *features.shape[2:])

    # A processor works faster through what its cache holds than through the batch at once.
    size = max(1, _CACHED_VALUES // features[0].numel()) if values_are_free(features) else batch
    with autocast_off(features.device):
        parts = [cluster(slice(start, start + size)) for start in range(0, batch, size)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _chosen(engine: Engine, features: Tensor, num_clusters: int) -> Engine:
    """The engine that "auto" stands for, after a look at whether the kernels can serve."""
    if engine in ("torch", "faiss"):
        return engine
    # A processor has the kernels in an interpreter at most, which is there to try them.
    if engine == "auto" and features.device.type != "cuda":
        return "torch"
    refused = refusal(features, num_clusters)
    require(
        engine == "auto" or refused is None,
        "engine",
        "for 'triton' CUDA, Triton, float32, float16 or bfloat16, and at most 16 clusters and 16,384 pixels",
        refused,
        "leave engine= out, which takes 'torch' there",
    )
    return "triton" if refused is None else "torch"


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
        check_tensors(valid=valid)
        check_batch(valid, batch, "valid")
        require(
            valid.dtype == torch.bool and valid.shape[1:] == (height, width),
            "valid",
            f"bool of shape {(batch, height, width)}",
            f"{valid.dtype} of shape {tuple(valid.shape)}",
            "resize it to the feature grid and compare it to get a bool",
        )
    if init is not None:
        check_tensors(init=init)
        expected = (batch, num_clusters, channels)
        require(
            init.shape == expected,
            "init",
            f"centres of shape {expected}",
            tuple(init.shape),
            "pass one centre a cluster",
        )
        require(not init.is_complex(), "init", "real numbers", init.dtype, "pass the real part")
        check_finite(init, "init")


def _directions(init: Tensor) -> Float[Tensor, "B K C"]:
    """Centres of length 1: scaled first, as the squares of very long and very short ones would be infinite or 0."""
    centres = at_least_float32(init)
    longest = centres.abs().amax(2, keepdim=True)
    scaled = centres / longest.clamp(min=torch.finfo(centres.dtype).tiny)
    return normalise(torch.where(torch.isfinite(longest), scaled, 0.0))


def _weigh(features: Float[Tensor, "B C h w"], valid: Tensor | None) -> tuple[FeatureMatrix, Float[Tensor, "B N"]]:
    """The pixels, and 1/‖x‖ of each, 0 for one that is left out or has no direction."""
    pixels = FeatureMatrix(features)
    norms = pixels.norms()
    finite = torch.isfinite(norms)
    if values_are_free(norms):
        _check_norms(features, norms)
    else:
        pixels = FeatureMatrix(torch.where(finite.view(-1, 1, *features.shape[2:]), features, 0.0))
    counts = finite & (norms > 0)
    if valid is not None:
        counts = counts & valid.flatten(1)
    return pixels, torch.where(counts, norms.clamp(min=torch.finfo(norms.dtype).tiny).reciprocal(), 0.0)


def _check_norms(features: Float[Tensor, "B C h w"], norms: Float[Tensor, "B N"]) -> None:
    """Refuse what has no norm, or whose norm is lost because the squares do not fit; reads values."""
    # Below, a square loses most of its digits. A pixel of zeros has norm 0 rightly, and no direction.
    low, high = 10 * sqrt(torch.finfo(norms.dtype).tiny), sqrt(torch.finfo(norms.dtype).max)
    least, most = (values_of(one)[0] for one in torch.aminmax(norms))
    if isfinite(most) and least >= low:
        return
    check_finite(features, "features")
    lost = ~torch.isfinite(norms) | ((norms < low) & (features != 0).any(1).flatten(1))
    (strangers,) = values_of(lost.sum())
    require(
        strangers == 0,
        "features",
        f"pixels of norm 0, or of {low:.0e} to {high:.0e}",
        f"{strangers} pixels of other norms",
        "scale the features, of which only the direction counts",
    )

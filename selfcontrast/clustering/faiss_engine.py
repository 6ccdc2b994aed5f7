"""The k-means of faiss in place of ours: an independent check, and faster on some machines.

Axes: B images, C channels, N pixels, K clusters.
"""

from types import ModuleType

import torch
from jaxtyping import Float
from torch import Tensor

from selfcontrast.clustering.feature_matrix import FeatureMatrix
from selfcontrast.errors import InputError, require


def move_by_faiss(
    pixels: FeatureMatrix, weights: Float[Tensor, "B N"], centres: Float[Tensor, "B K C"], iterations: int
) -> Float[Tensor, "B K C"]:
    """What `Lloyd.move` returns, by faiss' spherical k-means, one image after the other, on a GPU if it sees one."""
    require(
        not torch.compiler.is_compiling(),
        "engine",
        "'torch' inside a compiled graph, which cannot hold faiss",
        "'faiss'",
        "leave engine= out",
    )
    faiss = _import()
    moved = [
        _one_image(faiss, pixels, image, weights[image], centres[image], iterations) for image in range(len(centres))
    ]
    return torch.stack(moved)


def _one_image(
    faiss: ModuleType, pixels: FeatureMatrix, image: int, weights: Tensor, centres: Tensor, iterations: int
) -> Float[Tensor, "K C"]:
    index = weights.nonzero()[:, 0]
    clusters, channels = centres.shape
    # With fewer pixels than clusters each is a cluster of its own already, and faiss would refuse.
    if iterations == 0 or len(index) < clusters:
        return centres
    directions = pixels.of(image, index) * weights[index, None]
    kmeans = faiss.Kmeans(
        channels,
        clusters,
        niter=iterations,
        spherical=True,
        # By default faiss draws 256 points a centre, and warns of fewer than 39.
        max_points_per_centroid=len(index),
        min_points_per_centroid=1,
        gpu=weights.is_cuda and faiss.get_num_gpus() > 0,
    )
    kmeans.train(directions.float().cpu().numpy(), init_centroids=centres.float().cpu().numpy())
    return torch.as_tensor(kmeans.centroids).to(centres)


def _import() -> ModuleType:
    try:
        import faiss
    except (ImportError, RuntimeError) as error:
        raise InputError(
            f"engine: expected faiss to be installed, got {error}; in the checkout, pip install -e '.[faiss]', or "
            "'.[faiss-gpu]' on a machine with NVIDIA's runtime; else pip install faiss-cpu"
        ) from error
    return faiss

"""Other libraries' k-means behind one interface: (features, initial centres, iterations) → labels.

Each starts from the features as the network left them and uses the fastest form of its library that we found. All end
with one assignment after the last move, as the package does. Libraries that know only Euclidean distance get unit rows,
the closest form: their centres are means inside the sphere, so a few labels differ.
"""

import contextlib
import io
from collections.abc import Callable
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

Clustering = Callable[[Tensor, Tensor, int], Tensor]
SEED = 0


def initial_centres(features: Tensor, clusters: int) -> Tensor:
    """Distinct pixels (B, K, C) of unit length, in all images at the places that fastkmeans draws from this seed."""
    torch.manual_seed(SEED)
    places = torch.randperm(features.shape[2] * features.shape[3])[:clusters]
    centres = features.flatten(2)[:, :, places].transpose(1, 2).contiguous()
    return centres / torch.linalg.vector_norm(centres, dim=2, keepdim=True)


def rows(features: Tensor) -> Tensor:
    """Pixels (B, N, C), channels adjacent: a view of a channels-last map, else a copy by NumPy, faster than torch's."""
    return torch.from_numpy(np.ascontiguousarray(features.flatten(2).transpose(1, 2).numpy()))


def unit_rows(features: Tensor) -> Tensor:
    """`rows`, each scaled to length 1; in place if they are already a copy."""
    pixels = rows(features)
    copied = pixels.data_ptr() != features.data_ptr()
    return torch.div(pixels, torch.linalg.vector_norm(pixels, dim=2, keepdim=True), out=pixels if copied else None)


def image_by_image(one: Callable[[Tensor, Tensor], Tensor], pixels: Tensor, centres: Tensor) -> Tensor:
    return torch.stack([one(*pair) for pair in zip(pixels, centres, strict=True)])


def faiss_kmeans(
    pixels: Tensor, centres: Tensor, iterations: int, weights: Tensor | None = None, *, gpu: bool = False
) -> Tensor:
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    clusters, channels = centres.shape
    # Without this maximum faiss trains on 256 points a cluster.
    kmeans = faiss.Kmeans(
        channels,
        clusters,
        niter=iterations,
        spherical=True,
        gpu=gpu,
        max_points_per_centroid=len(pixels),
        min_points_per_centroid=1,
    )
    kmeans.train(pixels.numpy(), None if weights is None else weights.numpy(), init_centroids=centres.numpy())
    return torch.from_numpy(kmeans.assign(pixels.numpy())[1])


def faiss_on_unit_rows(features: Tensor, centres: Tensor, iterations: int) -> Tensor:
    return image_by_image(lambda x, own: faiss_kmeans(x, own, iterations), unit_rows(features), centres)


def faiss_with_weights(features: Tensor, centres: Tensor, iterations: int) -> Tensor:
    """Rows as they are, each weighted by 1/‖x‖: the same centres without normalising."""
    pixels = rows(features)
    weights = torch.linalg.vector_norm(pixels, dim=2).reciprocal()
    return torch.stack(
        [faiss_kmeans(*image[:2], iterations, image[2]) for image in zip(pixels, centres, weights, strict=True)]
    )


def scikit_learn(features: Tensor, centres: Tensor, iterations: int) -> Tensor:
    from sklearn.cluster import KMeans

    def one(pixels: Tensor, own: Tensor) -> Tensor:
        kmeans = KMeans(
            len(own), init=own.numpy(), n_init=1, max_iter=iterations, algorithm="lloyd", tol=0, copy_x=False
        )
        return torch.from_numpy(kmeans.fit(pixels.numpy()).labels_).long()

    return image_by_image(one, unit_rows(features), centres)


def pt_kmeans(features: Tensor, centres: Tensor, iterations: int) -> Tensor:
    from pt_kmeans import kmeans

    def one(pixels: Tensor, own: Tensor) -> Tensor:
        settings = {"distance_metric": "cosine", "x_pre_normalized": True, "initial_centers": own, "tol": 0.0}
        return kmeans(pixels, len(own), iterations, **settings)[1]

    return image_by_image(one, unit_rows(features), centres)


def _fast_pytorch_kmeans(pixels: Tensor, centres: Tensor, iterations: int, mode: str) -> Tensor:
    from fast_pytorch_kmeans import KMeans

    def one(pixels: Tensor, own: Tensor) -> Tensor:
        kmeans = KMeans(len(own), iterations, tol=-1, mode=mode)
        kmeans.fit(pixels, centroids=own)
        return kmeans.predict(pixels)

    return image_by_image(one, pixels, centres)


def fast_pytorch_kmeans_cosine(features: Tensor, centres: Tensor, iterations: int) -> Tensor:
    return _fast_pytorch_kmeans(unit_rows(features), centres, iterations, "cosine")


def fast_pytorch_kmeans_euclidean(features: Tensor, centres: Tensor, iterations: int) -> Tensor:
    return _fast_pytorch_kmeans(unit_rows(features), centres, iterations, "euclidean")


def torch_kmeans(features: Tensor, centres: Tensor, iterations: int) -> Tensor:
    """Euclidean, since its `CosineSimilarity` is a raw dot product with centres that it does not normalise."""
    from torch_kmeans import KMeans

    kmeans = KMeans(num_init=1, max_iter=iterations, tol=0, verbose=False)
    return kmeans(unit_rows(features), k=centres.shape[1], centers=centres).labels


class _Stop(Exception):
    """The last iteration is done."""


def kmeans_pytorch(features: Tensor, centres: Tensor, iterations: int) -> Tensor:
    """It takes neither centres nor a number of iterations: we replace its `initialize` and its progress bar."""
    import kmeans_pytorch as library

    class Progress:
        def __init__(self, **_: object) -> None:
            self.left = iterations

        def set_postfix(self, **_: object) -> None:
            self.left -= 1

        def update(self) -> None:
            if not self.left:
                raise _Stop

    def one(pixels: Tensor, own: Tensor) -> Tensor:
        moved = own.clone()  # its loop moves them in place
        with patch.multiple(library, initialize=lambda *_: moved, tqdm=Progress), contextlib.suppress(_Stop):
            library.kmeans(pixels, len(own), distance="cosine", tol=-1)
        return library.kmeans_predict(pixels, moved, distance="cosine")

    with contextlib.redirect_stdout(io.StringIO()):
        return image_by_image(one, unit_rows(features), centres)


def flash_kmeans(features: Tensor, centres: Tensor, iterations: int) -> Tensor:
    """Its torch fallback for machines without a GPU."""
    from flash_kmeans.torch_fallback import batch_kmeans_Euclid_torch_native, euclid_assign_torch_native_chunked

    pixels = unit_rows(features)
    _, moved, _ = batch_kmeans_Euclid_torch_native(
        pixels, centres.shape[1], max_iters=iterations, tol=-1, init_centroids=centres
    )
    return euclid_assign_torch_native_chunked(pixels, moved, pixels.square().sum(2)).long()


def vector_quantize_pytorch(features: Tensor, centres: Tensor, iterations: int) -> Tensor:
    from vector_quantize_pytorch.vector_quantize_pytorch import kmeans

    pixels = unit_rows(features)
    moved, _ = kmeans(pixels, centres.shape[1], iterations, use_cosine_sim=True, sample_fn=lambda *_: centres)
    return (pixels @ moved.transpose(1, 2)).argmax(2)


def fastkmeans(features: Tensor, centres: Tensor, iterations: int) -> Tensor:
    """It takes no centres: from this seed it draws the same pixels as `initial_centres`."""
    from fastkmeans import FastKMeans

    def one(pixels: Tensor, own: Tensor) -> Tensor:
        kmeans = FastKMeans(pixels.shape[1], len(own), iterations, tol=-1.0, seed=SEED, device="cpu")
        return torch.from_numpy(kmeans.fit_predict(pixels.numpy()))

    return image_by_image(one, unit_rows(features), centres)


# Each with the distribution on PyPI that it needs.
PEERS: dict[str, tuple[Clustering, str]] = {
    "faiss, unit rows": (faiss_on_unit_rows, "faiss-cpu"),
    "faiss, weighted rows": (faiss_with_weights, "faiss-cpu"),
    "scikit-learn, euclidean": (scikit_learn, "scikit-learn"),
    "pt_kmeans": (pt_kmeans, "pt-kmeans"),
    "fast-pytorch-kmeans": (fast_pytorch_kmeans_cosine, "fast-pytorch-kmeans"),
    "fast-pytorch-kmeans, euclidean": (fast_pytorch_kmeans_euclidean, "fast-pytorch-kmeans"),
    "torch_kmeans, euclidean": (torch_kmeans, "torch-kmeans"),
    "kmeans_pytorch": (kmeans_pytorch, "kmeans-pytorch"),
    "flash-kmeans, torch, euclidean": (flash_kmeans, "flash-kmeans"),
    "vector-quantize-pytorch": (vector_quantize_pytorch, "vector-quantize-pytorch"),
    "fastkmeans, euclidean": (fastkmeans, "fastkmeans"),
}

"""Other libraries' k-means on a GPU behind the interface of `peers`: (features, initial centres, iterations) → labels.

All get unit rows, as on a CPU. None of these has run yet: no GPU was there when they were written. A library that is
missing, or whose call fails, gets a row that says so.
"""

import torch
from torch import Tensor

from common.peers import SEED, Clustering, faiss_kmeans, image_by_image


def unit_rows(features: Tensor) -> Tensor:
    """Pixels (B, N, C) of length 1, channels adjacent."""
    return torch.nn.functional.normalize(features.flatten(2).transpose(1, 2), dim=2).contiguous()


def flash_kmeans(features: Tensor, centres: Tensor, iterations: int) -> Tensor:
    """Its Triton kernels."""
    from flash_kmeans import batch_kmeans_Euclid

    found = batch_kmeans_Euclid(
        unit_rows(features), centres.shape[1], max_iters=iterations, tol=-1, init_centroids=centres
    )
    return found[0].long()


def fastkmeans(features: Tensor, centres: Tensor, iterations: int) -> Tensor:
    """Its Triton kernels, from centres that it draws itself."""
    from fastkmeans import FastKMeans

    def one(pixels: Tensor, own: Tensor) -> Tensor:
        kmeans = FastKMeans(pixels.shape[1], len(own), iterations, tol=-1.0, seed=SEED, device="cuda", use_triton=True)
        return torch.from_numpy(kmeans.fit_predict(pixels.cpu().numpy()))

    return image_by_image(one, unit_rows(features), centres).to(features.device)


def cuml(features: Tensor, centres: Tensor, iterations: int) -> Tensor:
    import cupy
    from cuml.cluster import KMeans

    def one(pixels: Tensor, own: Tensor) -> Tensor:
        kmeans = KMeans(len(own), max_iter=iterations, tol=0.0, init=cupy.asarray(own), n_init=1)
        return torch.as_tensor(kmeans.fit_predict(cupy.asarray(pixels)), device=pixels.device).long()

    return image_by_image(one, unit_rows(features), centres)


def faiss_gpu(features: Tensor, centres: Tensor, iterations: int) -> Tensor:
    def one(pixels: Tensor, own: Tensor) -> Tensor:
        return faiss_kmeans(pixels, own, iterations, gpu=True)

    return image_by_image(one, unit_rows(features).cpu(), centres.cpu()).to(features.device)


# Each with the distribution that it needs.
GPU_PEERS: dict[str, tuple[Clustering, str]] = {
    "flash-kmeans, triton, euclidean": (flash_kmeans, "flash-kmeans"),
    "fastkmeans, triton, euclidean": (fastkmeans, "fastkmeans"),
    "cuML, euclidean": (cuml, "cuml-cu12"),
    "faiss-gpu": (faiss_gpu, "faiss-gpu-cu12"),
}

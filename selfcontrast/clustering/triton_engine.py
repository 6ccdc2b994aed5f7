"""The clustering as one operation of torch, made of kernels of Triton: on a GPU, launches are what a step waits for.

Axes: B images, C channels, h x w the feature grid, N = h·w pixels, K clusters.
"""

import os
import shutil
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_DTYPES = (torch.float32, torch.float16, torch.bfloat16)
_CLUSTERS, _PIXELS = 16, 2**14
_CAPABILITY = (8, 0)


def missing() -> str | None:
    """What this machine lacks for the kernels, None if nothing; Triton builds its launcher with a C compiler.

    >>> missing() is None or missing().startswith(("no ", "torch "))
    True
    """
    if torch.version.hip is not None:
        return "torch for AMD"
    # Triton 3.2, which came with torch 2.6, cannot load three axes from shared memory.
    if torch.__version__ < "2.7":
        return "torch below 2.7"
    if find_spec("triton") is None:
        return "no triton"
    if not any(map(shutil.which, (os.environ.get("CC", "gcc"), "gcc", "clang"))):
        return "no C compiler"
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    return None if header.exists() else f"no {header}"


# Asked once, because a compiled graph cannot ask.
_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
_MISSING = missing()


def refusal(features: Float[Tensor, "B C h w"], num_clusters: int) -> str | None:
    """Why the kernels cannot serve, None where they can: on CUDA, or on a CPU in Triton's interpreter."""
    if features.device.type != "cuda" and not (_INTERPRETED and features.device.type == "cpu"):
        return "features that are not on CUDA"
    if features.dtype not in _DTYPES:
        return "features of another precision"
    _, channels, height, width = features.shape
    if num_clusters > _CLUSTERS or height * width > _PIXELS or channels * height * width >= 2**31:
        return "more clusters or pixels"
    # Of a fake tensor on a machine without a GPU there is nothing to ask either.
    if not torch.compiler.is_compiling() and features.is_cuda and torch.cuda.is_initialized():
        capability = torch.cuda.get_device_capability(features.device)
        if capability < _CAPABILITY:
            return f"a GPU of compute capability {capability[0]}.{capability[1]}"
    return _MISSING


def cluster(
    features: Float[Tensor, "B C h w"],
    valid: Bool[Tensor, "B h w"] | None,
    start: Float[Tensor, "B K *C"],
    iterations: int,
) -> Int[Tensor, "B h w"]:
    """The labels of `cosine_kmeans`, for K clusters and T iterations in K + 3 T + 3 launches.

    Args:
        start: (B, K) uniform numbers, the first of which draws an image's first seed, while the others are chosen
            farthest-first; or (B, K, C) unit centres, which take the place of the K launches.
    """
    values, last = _laid_out(features)
    with torch.cuda.device_of(values):
        passes = _Passes(values, last, start.shape[1], iterations)
        passes.weigh(valid)
        if start.dim() == 2:
            passes.seed(start)
        else:
            passes.sums.copy_(start)
        for step in range(iterations):
            passes.assign(step)
            passes.move(step)
        passes.assign(iterations)
    return passes.labels


class _Passes:
    """The buffers of one clustering, and the launches over them."""

    def __init__(self, values: Tensor, last: bool, num_clusters: int, iterations: int) -> None:
        # Triton is imported when it is first needed.
        import selfcontrast.clustering.triton_kernels as kernels

        self._kernels: Any = kernels
        self._values, self._batch = values, len(values)
        self._channels, self._pixels = values.shape[1], values.shape[2] * values.shape[3]
        self._clusters, self._counts = num_clusters, (iterations + 2) * (num_clusters + 1)
        self._weights, self._nearest, self._served = (self._buffer(torch.float32, self._pixels) for _ in range(3))
        self._codes = self._buffer(torch.int32, self._pixels)
        self._counters = self._buffer(torch.int32, self._counts)
        self.sums = self._buffer(torch.float32, num_clusters, self._channels)
        self.labels = self._buffer(torch.int64, *values.shape[2:])
        # The tile of a program that reads all channels of some pixels, and of one that reads all pixels of some
        # channels: 64 sums a thread, and as many values side by side as fill a line of the cache.
        padded = _power_of_two(num_clusters)
        block = 32 if last else 16
        self._some_pixels = {"LAST": last, "BC": min(64, 256 // padded), "BN": 32, "STAGES": 3}
        self._some_channels = {"LAST": last, "BC": block, "BN": min(128, 8192 // (padded * block)), "STAGES": 3}
        self._groups = {"K": num_clusters, "KP": padded}

    def weigh(self, valid: Tensor | None) -> None:
        tiles = -(-self._pixels // self._some_pixels["BN"])
        mask = self._weights if valid is None else _aligned(valid.contiguous().view(torch.uint8))
        self._kernels.weigh[(self._batch * tiles,)](
            *(self._values, mask, self._weights, self._codes, self._counters),
            *(self._channels, self._pixels, tiles, self._counts),
            VALID=valid is not None,
            **self._some_pixels,
        )

    def seed(self, uniforms: Tensor) -> None:
        before, after = self._nearest, self._served
        for step in range(self._clusters):
            final = step == self._clusters - 1
            part = (self._channels, "BC") if final else (self._pixels, "BN")
            tiles = -(-part[0] // self._some_pixels[part[1]])
            self._kernels.seed[(self._batch * tiles,)](
                *(self._values, self._weights, uniforms.contiguous(), before, after, self.sums),
                *(self._channels, self._pixels, tiles, step),
                FIRST=step == 0,
                FINAL=final,
                K=self._clusters,
                CHUNK=min(2048, _power_of_two(self._pixels)),
                **self._some_pixels,
            )
            before, after = after, before

    def assign(self, step: int) -> None:
        """Label every pixel, then give every empty cluster a pixel."""
        tiles = -(-self._pixels // self._some_pixels["BN"])
        self._kernels.assign[(self._batch * tiles,)](
            *(self._values, self._weights, self.sums, self._codes, self._served, self._counters, self.labels),
            *(self._channels, self._pixels, tiles, self._counts, step),
            **self._groups,
            **self._some_pixels,
        )
        size = _power_of_two(self._pixels)
        self._kernels.rescue[(self._batch,)](
            *(self._weights, self._codes, self._served, self._counters, self.labels),
            *(self._pixels, self._counts, step),
            **self._groups,
            BLOCK=size,
            num_warps=max(4, min(32, size // 512)),
        )

    def move(self, step: int) -> None:
        tiles = -(-self._channels // self._some_channels["BC"])
        self._kernels.move[(self._batch * tiles,)](
            *(self._values, self._weights, self._codes, self.sums, self._counters),
            *(self._channels, self._pixels, tiles, self._counts, step),
            **self._groups,
            **self._some_channels,
        )

    def _buffer(self, dtype: torch.dtype, *shape: int) -> Tensor:
        return self._values.new_empty((self._batch, *shape), dtype=dtype)


def _laid_out(features: Tensor) -> tuple[Tensor, bool]:
    """The map where its images lie one behind the other, as they are but for odd slices; and whether channels-last."""
    image = features[:1]
    last = not image.is_contiguous() and image.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    return _aligned(features.contiguous(memory_format=layout)), last


def _aligned(tensor: Tensor) -> Tensor:
    """Where the memory starts at a multiple of 16 bytes: elsewhere Triton groups its sums in another way."""
    return tensor if tensor.data_ptr() % 16 == 0 else tensor.clone()


def _power_of_two(count: int) -> int:
    return 1 << (count - 1).bit_length()


def _meta(features: Tensor, valid: Tensor | None, start: Tensor, iterations: int) -> Tensor:
    return features.new_empty((features.shape[0], *features.shape[2:]), dtype=torch.int64)


# torch keeps what is registered when the package is loaded a second time.
if not hasattr(torch.ops.selfcontrast, "cluster"):
    _LIBRARY: Any = torch.library.Library("selfcontrast", "FRAGMENT")
    _LIBRARY.define("cluster(Tensor features, Tensor? valid, Tensor start, int iterations) -> Tensor")
    _LIBRARY.impl("cluster", cluster, "CUDA")
    # For Triton's interpreter, which `refusal` knows.
    _LIBRARY.impl("cluster", cluster, "CPU")
    # What a graph is traced with. `register_fake` looks for its caller in all loaded modules, which takes long.
    _LIBRARY.impl("cluster", _meta, "Meta")


def cluster_in_one_operation(
    features: Float[Tensor, "B C h w"],
    valid: Bool[Tensor, "B h w"] | None,
    start: Float[Tensor, "B K *C"],
    iterations: int,
) -> Int[Tensor, "B h w"]:
    """`cluster` as an operation of torch, which a compiled graph holds like one of its own."""
    # Counts of numpy are counts too, but no operation takes them.
    return torch.ops.selfcontrast.cluster(features, valid, start, int(iterations))

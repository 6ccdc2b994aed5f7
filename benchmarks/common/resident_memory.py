"""Peak memory of a call beyond what its process held before, from the resident set (Linux).

This covers every library, torch or not. A process of its own measures it, with an allocator that hands every freed
block back, after a small call that loads libraries and their buffers.
"""

import gc
import logging
import os
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
import torch.multiprocessing as multiprocessing
from torch import Tensor

from common.measure import use_threads

Clustering = Callable[[Tensor, Tensor, int], Tensor]
_HAND_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
_SMALL = 12


def extra_bytes(
    clusterings: Mapping[str, Clustering], features: Tensor, centres: Tensor, iterations: int
) -> dict[str, int]:
    """The extra bytes of each clustering, all on the same features."""
    before = {name: os.environ.get(name) for name in _HAND_BACK}
    os.environ.update(_HAND_BACK)
    try:
        with multiprocessing.get_context("spawn").Pool(1) as process:
            given = (dict(clusterings), features, centres, iterations, torch.get_num_threads())
            return process.apply(_measure, given)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _measure(
    clusterings: dict[str, Clustering], features: Tensor, centres: Tensor, iterations: int, threads: int
) -> dict[str, int]:
    warnings.simplefilter("ignore")
    logging.disable()
    use_threads(threads)
    features.sum()  # pages of shared memory count only after the first touch
    small = features[..., :_SMALL, :_SMALL].contiguous(memory_format=_layout(features))
    extra: dict[str, int] = {}
    for name, clustering in clusterings.items():
        clustering(small, centres, iterations)
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        start = _status("VmRSS")
        clustering(features, centres, iterations)
        extra[name] = _status("VmHWM") - start
    return extra


def _layout(features: Tensor) -> torch.memory_format:
    channels_last = features.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if channels_last else torch.contiguous_format


def _status(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if not found:
        raise RuntimeError(f"/proc/self/status: expected {field}, got none; this measurement needs Linux")
    return int(found.group(1)) * 1024

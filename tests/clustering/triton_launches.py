"""The launches of a clustering, written down in place of being started: nothing is computed, so any size will do."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch

from selfcontrast.clustering import triton_kernels
from selfcontrast.clustering.triton_engine import cluster

KERNELS = ("weigh", "seed", "assign", "rescue", "move")


class Launch(NamedTuple):
    """A kernel, over how many programs it was started, and with what."""

    kernel: Any
    programs: int
    arguments: tuple[Any, ...]
    options: dict[str, Any]


class _Recorded:
    """Stands in for a kernel."""

    def __init__(self, kernel: Any, launches: list[Launch]) -> None:
        self._kernel, self._launches = kernel, launches

    def __getitem__(self, grid: tuple[int]) -> Callable[..., None]:
        def launch(*arguments: Any, **options: Any) -> None:
            self._launches.append(Launch(self._kernel, grid[0], arguments, options))

        return launch


def launches_of(
    monkeypatch: pytest.MonkeyPatch,
    shape: tuple[int, int, int, int],
    clusters: int = 3,
    iterations: int = 10,
    dtype: torch.dtype = torch.float32,
    layout: torch.memory_format = torch.contiguous_format,
    given: bool = False,
) -> list[Launch]:
    """What `cluster` starts for a map of this kind, with a mask, from seeds or from `given` centres."""
    launches: list[Launch] = []
    features = torch.empty(shape, dtype=dtype, device="meta").to(memory_format=layout)
    valid = torch.empty(shape[0], *shape[2:], dtype=torch.bool, device="meta")
    start = torch.empty(shape[0], clusters, *([shape[1]] if given else []), device="meta")
    with monkeypatch.context() as patch:
        for name in KERNELS:
            patch.setattr(triton_kernels, name, _Recorded(getattr(triton_kernels, name), launches))
        cluster(features, valid, start, iterations)
    return launches

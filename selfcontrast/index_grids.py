"""Index grids that every step asks for again: made once a device, and kept there.

On a GPU each of them would cost a step one or two launches.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
from jaxtyping import Int
from torch import Tensor


def numbers(count: int, like: Tensor) -> Int[Tensor, " count"]:
    """0, 1, ... on the device of `like`.

    >>> numbers(3, torch.empty(0))
    tensor([0, 1, 2])
    """
    return _serving(_numbers, like)(count, like.device)


def nearest_cells(old: int, new: int, like: Tensor) -> Int[Tensor, " new"]:
    """For each of `new` cells along an axis the one of `old` cells that holds its centre.

    >>> nearest_cells(2, 4, torch.empty(0))
    tensor([0, 0, 1, 1])
    """
    return _serving(_nearest_cells, like)(old, new, like.device)


def _numbers(count: int, device: torch.device) -> Tensor:
    return torch.arange(count, device=device)


def _nearest_cells(old: int, new: int, device: torch.device) -> Tensor:
    # In whole numbers, because a float may round to the neighbour: (i + 1/2) * old / new.
    return torch.arange(old, 2 * old * new, 2 * old, device=device) // (2 * new)


def _serving(make: Callable[..., Tensor], like: Tensor) -> Callable[..., Tensor]:
    """The kept grids, but inside a graph and for fake tensors, where a kept one would be a stranger, new ones."""
    return make if torch.compiler.is_compiling() or type(like) is not Tensor else _KEPT[make]


def _keep(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def made(*sizes: object) -> Tensor:
        # A grid of inference mode could not serve training later.
        with torch.inference_mode(False):
            return make(*sizes)

    return lru_cache(maxsize=64)(made)


_KEPT = {make: _keep(make) for make in (_numbers, _nearest_cells)}

"""Batch normalisation of a doubled batch: each half by its own statistics, and only the host's half is counted."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]
from torch.utils.hooks import RemovableHandle

from selfcontrast.attach.hooks import Uncopied


def normalise_apart(model: nn.Module, batch: int, awake: Callable[[], bool] = lambda: True) -> list[RemovableHandle]:
    """Make each batch normalisation that uses batch statistics normalise the halves of a doubled batch separately.

    The first `batch` rows are normalised, and counted in the running statistics, as if they were alone; the others by
    statistics of their own, which leave no trace. Distributed `SyncBatchNorm` takes the others' from its own process.

    Args:
        awake: whether to do so now.

    >>> layer, images = nn.BatchNorm2d(1), torch.tensor([1.0, 3.0, 10.0, 30.0]).view(4, 1, 1, 1)
    >>> handles = normalise_apart(layer, 2)
    >>> layer(images).flatten().round().tolist(), layer.num_batches_tracked
    ([-1.0, 1.0, -1.0, 1.0], tensor(1))
    """
    live = [m for m in model.modules() if isinstance(m, _BatchNorm) and (m.training or m.running_mean is None)]
    return [handle for layer in live for handle in _split(layer, batch, awake)]


def _split(layer: _BatchNorm, batch: int, awake: Callable[[], bool]) -> tuple[RemovableHandle, RemovableHandle]:
    others: list[Tensor] = []

    def keep_first_half(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if len(args[0]) != 2 * batch or not awake():
            return None
        others.append(args[0][batch:])
        return (args[0][:batch],)

    def join(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        if not others:
            return None
        second = F.batch_norm(others.pop(), None, None, layer.weight, layer.bias, True, 0.0, layer.eps)
        return torch.cat([output, second])

    return layer.register_forward_pre_hook(Uncopied(keep_first_half)), layer.register_forward_hook(Uncopied(join))

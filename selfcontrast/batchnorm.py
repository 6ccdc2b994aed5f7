"""The self-contrastive pass normalises by its own batch and leaves no trace in the host's running statistics."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from selfcontrast.hooks import Uncopied


class KeepRunningStatistics(TorchFunctionMode):
    """Inside this context batch normalisation in training mode updates no running mean or variance.

    The plug-in must not change inference, and inference reads those. The layer's count of batches, by which a layer
    without momentum weighs the next one, is taken back too. Distributed `SyncBatchNorm` normalises by its own function
    and is not reached.

    >>> import torch
    >>> layer = torch.nn.BatchNorm2d(1)
    >>> with KeepRunningStatistics():
    ...     _ = layer(torch.full((2, 1, 3, 3), 7.0))
    >>> layer.running_mean, layer.num_batches_tracked
    (tensor([0.]), tensor(0))
    """

    _count: Tensor | None = None

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is F.batch_norm:
            names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
            kwargs |= dict(zip(names, args, strict=False))
            args = ()
            if kwargs.get("training") and kwargs["running_mean"] is not None:
                kwargs["running_mean"] = kwargs["running_var"] = None
                self._take_back_count()
        elif func is Tensor.add_ and args[0].dim() == 0 and args[0].dtype == torch.int64:
            # A layer counts its batch just before it normalises.
            self._count = args[0]
        return func(*args, **kwargs)

    def _take_back_count(self) -> None:
        if self._count is not None:
            self._count.sub_(1)
            self._count = None


def normalise_apart(model: nn.Module, batch: int) -> list[RemovableHandle]:
    """Let each batch normalisation that uses its batch's statistics see the halves of a doubled batch one by one.

    The first `batch` rows are normalised, and counted in the running statistics, as if they were alone; the others by
    statistics of their own, which leave no trace. Distributed `SyncBatchNorm` takes the others' from its own process.

    >>> layer, images = nn.BatchNorm2d(1), torch.tensor([1.0, 3.0, 10.0, 30.0]).view(4, 1, 1, 1)
    >>> handles = normalise_apart(layer, 2)
    >>> layer(images).flatten().round().tolist(), layer.num_batches_tracked
    ([-1.0, 1.0, -1.0, 1.0], tensor(1))
    """
    live = [m for m in model.modules() if isinstance(m, _BatchNorm) and (m.training or m.running_mean is None)]
    return [handle for layer in live for handle in _split(layer, batch)]


def _split(layer: _BatchNorm, batch: int) -> tuple[RemovableHandle, RemovableHandle]:
    others: list[Tensor] = []

    def keep_first_half(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if len(args[0]) != 2 * batch:
            return None
        others.append(args[0][batch:])
        return (args[0][:batch],)

    def join(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        if not others:
            return None
        second = F.batch_norm(others.pop(), None, None, layer.weight, layer.bias, True, 0.0, layer.eps)
        return torch.cat([output, second])

    return layer.register_forward_pre_hook(Uncopied(keep_first_half)), layer.register_forward_hook(Uncopied(join))

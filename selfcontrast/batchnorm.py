"""Batch normalisation in the self-contrastive pass: by its own batch, without a trace in running statistics."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


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
            kwargs = {**kwargs, **dict(zip(names, args, strict=False))}
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

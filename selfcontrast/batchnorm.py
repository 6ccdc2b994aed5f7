"""The self-contrastive pass normalises by its own batch and leaves no trace in the host's running statistics."""

from typing import Any

import torch.nn.functional as F
from torch.overrides import TorchFunctionMode


class KeepRunningStatistics(TorchFunctionMode):
    """Inside this context batch normalisation in training mode updates no running mean or variance.

    The plug-in must not change inference, and inference reads those. `num_batches_tracked`, which only a layer with
    `momentum=None` reads, still counts. Distributed `SyncBatchNorm` normalises by its own function and is not reached.

    >>> import torch
    >>> layer = torch.nn.BatchNorm2d(1)
    >>> with KeepRunningStatistics():
    ...     _ = layer(torch.full((2, 1, 3, 3), 7.0))
    >>> layer.running_mean
    tensor([0.])
    """

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is F.batch_norm:
            names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
            kwargs |= dict(zip(names, args, strict=False))
            args = ()
            if kwargs.get("training"):
                kwargs["running_mean"] = kwargs["running_var"] = None
        return func(*args, **kwargs)

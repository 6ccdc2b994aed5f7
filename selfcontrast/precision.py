"""Sums over thousands of pixels overflow half precision, so they are made in float32 whatever autocast says."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

# Asked once, because a compiled graph of torch 2.6 cannot ask.
_AUTOCAST = {
    kind for kind in ("cpu", "cuda", "mps", "xpu", "hpu", "mtia", "xla") if torch.amp.is_autocast_available(kind)
}


def at_least_float32(tensor: Tensor) -> Tensor:
    """`tensor` in float32, or as it is when it is already wider."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def autocast_off(device: torch.device) -> AbstractContextManager[object]:
    """A context in which operations on `device` keep the precision of their inputs."""
    return torch.autocast(device.type, enabled=False) if device.type in _AUTOCAST else nullcontext()

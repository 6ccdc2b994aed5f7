"""Refuse a model that the task cannot be attached to, before any hook is set."""

import inspect

from torch import nn

from selfcontrast.attach.hooks import Uncopied
from selfcontrast.attach.host import Call, CosineHost, Host, matching
from selfcontrast.errors import require


def check_attachable(model: nn.Module, host: Host | CosineHost) -> None:
    """Refuse models that hooks would not reach, and hosts that name what the model does not have."""
    wrapped = isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel)
    require(not wrapped, "model", "the model itself", type(model).__name__, "attach to model.module")
    compiled = hasattr(model, "_orig_mod") or getattr(model, "_compiled_call_impl", None) is not None
    require(not compiled, "model", "a model that is not compiled yet", "a compiled one", "attach first, then compile")
    attached = any(isinstance(hook, Uncopied) for hook in model._forward_hooks.values())  # pyright: ignore
    require(not attached, "model", "a model with nothing attached", "an attached one", "call attachment.detach() first")
    takes = inspect.signature(model.forward).parameters
    require(
        host.mask is None or host.mask in takes,
        "host.mask",
        f"an argument of {type(model).__name__}.forward: {', '.join(takes)}",
        repr(host.mask),
        "name the query's mask, or set mask=None and use attachment.episode(mask)",
    )
    for name in named_modules(host):
        matching(model, name)


def named_modules(host: Host | CosineHost) -> list[str]:
    """Every module that a host names."""
    if isinstance(host, CosineHost):
        return [Call.parse(call).module for call in (host.features, host.high_level)]
    calls = [
        host.features,
        host.high_level,
        *(entry.call for entry in host.entries),
        *(exit.call for exit in host.exits),
    ]
    return [
        *(Call.parse(call).module for call in calls),
        *(Call.parse(doubled.call).module for doubled in host.doubled),
        *host.cut,
        *([host.criterion] if host.criterion else []),
    ]

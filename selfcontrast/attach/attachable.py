"""Refuse a model that the task cannot be attached to, before any hook is set."""

import inspect
from typing import Any

from torch import nn

from selfcontrast.attach.hooks import Uncopied
from selfcontrast.attach.host import Call, CosineHost, Host, feature_calls, matching
from selfcontrast.attach.presets import ASK
from selfcontrast.errors import require, shown


def check_attachable(model: nn.Module, host: Host | CosineHost) -> None:
    """Refuse models that hooks would not reach, and hosts that name what the model does not have."""
    check_module(model)
    if not isinstance(host, Host | CosineHost):  # pyright: ignore[reportUnnecessaryIsInstance]
        fix = f'write .attach(model, "pfenet") with the preset of your model, or {ASK}'
        require(False, "host", "a preset's name, a Host(...) or a CosineHost(...)", shown(host), fix)
    wrapped = _wrapped(model)
    require(not wrapped, "model", "the model itself", type(model).__name__, "attach to model.module, before wrapping")
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
    if isinstance(host, CosineHost):
        _check_output(host, type(model).__name__, list(takes))
    else:
        _check_mechanism(host)


def _check_output(host: CosineHost, model: str, takes: list[str]) -> None:
    """Refuse a cosine host whose logits could not be read, or that has no such switch for its losses."""
    require(
        host.losses_off in (None, "training", *takes),
        "host.losses_off",
        f"'training' or an argument of {model}.forward: {', '.join(takes)}",
        repr(host.losses_off),
        "name what switches the model's own losses off, or leave it out",
    )
    require(
        host.output is not None or host.background is not None,
        "host.output",
        "the item of the forward's output that holds the logits, where the host has no background prototype",
        "None",
        "name it, as output='[0]'",
    )


def _check_mechanism(host: Host) -> None:
    """Refuse a fold that would need a prototype before the host forms it."""
    require(
        host.mechanism == "replay" or all(entry.holds == "foreground" for entry in host.entries),
        "host.mechanism",
        "replay, where an entry holds the background's prototype, which gives way to the foreground's",
        "fold",
        "write Host(..., mechanism='replay')",
    )


def _wrapped(model: nn.Module) -> bool:
    # Fabric's wrapper is known by its name, for the library does not import Fabric.
    parallel = isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel)
    return parallel or type(model).__name__ == "_FabricModule"


def check_module(model: object) -> None:
    """Refuse a class, a state_dict, a name and whatever else is no model."""
    if not isinstance(model, nn.Module):
        fix = "build it first" if isinstance(model, type) else "pass the model itself, as the first argument"
        require(False, "model", "a torch.nn.Module", shown(model), fix)


def check_arguments(model: nn.Module, called: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    """Refuse a batch that the model's forward does not take, before Python does so far below."""
    try:
        inspect.signature(model.forward).bind(*arguments, **keywords)
    except TypeError as error:
        lone = len(arguments) == 1 and isinstance(arguments[0], (tuple, list))
        fix = f"write {called}, with the star" if lone else "pass what model(...) gets in training"
        require(False, "batch", f"what {type(model).__name__}.forward takes", f"a call with this fault: {error}", fix)


def named_modules(host: Host | CosineHost) -> list[str]:
    """Every module that a host names."""
    if isinstance(host, CosineHost):
        return [Call.parse(call).module for call in (*feature_calls(host), host.high_level)]
    calls = [
        *feature_calls(host),
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

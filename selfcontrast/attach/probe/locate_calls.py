"""Find what belongs to a comparison: the calls that give features, deep features and logits, and the mask."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selfcontrast.attach.hooks import Hooks
from selfcontrast.attach.host import Call, Exit
from selfcontrast.attach.probe.locate_comparison import Comparison, call_text, starred
from selfcontrast.attach.probe.trace import (
    Map,
    Trace,
)
from selfcontrast.attach.verify import seeded
from selfcontrast.errors import InputError


def find_features(
    model: nn.Module, base: Trace, comparison: Comparison, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Map, slice]:
    """The last call whose output stands in the entry, whole or pooled, and where in it."""
    entry = comparison.inputs[0]
    block = torch.nonzero(comparison.features(entry)).flatten()
    first, last = int(block[0]), int(block[-1])
    candidates = [one for one in base.outputs if one.ended < entry.started and comparison.query_only(one)]
    candidates = [one for one in candidates if last - first < one.shape[1] <= entry.shape[1]]
    merged, outputs = _capture(model, entry, candidates, arguments, keywords)
    for one in sorted(candidates, key=lambda one: -one.ended):
        ways = _resized(outputs[one.key], merged)
        for start in range(max(0, last + 1 - one.shape[1]), min(first, entry.shape[1] - one.shape[1]) + 1):
            window = slice(start, start + one.shape[1])
            if any(_equal(way, merged[:, window]) for way in ways):
                return one, window
    raise InputError(
        f"model: expected the features in channels {first}:{last + 1} of {entry.name} to be some module's output, got "
        "none that matches; give that tensor a module of its own, such as nn.Identity(), and name it"
    )


def _capture(
    model: nn.Module, entry: Map, outputs: list[Map], arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Tensor, dict[Any, Tensor]]:
    """An input and outputs of one forward, as tensors."""
    hooks, inputs, kept = Hooks(model), list[Tensor](), dict[Any, Tensor]()

    def keep(one: Map) -> Callable[[str, Any], None]:
        def hook(name: str, output: Any) -> None:
            for item in one.items:
                output = output[item]
            # A copy, for the next module may work in place.
            kept[one.key] = output.detach().clone()

        return hook

    hooks.before(Call(entry.name, entry.turn, ()), lambda name, args, kwargs: inputs.append(args[0].detach().clone()))
    for one in outputs:
        hooks.after(Call(one.name, one.turn, ()), keep(one))
    try:
        with torch.no_grad():
            seeded(model, lambda: model(*arguments, **keywords))
    finally:
        hooks.remove()
    return inputs[0], kept


def _resized(whole: Tensor, merged: Tensor) -> list[Tensor]:
    """An output at the entry's grid, in each way that hosts resize."""
    if len(whole) != len(merged):
        return []
    size = (merged.shape[2], merged.shape[3])
    if whole.shape[2:] == merged.shape[2:]:
        return [whole]
    ways = [F.interpolate(whole, size, mode="bilinear", align_corners=corners) for corners in (True, False)]
    return [F.adaptive_avg_pool2d(whole, size), *ways]


def _equal(way: Tensor, block: Tensor) -> bool:
    return torch.allclose(way, block, rtol=1e-4, atol=1e-5 * float(block.abs().max()))


def find_high_level(base: Trace, comparison: Comparison, unsure: list[str]) -> Map:
    """The deepest map that follows only the query: the last one of those with the most channels."""
    before = comparison.inputs[0].started
    maps = [one for one in base.outputs if one.ended < before and comparison.query_only(one)]
    deepest = max(maps, key=lambda one: (one.shape[1], one.ended))
    unsure.append(
        f"high_level is {deepest.name}, the last map of the query alone with the most channels ({deepest.shape[1]}); "
        "any deep feature of the query serves"
    )
    return deepest


def find_exits(model: nn.Module, base: Trace, comparison: Comparison, unsure: list[str]) -> tuple[Exit, ...]:
    """Outermost modules behind the entry that give two channels a pixel of the query."""
    start, batch = comparison.inputs[0].started, comparison.inputs[0].shape[0]
    found: list[Map] = []
    for one in sorted(base.outputs, key=lambda one: one.started):
        behind = one.started >= start and one.shape[:2] == (batch, 2) and bool(one.any_of(comparison.query).any())
        if behind and not any(one.name.startswith(f"{other.name}.") for other in found):
            found.append(one)
    if not found:
        raise InputError(
            "model: expected a module behind the comparison's start that gives logits (B, 2, h, w), got none; "
            "give the logits a module of their own, such as nn.Identity(), and name it"
        )
    last = max(found, key=lambda one: one.ended)
    calls = starred(model, list(dict.fromkeys(call_text(one, base) for one in found)))
    if len(found) > 1:
        unsure.append(
            f"{last.name} gives the last logits; the weights of the other exits in the host's loss are guessed"
        )
    return tuple(Exit(call) for call in calls)


def find_mask(
    model: nn.Module,
    comparison: Comparison,
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
    unsure: list[str],
) -> str | None:
    """The argument that looks like a mask and does not change what enters the comparison."""
    bound = inspect.signature(model.forward).bind(*arguments, **keywords)
    entry = comparison.inputs[0]
    base, _ = _capture(model, entry, [], arguments, keywords)
    found: list[str] = []
    for name, value in list(bound.arguments.items()):
        if not _looks_like_mask(value):
            continue
        bound.arguments[name] = torch.where(value <= 1, 1 - value, value)
        other, _ = _capture(model, entry, [], bound.args, bound.kwargs)
        bound.arguments[name] = value
        if torch.equal(base, other):
            found.append(name)
    if len(found) != 1:
        unsure.append(
            f"mask: {', '.join(found) or 'no argument'} may be the query's mask; else `with attachment.episode(mask):`"
        )
    return found[0] if len(found) == 1 else None


def _looks_like_mask(value: Any) -> bool:
    if not isinstance(value, Tensor) or not (value.dim() == 3 or (value.dim() == 4 and value.shape[1] == 1)):
        return False
    return bool(((value == 0) | (value == 1) | (value == 255)).all()) and value.dtype != torch.bool

"""Find where a model of the concatenation kind can be entered, whatever its names and the order of its channels.

The comparison starts at the first module whose input holds a block that is constant over space and follows only the
support, a prototype, beside a block that follows only the query, the features.
"""

import inspect
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selfcontrast.auxiliary import SelfContrastiveAuxiliary
from selfcontrast.check import CheckReport, random_numbers_kept, seeded, without_dropout
from selfcontrast.comparison import Comparison, call_text, find_comparison, find_entries, starred
from selfcontrast.errors import InputError, require
from selfcontrast.hooks import Hooks
from selfcontrast.host import Call, Exit, Host
from selfcontrast.host_text import host_text
from selfcontrast.tracing import (
    Map,
    Trace,
    fixed_statistics,
    follow,
    gauge,
    image_leaves,
    other_image,
    trace,
    with_leaf,
)
from selfcontrast.trees import tensors_in


def probe(model: nn.Module, *arguments: Any, **keywords: Any) -> Host:
    """Find the `Host` of a model whose comparison takes features and an expanded prototype in one tensor.

    The model runs a few times on these arguments, with other images in their places, and is checked at the end with the
    task attached. Printed are the host as code to paste, the check, and what is unsure.

    Args:
        model: in training mode, with nothing attached.
        arguments, keywords: of a training forward: images as (..., 3, H, W) floats, support and query apart.

    Raises:
        InputError: where no such comparison is found, with the reason; hosts of another kind have presets or none.

    >>> class Model(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.encoder, self.deep = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 16, 1)
    ...         self.head = nn.Conv2d(16, 2, 1)
    ...     def forward(self, query, support):
    ...         prototype = self.encoder(support).mean((2, 3), keepdim=True)
    ...         features = self.encoder(query)
    ...         self.deep(features)
    ...         return self.head(torch.cat([prototype.expand_as(features), features], 1))
    >>> _ = torch.manual_seed(0)
    >>> host = probe(Model(), torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32))  # doctest: +ELLIPSIS
    Host(
        features='encoder#1',
        high_level='deep',
        entries=(Entry('head', ':C'),),
        exits=(Exit('head'),),
    )
    ...
    """
    require(model.training, "model", "training mode, as in its training script", "eval mode", "call model.train()")
    with without_dropout(model), fixed_statistics(model), random_numbers_kept():
        base = _follow_images(model, arguments, keywords)
        comparison = find_comparison(base)
        features, window = _find_features(model, base, comparison, arguments, keywords)
        unsure: list[str] = []
        host = Host(
            features=call_text(features, base),
            high_level=call_text(_find_high_level(base, comparison, unsure), base),
            entries=find_entries(model, base, comparison, window, unsure),
            exits=_find_exits(model, base, comparison, unsure),
            mask=_find_mask(model, comparison, arguments, keywords, unsure),
        )
    host, report = _checked(model, host, arguments, keywords, unsure)
    print(f"{host_text(host)}\n{report}")
    for line in unsure:
        print(f"unsure: {line}")
    return host


def _follow_images(model: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Trace:
    """One trace of the model, and for each image which channels follow it."""
    images = image_leaves((arguments, keywords))
    require(
        len(images) > 1,
        "arguments",
        "support and query images as separate (..., 3, H, W) tensors",
        f"{len(images)} such",
        "write the Host(...) by hand: support and query cannot be told apart here",
    )
    base = _trace(model, arguments, keywords)
    gauge(base, _trace(model, arguments, keywords))
    for image in images:
        others, named = with_leaf((arguments, keywords), image, other_image)
        follow(base, _trace(model, others, named))
    return base


def _trace(model: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Trace:
    return trace(model, lambda: seeded(model, lambda: model(*arguments, **keywords)))


def _find_features(
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
    """An output as a host may bring it to an entry's grid."""
    if len(whole) != len(merged):
        return []
    size = (merged.shape[2], merged.shape[3])
    if whole.shape[2:] == merged.shape[2:]:
        return [whole]
    ways = [F.interpolate(whole, size, mode="bilinear", align_corners=corners) for corners in (True, False)]
    return [F.adaptive_avg_pool2d(whole, size), *ways]


def _equal(way: Tensor, block: Tensor) -> bool:
    return torch.allclose(way, block, rtol=1e-4, atol=1e-5 * float(block.abs().max()))


def _find_high_level(base: Trace, comparison: Comparison, unsure: list[str]) -> Map:
    """The deepest map of the query alone: of those with the most channels, the last."""
    before = comparison.inputs[0].started
    maps = [one for one in base.outputs if one.ended < before and comparison.query_only(one)]
    deepest = max(maps, key=lambda one: (one.shape[1], one.ended))
    unsure.append(
        f"high_level is {deepest.name}, the last map of the query alone with the most channels ({deepest.shape[1]}); "
        "any deep feature of the query serves"
    )
    return deepest


def _find_exits(model: nn.Module, base: Trace, comparison: Comparison, unsure: list[str]) -> tuple[Exit, ...]:
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


def _find_mask(
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


def _checked(
    model: nn.Module, host: Host, arguments: tuple[Any, ...], keywords: dict[str, Any], unsure: list[str]
) -> tuple[Host, CheckReport]:
    """The host with the mechanism under which its check passes."""
    failures: list[str] = []
    for mechanism in ("fold", "replay"):
        tried = replace(host, mechanism=mechanism)
        attachment = SelfContrastiveAuxiliary().attach(model, tried)
        try:
            within = nullcontext() if host.mask else attachment.episode(_square(arguments, keywords))
            with within:
                report = attachment.check(*arguments, **keywords)
        except (InputError, RuntimeError) as error:
            failures.append(f"{mechanism}: {error}")
            continue
        finally:
            attachment.detach()
        if failures:
            unsure.append(f"a fold did not fit, so a second forward is used; `doubled` could mend it: {failures[0]}")
        return tried, report
    raise InputError(f"model: expected a host that passes its check, got\n{host_text(host)}\n" + "\n".join(failures))


def _square(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Tensor:
    """A mask for the check of a host whose forward takes none: a square in the middle."""
    image = next(tensor for tensor in tensors_in((arguments, keywords)) if tensor.dim() == 4 and tensor.shape[1] == 3)
    height, width = image.shape[-2:]
    mask = torch.zeros(len(image), height, width, dtype=torch.long, device=image.device)
    mask[:, height // 4 : -(height // 4), width // 4 : -(width // 4)] = 1
    return mask

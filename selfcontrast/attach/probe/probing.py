"""Find where a model can be entered, whatever its names and the order of its channels.

Its images and masks are changed one after the other, and what follows each is noted. First a comparison by
concatenation is looked for, where a prototype stands beside features in some module's input, then one by cosine
similarity.
"""

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from selfcontrast.attach.attachable import check_arguments, check_module
from selfcontrast.attach.following import fixed_statistics
from selfcontrast.attach.host import CosineHost, Host
from selfcontrast.attach.probe.forwards import Forwards
from selfcontrast.attach.probe.locate.branches import find_background
from selfcontrast.attach.probe.locate.comparison import Comparison, call_text, find_comparison, with_later_prototypes
from selfcontrast.attach.probe.locate.cosine import find_cosine
from selfcontrast.attach.probe.locate.entries import find_entries, find_layouts
from selfcontrast.attach.probe.locate.exits import find_exits
from selfcontrast.attach.probe.locate.features import Placed, find_features, find_high_level
from selfcontrast.attach.probe.locate.mask import find_masks
from selfcontrast.attach.probe.locate.palettes import find_chosen_prototypes, find_palettes
from selfcontrast.attach.probe.maps import Key, Trace, follow, gauge
from selfcontrast.attach.probe.trace import trace
from selfcontrast.attach.probe.why_not import refusal
from selfcontrast.attach.probe.write_host import host_text
from selfcontrast.attach.verify import CheckReport, random_numbers_kept, without_dropout
from selfcontrast.auxiliary import SelfContrastiveAuxiliary
from selfcontrast.errors import InputError, require


def probe(model: nn.Module, *arguments: Any, **keywords: Any) -> Host | CosineHost:
    """Find the `Host` or `CosineHost` of a model whose comparison nobody described.

    The model runs a few times on these arguments, with other images and masks in their places, and is checked at the
    end with the task attached. Printed are the host as code to paste, the check, and what is unsure.

    Args:
        model: in training mode, with nothing attached.
        arguments, keywords: of a training forward: images as (..., 3, H, W) floats, support and query apart.

    Raises:
        InputError: where no such comparison is found, with the reason and the next step.

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
    check_module(model)
    check_arguments(model, "probe(model, *batch)", arguments, keywords)
    require(model.training, "model", "training mode, as in its training script", "eval mode", "call model.train()")
    forwards, unsure = Forwards(model, arguments, keywords), list[str]()
    try:
        with without_dropout(model), fixed_statistics(model), random_numbers_kept():
            host = _found(forwards, unsure)
        host, report = _checked(forwards, host, arguments, keywords, unsure)
    finally:
        forwards.done()
    print("\n".join([host_text(host), str(report), *(f"unsure: {line}" for line in dict.fromkeys(unsure))]))
    return host


def _found(forwards: Forwards, unsure: list[str]) -> Host | CosineHost:
    base = follow_images(forwards)
    comparison = find_comparison(base, list(forwards.images))
    if comparison is not None:
        placed = find_features(forwards, base, comparison)
        features = placed[comparison.inputs[0].key].features
        comparison = with_later_prototypes(base, comparison, features.shape[1])
        comparison, palettes = find_palettes(forwards, base, comparison, placed)
        return _concatenating(forwards, base, comparison, placed, palettes, unsure)
    host = find_cosine(forwards, base, unsure)
    if host is not None:
        return host
    chosen = find_chosen_prototypes(forwards, base, list(forwards.images))
    if chosen is None:
        raise refusal(forwards, base)
    return _concatenating(forwards, base, *chosen, unsure)


def follow_images(forwards: Forwards) -> Trace:
    """One trace of the model, and for the images of each argument which channels follow them."""
    require(
        len(forwards.images) > 0,
        "arguments",
        "images as (..., 3, H, W) floats",
        "none",
        "pass the batch as the training script does, in lists and dictionaries if it does so",
    )
    require(
        len(forwards.images) > 1,
        "arguments",
        "support and query images as separate (..., 3, H, W) tensors",
        f"one alone, {next(iter(forwards.images), '')}",
        "where it is the query, training has no support to compare with and there is nothing to attach to; where it "
        "holds both, write the Host(...) by hand, see docs/attach.md",
    )
    base = trace(forwards, "runs the model", first=True)
    if not forwards.deterministic:
        gauge(base, trace(forwards, "runs the model again"))
    for group in forwards.images:
        follow(base, trace(forwards, f"changes the images in {group}", forwards.other_images(group)), group)
    return base


def _concatenating(
    forwards: Forwards,
    base: Trace,
    comparison: Comparison,
    placed: dict[Key, Placed],
    palettes: dict[Key, list[slice]],
    unsure: list[str],
) -> Host:
    """The host of a comparison that takes features and an expanded prototype in one tensor."""
    model, roles = forwards.model, comparison.roles
    layouts = find_layouts(base, comparison, placed, palettes, unsure)
    found = find_exits(model, base, comparison, unsure)
    masks = find_masks(forwards, base, comparison.inputs, found.logits, roles.support, unsure)
    background = find_background(forwards, layouts, roles, found.logits, masks.support, unsure)
    rows = comparison.inputs[0].shape[0]
    high_level = find_high_level(base, comparison.started, roles, rows, False, unsure)
    return Host(
        features=call_text(layouts[0].placed.features, base),
        high_level=call_text(high_level, base),
        entries=find_entries(model, base, layouts, background, unsure),
        exits=found.exits,
        mask=masks.query,
        mechanism="replay" if background or found.joined else "fold",
        criterion=found.criterion,
    )


def _checked(
    forwards: Forwards,
    host: Host | CosineHost,
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
    unsure: list[str],
) -> tuple[Host | CosineHost, CheckReport]:
    """The host with the mechanism under which its check passes."""
    failures: list[str] = []
    hosts: list[Host | CosineHost] = [host]
    if isinstance(host, Host) and host.mechanism == "fold":
        hosts.append(replace(host, mechanism="replay"))
    for tried in hosts:
        attachment = SelfContrastiveAuxiliary().attach(forwards.model, tried)
        try:
            with nullcontext() if tried.mask else attachment.episode(_square(forwards)):
                report = attachment.check(*arguments, **keywords)
        # Whatever a doubled batch does to the model's own code, a second forward may still fit.
        except Exception as error:
            failures.append(_one_line(error))
            continue
        finally:
            attachment.detach()
        if failures:
            unsure.append(f"a fold did not fit, so a second forward is used; `doubled` could mend it: {failures[0]}")
        return tried, report
    raise InputError(f"model: expected a host that passes its check, got\n{host_text(host)}\n" + "\n".join(failures))


def _one_line(error: Exception) -> str:
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"


def _square(forwards: Forwards) -> Tensor:
    """A square in the middle, as the mask for the check of a host whose forward takes none."""
    images = [forwards.leaves[place].value for places in forwards.images.values() for place in places]
    image = next(tensor for tensor in images if tensor.dim() == 4)
    height, width = image.shape[-2:]
    mask = torch.zeros(len(image), height, width, dtype=torch.long, device=image.device)
    mask[:, height // 4 : -(height // 4), width // 4 : -(width // 4)] = 1
    return mask

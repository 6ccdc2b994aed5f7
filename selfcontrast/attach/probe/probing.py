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
from selfcontrast.attach.probe.locate.comparison import (
    Comparison,
    find_comparison,
    read_text,
    support_beside,
    with_later_prototypes,
)
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

Found = tuple[Host | CosineHost, list[str]]


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
    forwards = Forwards(model, arguments, keywords)
    try:
        with without_dropout(model), fixed_statistics(model), random_numbers_kept():
            hosts = _found(forwards)
        host, report, unsure = _checked(forwards, hosts, arguments, keywords)
    finally:
        forwards.done()
    print("\n".join([host_text(host), str(report), *(f"unsure: {line}" for line in dict.fromkeys(unsure))]))
    return host


def _found(forwards: Forwards) -> list[Found]:
    """Hosts, the likeliest first, and what is unsure about each."""
    base = follow_images(forwards)
    comparison = find_comparison(base, list(forwards.images))
    error: InputError | None = None
    if comparison is not None:
        try:
            return _with_flat_prototypes(forwards, base, comparison)
        except InputError as refused:
            if comparison.certain:
                raise
            error = refused
    hosts = [] if base.deep else find_cosine(forwards, base)
    if hosts:
        return [*hosts]
    chosen = find_chosen_prototypes(forwards, base, list(forwards.images))
    if chosen is None:
        raise error or refusal(forwards, base)
    return _concatenating(forwards, base, *chosen)


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


def _with_flat_prototypes(forwards: Forwards, base: Trace, comparison: Comparison) -> list[Found]:
    """The hosts of a comparison with prototypes that are constant over space, and others beside them."""
    placed = find_features(forwards, base, comparison)
    features = next(iter(placed.values())).features
    comparison = with_later_prototypes(base, comparison, features.shape[1])
    comparison, palettes = find_palettes(forwards, base, comparison, placed)
    return _concatenating(forwards, base, comparison, placed, palettes)


def _concatenating(
    forwards: Forwards,
    base: Trace,
    comparison: Comparison,
    placed: dict[Key, Placed],
    palettes: dict[Key, list[slice]],
) -> list[Found]:
    """The hosts of a comparison that takes features and an expanded prototype in one tensor."""
    model, roles, unsure = forwards.model, comparison.roles, list[str]()
    layouts = find_layouts(model, base, comparison, placed, palettes, unsure)
    found = find_exits(model, base, comparison, unsure)
    masks = find_masks(forwards, base, comparison.inputs, found.logits, roles.support, unsure)
    background = find_background(forwards, layouts, roles, found.logits, masks.support, unsure)
    beside = ", ".join(support_beside(base, comparison))
    if beside:
        unsure.append(f"{beside}, behind the entry, is given maps of the support too: there the pass still sees it")
    rows = comparison.inputs[0].shape[0]
    high_level = find_high_level(base, comparison.started, roles, rows, False, unsure)
    host = Host(
        features=read_text(layouts[0].placed.features, base),
        high_level=read_text(high_level, base),
        entries=find_entries(model, base, layouts, background, unsure),
        exits=found.exits,
        mask=masks.query,
        mechanism="replay" if background or found.joined else "fold",
        criterion=found.criterion,
    )
    return (
        [(host, unsure)]
        if host.mechanism == "replay"
        else [(host, unsure), (replace(host, mechanism="replay"), unsure)]
    )


def _checked(
    forwards: Forwards, hosts: list[Found], arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Host | CosineHost, CheckReport, list[str]]:
    """The first of these hosts whose check passes."""
    failures: list[str] = []
    for host, unsure in hosts:
        attachment = SelfContrastiveAuxiliary().attach(forwards.model, host)
        try:
            with nullcontext() if host.mask else attachment.episode(_square(forwards)):
                report = attachment.check(*arguments, **keywords)
        # Whatever a doubled batch does to the model's own code, a second forward may still fit.
        except Exception as error:
            failures.append(_one_line(error))
            continue
        finally:
            attachment.detach()
        if failures and isinstance(host, Host):
            line = f"a fold did not fit, so a second forward is used; `doubled` could mend it: {failures[0]}"
            return host, report, [*unsure, line]
        return host, report, unsure
    likeliest = host_text(hosts[0][0])
    raise InputError(f"model: expected a host that passes its check, got\n{likeliest}\n" + "\n".join(failures))


def _one_line(error: Exception) -> str:
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"


def _square(forwards: Forwards) -> Tensor:
    """A square in the middle, as the mask for the check of a host whose forward takes none."""
    images = [forwards.leaves[place].value for places in forwards.images.values() for place in places]
    image = next(tensor for tensor in images if tensor.dim() == 4)
    batch, _, height, width = image.shape
    mask = torch.zeros(batch, height, width, dtype=torch.long, device=image.device)
    mask[:, height // 4 : -(height // 4), width // 4 : -(width // 4)] = 1
    return mask

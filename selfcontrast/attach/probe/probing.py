"""Find where a model of the concatenation kind can be entered, whatever its names and the order of its channels.

The comparison starts at the first module whose input holds a block that is constant over space and follows only the
support, a prototype, beside a block that follows only the query, the features.
"""

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from selfcontrast.attach.attachable import check_arguments, check_module
from selfcontrast.attach.host import Host
from selfcontrast.attach.nested_tensors import tensors_in
from selfcontrast.attach.probe.locate_calls import find_exits, find_features, find_high_level, find_mask
from selfcontrast.attach.probe.locate_comparison import call_text, find_comparison, find_entries
from selfcontrast.attach.probe.trace import (
    Trace,
    fixed_statistics,
    follow,
    gauge,
    image_leaves,
    other_image,
    trace,
    with_leaf,
)
from selfcontrast.attach.probe.write_host import host_text
from selfcontrast.attach.verify import CheckReport, random_numbers_kept, seeded, without_dropout
from selfcontrast.auxiliary import SelfContrastiveAuxiliary
from selfcontrast.errors import InputError, require


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
    check_module(model)
    check_arguments(model, "probe(model, *batch)", arguments, keywords)
    require(model.training, "model", "training mode, as in its training script", "eval mode", "call model.train()")
    with without_dropout(model), fixed_statistics(model), random_numbers_kept():
        base = _follow_images(model, arguments, keywords)
        comparison = find_comparison(base)
        features, window = find_features(model, base, comparison, arguments, keywords)
        unsure: list[str] = []
        host = Host(
            features=call_text(features, base),
            high_level=call_text(find_high_level(base, comparison, unsure), base),
            entries=find_entries(model, base, comparison, window, unsure),
            exits=find_exits(model, base, comparison, unsure),
            mask=find_mask(model, comparison, arguments, keywords, unsure),
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
    """A square in the middle, as the mask for the check of a host whose forward takes none."""
    image = next(tensor for tensor in tensors_in((arguments, keywords)) if tensor.dim() == 4 and tensor.shape[1] == 3)
    height, width = image.shape[-2:]
    mask = torch.zeros(len(image), height, width, dtype=torch.long, device=image.device)
    mask[:, height // 4 : -(height // 4), width // 4 : -(width // 4)] = 1
    return mask

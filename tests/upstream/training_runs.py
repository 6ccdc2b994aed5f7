"""Published models run with the task attached, so that two forwards can be compared."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
from explicit import EXITS, second_forward
from explicit_cosine import swapped_forward
from published import Published
from torch import Tensor, nn
from torch.nn import functional as F

from selfcontrast import SelfContrastiveAuxiliary
from selfcontrast.attach.attachment import Attachment

QUERY_LOSSES: dict[str, Callable[[Any, Tensor], Tensor] | None] = {
    "bam": lambda output, _: output[2],
    "svf_bam": lambda output, _: output[2],
    "msanet": lambda output, _: output[2],
    # Its third loss judges the prototypes.
    "mianet": lambda output, _: output[1] + output[2],
    "cyctr": lambda output, _: output[1],
    "dcp": lambda output, _: output[1],
    "r2net": lambda output, _: output[1],
    "ipmt": lambda output, _: output[1],
    "aenet_sccan": lambda output, _: output[2],
    "aenet_cyctr": lambda output, _: output[2],
    "ppnet": lambda output, mask: F.cross_entropy(output[0], mask, ignore_index=255),
    "ssp": lambda output, mask: F.cross_entropy(output[0], mask, ignore_index=255),
    "ifa": lambda output, mask: F.cross_entropy(output[1], mask, ignore_index=255),
    # Their own losses give the background less weight.
    "alpnet": lambda output, mask: F.cross_entropy(output[0], mask, ignore_index=255),
    "qnet": lambda output, mask: F.nll_loss(output[0].log(), mask, ignore_index=255),
    "rpt": lambda output, mask: F.nll_loss(output[0].log(), mask, ignore_index=255),
    # Their sums hold the support's losses and the base learner's.
    "scl": None,
    "hdmnet": None,
    "aenet_hdmnet": None,
    "ntrenet": None,
}
"""The part of a published loss that judges the logits of the comparison; all of it elsewhere."""

COUNTER: dict[str, Callable[[Tensor], Tensor]] = {
    "neutral": lambda prior: torch.full_like(prior, 0.5),
    "complement": lambda prior: 1 - prior,
    "keep": lambda prior: prior,
}
"""What each option makes of a prior mask, said once more."""


@contextmanager
def attached(published: Published, prior: str = "neutral", weight: float = 0.5) -> Iterator[Attachment]:
    # A generator of its own: the host's draws must not depend on the task's.
    auxiliary = SelfContrastiveAuxiliary(prior=prior, weight=weight, generator=torch.Generator().manual_seed(1))
    attachment = auxiliary.attach(published.model, published.host or published.name)
    try:
        with attachment.episode(published.mask) if attachment.host.mask is None else nullcontext():
            yield attachment
    finally:
        attachment.detach()


@contextmanager
def without_draws(model: nn.Module) -> Iterator[None]:
    """No dropout, CyCTR's sampling as at inference, PPNet's first centres in order: all draw anew for every image."""
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Dropout | nn.Dropout2d)]
    probabilities = [layer.p for layer in layers]
    # CyCTR's own class and AENet's.
    transformers = [module for module in model.children() if type(module).__name__.startswith("CyCTransformer")]
    sampling = nn.ModuleList(transformers)
    sampling.eval()
    for layer in layers:
        # Not 0: then PyTorch hands on the tensor itself, and ASGNet's next layer writes into what a gradient needs.
        layer.p = 1e-9
    try:
        with mock.patch.object(np.random, "choice", lambda points, centres: np.arange(centres) % points):
            yield
    finally:
        sampling.train()
        for layer, probability in zip(layers, probabilities, strict=True):
            layer.p = probability


def seeded() -> None:
    """PPNet draws from numpy, CyCTR from Python."""
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)


def forward(published: Published) -> object:
    seeded()
    if published.name == "rpt":
        # A generator of the model's own, which each forward moves on.
        published.model.fg_sampler.seed(1289)
    return published.model(*published.arguments, **published.keywords)


class Comparison(NamedTuple):
    """A self-contrastive pass beside the same by hand, the plug-in gone."""

    logits: list[tuple[Tensor, Tensor]]
    losses: tuple[Tensor, Tensor] | None
    """L2 beside the published loss of that forward for the complemented mask, where it can be told from the rest."""


def compare_by_hand(published: Published, prior: str = "neutral") -> Comparison:
    """One pass, and the published code with the same map in the prototype's place."""
    with without_draws(published.model):
        # With weight 1 what blend returns is L2.
        with attached(published, prior=prior, weight=1.0) as attachment:
            loss = attachment.blend(published.main_loss(forward(published)))
            contrast, align_corners = attachment.contrast, attachment.host.align_corners
        assert contrast is not None
        got = [contrast.logits] if isinstance(contrast.logits, Tensor) else list(contrast.logits)
        with _mask(published, contrast.target):
            seeded()
            if published.name in EXITS:
                output, expected = second_forward(published, contrast.prototype_map, COUNTER[prior])
            else:
                # The models' own enlargement is part of what they return, and of what is compared.
                output, logits = swapped_forward(published, contrast)
                expected, size = [logits], logits.shape[2:]
                got = [F.interpolate(one, size, mode="bilinear", align_corners=align_corners) for one in got]
            judge = QUERY_LOSSES.get(published.name, lambda output, _: published.main_loss(output))
            losses = None if judge is None else (loss, judge(output, published.mask))
    return Comparison(list(zip(got, expected, strict=True)), losses)


@contextmanager
def _mask(published: Published, target: Tensor) -> Iterator[None]:
    """The query's mask is one tensor wherever the published code takes it, in its forward or in its loss."""
    kept = published.mask.clone()
    published.mask.copy_(target)
    try:
        yield
    finally:
        published.mask.copy_(kept)

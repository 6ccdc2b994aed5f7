"""Published models run with the task attached, so that two forwards can be compared."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from unittest import mock

import numpy as np
import torch
from explicit import EXITS, second_forward
from explicit_cosine import full_size_logits
from published import Published
from torch import Tensor, nn
from torch.nn import functional as F

from selfcontrast import SelfContrastiveAuxiliary
from selfcontrast.attachment import Attachment

COUNTER: dict[str, Callable[[Tensor], Tensor]] = {
    "neutral": lambda prior: torch.full_like(prior, 0.5),
    "complement": lambda prior: 1 - prior,
    "keep": lambda prior: prior,
}
"""What each option makes of a prior mask, said once more."""


@contextmanager
def attached(published: Published, prior: str = "neutral") -> Iterator[Attachment]:
    # A generator of its own: the host's draws must not depend on the task's.
    auxiliary = SelfContrastiveAuxiliary(prior=prior, generator=torch.Generator().manual_seed(1))
    attachment = auxiliary.attach(published.model, published.name)
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
    sampling = model.get_submodule("transformer") if type(model).__name__ == "CyCTR" else nn.Identity()
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
    return published.model(*published.arguments, **published.keywords)


def contrasted_and_by_hand(published: Published, prior: str = "neutral") -> list[tuple[Tensor, Tensor]]:
    """Each of the pass's logits beside what the published code gives for the same map, the plug-in gone."""
    with without_draws(published.model):
        with attached(published, prior) as attachment:
            forward(published)
            contrast, align_corners = attachment.contrast, attachment.host.align_corners
        assert contrast is not None
        got = [contrast.logits] if isinstance(contrast.logits, Tensor) else list(contrast.logits)
        if published.name in EXITS:
            seeded()
            expected = second_forward(published, contrast.prototype_map, COUNTER[prior])
        else:
            # The models' own enlargement is part of what they return, and of what is compared.
            expected = [full_size_logits(published, contrast.prototype_map)]
            size = expected[0].shape[2:]
            got = [F.interpolate(one, size, mode="bilinear", align_corners=align_corners) for one in got]
    return list(zip(got, expected, strict=True))

"""The pass of an attached small model once more, written out: the second comparison that a test compares with."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from host_models.cosine_family import explicit
from host_models.parts import bilinear
from host_models.threshold_family import RPT
from hosts import COSINE, Small
from torch import Tensor
from torch.overrides import TorchFunctionMode

from selfcontrast import Attachment
from selfcontrast.contrast import SelfContrast

NEUTRAL: Callable[[Tensor], Tensor] = lambda prior: torch.full_like(prior, 0.5)  # noqa: E731
COUNTERS: dict[str, Callable[[Tensor], Tensor]] = {
    "neutral": NEUTRAL,
    "keep": lambda prior: prior,
    "complement": lambda prior: 1 - prior,
}


class Recorder(TorchFunctionMode):
    """Every cosine similarity of a forward: its features and its prototype."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Tensor, Tensor]] = []

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        if func is torch.cosine_similarity:
            self.calls.append((args[0].detach(), args[1].detach()))
        return func(*args, **(kwargs or {}))


def logits_of(contrast: SelfContrast | None) -> tuple[Tensor, ...]:
    assert contrast is not None
    return (contrast.logits,) if isinstance(contrast.logits, Tensor) else contrast.logits


def written_out(small: Small, attachment: Attachment) -> tuple[Tensor, ...]:
    """The pass's logits by the test's own second comparison, from the map that the pass used."""
    assert attachment.contrast is not None
    attachment.auxiliary.eval()
    prototype_map = attachment.contrast.prototype_map
    if small.name in ("ifa", "qnet", "rpt", "alpnet"):
        return (small.model.explicit(attachment.contrast, *small.arguments, **small.keywords),)
    if small.name not in COSINE:
        return small.model.explicit(prototype_map, NEUTRAL, *small.arguments, **small.keywords)
    logits = explicit_cosine(small, prototype_map)
    if attachment.host.output is None:
        return (logits,)
    return (bilinear(logits, small.mask.shape[1:], attachment.host.align_corners),)


def explicit_cosine(small: Small, prototype_map: Tensor) -> Tensor:
    """The query's similarities are found by their values here, not by where they lie in memory."""
    features = small.model.query_features(*small.arguments)
    with Recorder() as recorder:
        seeded(small)
    rows = []
    for own, its_map in zip(features.split(1), prototype_map.split(1), strict=True):
        prototypes = [
            prototype[row] if len(prototype) > 1 else prototype[0]
            for heard, prototype in recorder.calls
            for row, image in enumerate(heard.reshape(-1, *own.shape[1:]))
            if torch.equal(image, own[0])
        ]
        # PANet and PPNet score the background first, MLC and SSP the foreground.
        foreground = prototypes[1 if small.name in ("panet", "ppnet") else 0]
        scale = 20.0 if small.name in ("panet", "ppnet") else 10.0
        rows.append(explicit(own, foreground[None], its_map, scale))
    # What SSP returns comes from prototypes that it finds afterwards.
    logits = torch.cat(rows)
    return logits if small.name == "ssp" else bilinear(logits, small.mask.shape[1:], small.name != "panet")


def seeded(small: Small, attachment: Attachment | None = None) -> Any:
    """A forward, or with an attachment a training step's, from one and the same seed."""
    torch.manual_seed(3)
    np.random.seed(3)
    if isinstance(small.model, RPT):
        small.model.fg_sampler.seed(3)
    return small() if attachment is None else small.step(attachment)

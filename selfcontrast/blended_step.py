"""What a blended training step did, in figures: kept where it lies without its graph, computed when somebody asks.

Axes: B images, h x w the feature grid, H x W the mask, K regions.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from selfcontrast.contrast import SelfContrast, detach_logits
from selfcontrast.errors import require, values_of
from selfcontrast.loss import Logits, resize_logits
from selfcontrast.precision import at_least_float32, autocast_off


class BlendedStep(NamedTuple):
    """The tensors that a log is computed from, all without a graph; those of the pass are None with λ = 0.

    Attributes:
        main_loss: L1.
        loss: (1 − λ) L1 + λ L2.
        contrast_loss: L2.
        logits, target, regions: of the pass, as `SelfContrast` holds them.
    """

    main_loss: Tensor
    loss: Tensor
    contrast_loss: Tensor | None = None
    logits: Logits | None = None
    target: Tensor | None = None
    regions: Tensor | None = None


def without_pass(main_loss: Tensor) -> BlendedStep:
    """A training step with λ = 0."""
    return BlendedStep(main_loss.detach(), main_loss.detach())


def keep(main_loss: Tensor, contrast_loss: Tensor, loss: Tensor, contrast: SelfContrast) -> BlendedStep:
    """A training step of the task; on no device does this compute or wait."""
    return BlendedStep(
        main_loss.detach(),
        loss.detach(),
        contrast_loss.detach(),
        detach_logits(contrast.logits),
        contrast.target,
        contrast.regions,
    )


def log_of(step: BlendedStep | None, align_corners: bool = True) -> dict[str, float]:
    """The figures of a step, in one transfer to the host; see `SelfContrastiveAuxiliary.log`.

    Args:
        align_corners: how the host resizes logits to the mask.

    Raises:
        InputError: there was no step.
    """
    require(
        step is not None,
        "log",
        "a blended training step before it",
        "none",
        "call it after the loss of a training step was blended",
    )
    assert step is not None
    figures = {"main_loss": step.main_loss}
    with torch.no_grad(), autocast_off(step.main_loss.device):
        if step.contrast_loss is not None:
            figures["contrast_loss"] = step.contrast_loss
        figures["blended_loss"] = step.loss
        if step.logits is not None and step.target is not None and step.regions is not None:
            figures |= _judgement(step.logits, step.target, align_corners) | _region_sizes(step.regions)
        values = torch.stack([figure.to(step.loss.device, torch.float32) for figure in figures.values()])
    return dict(zip(figures, values_of(values), strict=True))


def _judgement(logits: Logits, target: Tensor, align_corners: bool) -> dict[str, Tensor]:
    """Where the pass is judged, and how often it is right there; several logits count alike."""
    judged = (target == 0) | (target == 1)
    shares: list[Tensor] = []
    for one in (logits,) if isinstance(logits, Tensor) else logits:
        background, foreground = resize_logits(at_least_float32(one), target, align_corners).unbind(1)
        # On a CPU argmax over two channels takes far longer than a comparison of the two.
        shares.append((judged & ((foreground > background) == (target == 1))).sum() / judged.sum())
    return {"judged": judged.float().mean(), "agreement": torch.stack(shares).mean()}


def _region_sizes(regions: Tensor) -> dict[str, Tensor]:
    """Of k-means regions the place among the K means nothing, so each image's are put in order of their size."""
    sizes = regions.flatten(2).float().mean(2)
    in_order = sizes.sort(1, descending=True).values.mean(0)
    empty = (sizes == 0).float().mean()
    return {"empty_regions": empty} | {f"region_{place + 1}": size for place, size in enumerate(in_order)}

"""The loss of the self-contrastive pass (Eq. 9): the complemented mask, and the host's criterion on it.

Axes: B images, H x W the mask, h x w the feature grid, K regions.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor

from selfcontrast.errors import call_theirs, check_tensors, require
from selfcontrast.precision import at_least_float32, autocast_off
from selfcontrast.prototypes import resize_nearest

Logits = Tensor | tuple[Tensor, ...]
# Any: a criterion names the logits that its own model has, one tensor or several.
Criterion = Callable[[Any, Tensor], Tensor]


def contrast_target(
    mask: Tensor, unlabelled: Tensor, held: Tensor, exists: Tensor, ignore_index: int = 255
) -> Int[Tensor, "B H W"]:
    """1 − M, unlabelled also where the map holds no prototype to be compared with.

    Args:
        mask: M, (B, H, W).
        unlabelled: (B, H, W) bool, where M is neither 0 nor 1.
        held: (B, h, w), whose prototype each cell of the map holds.
        exists: (B, K) bool, the prototypes that were pooled from any pixel.

    >>> import torch
    >>> mask, held = torch.tensor([[[0, 1, 255, 0]]]), torch.tensor([[[0, 0, 0, 1]]])
    >>> contrast_target(mask, mask == 255, held, torch.tensor([[True, False]]))
    tensor([[[  1,   0, 255, 255]]])
    """
    known = exists.gather(1, held.flatten(1)).view(held.shape)
    # Of bools: known and not unlabelled, in one operation.
    judged = resize_nearest(known, (mask.shape[1], mask.shape[2])) > unlabelled
    return torch.where(judged, 1 - mask.long(), ignore_index)


def cross_entropy(logits: Logits, target: Tensor, ignore_index: int = 255, align_corners: bool = True) -> Tensor:
    """Cross-entropy over labelled pixels of logits (B, 2, ·, ·), resized to the target bilinearly.

    >>> import torch
    >>> cross_entropy(torch.zeros(1, 2, 1, 1), torch.tensor([[[0, 255]]]))
    tensor(0.6931)
    """
    require(
        isinstance(logits, Tensor),
        "criterion",
        "the host's own loss when compare returns several logits",
        "none",
        "pass criterion=",
    )
    assert isinstance(logits, Tensor)
    return F.cross_entropy(resize_logits(logits, target, align_corners), target, ignore_index=ignore_index)


def resize_logits(logits: Tensor, target: Tensor, align_corners: bool = True) -> Tensor:
    """Logits at the target's size."""
    if logits.shape[2:] == target.shape[1:]:
        return logits
    return F.interpolate(logits, target.shape[1:], mode="bilinear", align_corners=align_corners)


def _called(logits: Logits, target: Tensor) -> str:
    shapes = [tuple(one.shape) for one in ((logits,) if isinstance(logits, Tensor) else logits)]
    return (
        f"criterion was called with logits of {', '.join(map(str, shapes))} and a target of {tuple(target.shape)}; let "
        "it resize the logits to the target, or leave it out"
    )


def contrast_loss(logits: Logits, target: Tensor, criterion: Criterion, ignore_index: int = 255) -> Tensor:
    """L2 of Eq. 9 in float32 or wider; 0 with a live graph when the batch has no pixel to judge.

    >>> import torch
    >>> contrast_loss(torch.zeros(1, 2, 1, 1), torch.tensor([[[255]]]), cross_entropy)
    tensor(0.)
    """
    judged = (target != ignore_index).any()
    # A mean over no pixel is NaN: such a batch is given a target, and its loss is multiplied by 0.
    target = torch.where(judged, target, 0)
    with autocast_off(target.device):
        floats = (
            at_least_float32(logits)
            if isinstance(logits, Tensor)
            else tuple(at_least_float32(scale) for scale in logits)
        )
        loss = call_theirs(criterion, (floats, target), lambda: _called(logits, target))
    check_tensors(criterion=loss)
    require(loss.dim() == 0, "criterion", "a scalar loss", tuple(loss.shape), "reduce it to the batch's mean")
    return loss * judged

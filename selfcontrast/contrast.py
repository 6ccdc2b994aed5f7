"""One pass of the task: what it holds before its comparison, and with the comparison's logits.

Axes: B images, C channels, h x w the feature grid, H x W the mask, K regions.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from selfcontrast.errors import call_theirs, check_batch, check_map, check_mask, require, shown
from selfcontrast.loss import Logits
from selfcontrast.prototypes import remove_foreground


class Prepared(NamedTuple):
    """What a pass holds before its comparison; the shapes are those of `SelfContrast`."""

    target: Tensor
    regions: Tensor
    prototypes: Tensor
    prototype_map: Tensor
    labels: Tensor
    held: Tensor


class SelfContrast(NamedTuple):
    """One pass of the task.

    Attributes:
        logits: what the comparison returned: (B, 2, ·, ·), or a tuple of such.
        target: (B, H, W) int64, 1 − M where M is labelled (Eq. 9), `ignore_index` elsewhere.
        regions: (B, K, h, w) bool, the pixels that each prototype was pooled from (Eq. 5).
        prototypes: (B, K, C) (Eq. 6).
        prototype_map: (B, C, h, w) (Eq. 7).
        labels: (B, h, w), the region of each pixel before the foreground is removed (Eq. 4).
        held: (B, h, w), whose prototype the map holds at each pixel: its region's, in the foreground the drawn one.
    """

    logits: Logits
    target: Tensor
    regions: Tensor
    prototypes: Tensor
    prototype_map: Tensor
    labels: Tensor
    held: Tensor

    def detach(self) -> "SelfContrast":
        """The same pass without its graph."""
        return self._replace(
            logits=detach_logits(self.logits),
            prototypes=self.prototypes.detach(),
            prototype_map=self.prototype_map.detach(),
        )


def support_background(
    support: tuple[Tensor, Tensor], features: Tensor, num_prototypes: int, ignore_index: int
) -> tuple[Tensor, Tensor]:
    """The support's features and its background as the one region (Table 4).

    Raises:
        InputError: on several prototypes, and on shapes that do not fit the query's features.

    >>> import torch
    >>> support = torch.zeros(1, 3, 2, 2), torch.tensor([[[0, 1], [0, 255]]])
    >>> support_background(support, torch.zeros(1, 3, 4, 4), 1, 255)[1].int()
    tensor([[[[1, 0],
              [1, 0]]]], dtype=torch.int32)
    """
    require(
        num_prototypes == 1,
        "support",
        "num_prototypes=1, for regions of the support are not regions of the query",
        f"num_prototypes={num_prototypes}",
        "build the auxiliary with num_prototypes=1",
    )
    pooled, mask = support
    check_map(pooled, "support features")
    check_batch(pooled, features.shape[0], "support features")
    require(
        pooled.shape[1] == features.shape[1],
        "support features",
        f"{features.shape[1]} channels, as the query's",
        pooled.shape[1],
        "take both from the same layer",
    )
    check_mask(mask, features.shape[0], ignore_index, "support mask")
    labels = torch.zeros_like(pooled[:, 0], dtype=torch.long)
    return pooled, remove_foreground(labels, mask, 1, ignore_index)


def detach_logits(logits: Logits) -> Logits:
    """The same logits without their graph."""
    return logits.detach() if isinstance(logits, Tensor) else tuple(one.detach() for one in logits)


def call_compare(compare: Callable[..., Any], *arguments: Tensor) -> Any:
    """The host's comparison of (features, prototype_map), and of a prior where there is one."""
    if not callable(compare):  # pyright: ignore[reportUnnecessaryComparison]
        fix = "pass the function itself, as in compare=model.compare"
        require(False, "compare", "a function of (features, prototype_map)", shown(compare), fix)

    def note() -> str:
        shapes = ", ".join(str(tuple(one.shape)) for one in arguments)
        third = "the third is the prior" if len(arguments) > 2 else "there was no third, as no prior was given"
        return f"compare was called with (features, prototype_map) of shapes {shapes}; {third}. Pass what it takes"

    return call_theirs(compare, arguments, note)


def check_logits(
    logits: Logits,
    batch: int,
    argument: str = "compare",
    fix: str = "return the two-class logits of the comparison, before any softmax or argmax",
) -> None:
    """Refuse anything but two-class logits of the whole batch, alone or in a tuple."""
    several = cast(tuple[Any, ...], logits) if isinstance(logits, (tuple, list)) else (logits,)
    if not all(isinstance(one, Tensor) for one in several):
        alone = "return the logits alone, or all of them as a tuple"
        require(False, argument, "logits or a tuple of such", shown(logits), alone)
    for one in several:
        require(
            one.dim() == 4 and tuple(one.shape[:2]) == (batch, 2),
            argument,
            f"logits of shape ({batch}, 2, h, w), background before foreground",
            tuple(one.shape),
            fix,
        )

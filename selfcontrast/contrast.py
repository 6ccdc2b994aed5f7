"""One pass of the task: what it holds before its comparison, and with the comparison's logits.

Axes: B images, C channels, h x w the feature grid, H x W the mask, K regions.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from torch import Tensor

from selfcontrast.errors import call_theirs, require, shown
from selfcontrast.loss import Logits


class Prepared(NamedTuple):
    """What a pass holds before its comparison; the shapes are those of `SelfContrast`."""

    target: Tensor
    regions: Tensor
    prototypes: Tensor
    prototype_map: Tensor
    labels: Tensor


class SelfContrast(NamedTuple):
    """One pass of the task.

    Attributes:
        logits: what the comparison returned: (B, 2, ·, ·), or a tuple of such.
        target: (B, H, W) int64, 1 − M where M is labelled (Eq. 9), `ignore_index` elsewhere.
        regions: (B, K, h, w) bool, the pixels that each prototype was pooled from (Eq. 5).
        prototypes: (B, K, C) (Eq. 6).
        prototype_map: (B, C, h, w) (Eq. 7).
        labels: (B, h, w), the region of each pixel before the foreground is removed (Eq. 4).
    """

    logits: Logits
    target: Tensor
    regions: Tensor
    prototypes: Tensor
    prototype_map: Tensor
    labels: Tensor

    def detach(self) -> "SelfContrast":
        """The same pass without its graph."""
        return self._replace(
            logits=detach_logits(self.logits),
            prototypes=self.prototypes.detach(),
            prototype_map=self.prototype_map.detach(),
        )


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


def check_logits(logits: Logits, batch: int) -> None:
    """Refuse anything but two-class logits of the whole batch, alone or in a tuple."""
    several = cast(tuple[Any, ...], logits) if isinstance(logits, (tuple, list)) else (logits,)
    if not all(isinstance(one, Tensor) for one in several):
        fix = "return the logits alone, or all of them as a tuple"
        require(False, "compare", "logits or a tuple of such", shown(logits), fix)
    for one in several:
        require(
            one.dim() == 4 and tuple(one.shape[:2]) == (batch, 2),
            "compare",
            f"logits of shape ({batch}, 2, h, w), background before foreground",
            tuple(one.shape),
            "return the two-class logits of the comparison, before any softmax or argmax",
        )

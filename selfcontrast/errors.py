"""What the public door refuses: each message names the argument, what was expected, what came and the fix."""

from math import isfinite
from typing import Any

import torch
from torch import Tensor


class InputError(ValueError):
    """An argument that no meaning can be given to."""


def require(condition: bool, argument: str, expected: str, got: object, fix: str) -> None:
    """Raise `InputError` with the four parts of a useful message, unless `condition` holds."""
    if not condition:
        raise InputError(f"{argument}: expected {expected}, got {got}; {fix}")


def values_are_free(tensor: Tensor) -> bool:
    """Whether reading a value of `tensor` costs nothing: on a CPU, outside a graph.

    On an accelerator a read would make the host wait in every step, and inside a graph there is nothing to read; there
    k-means leaves non-finite pixels out, and a mask's strange values count as unlabelled.
    """
    return tensor.device.type == "cpu" and not torch.compiler.is_compiling()


def values_of(tensor: Tensor) -> list[Any]:
    """The values of a tensor that may be read, without dispatching an operation for it."""
    return tensor.flatten().tolist()  # pyright: ignore


def check_features(features: Tensor, argument: str) -> None:
    """Refuse anything but a floating-point (B, C, h, w) map that holds at least one value."""
    require(
        features.dim() == 4 and features.numel() > 0,
        argument,
        "a feature map of shape (B, C, h, w)",
        tuple(features.shape),
        "add the missing dimension, for instance with .unsqueeze(0)",
    )
    require(
        features.is_floating_point(), argument, "floating-point features", features.dtype, "convert them with .float()"
    )


def check_finite(features: Tensor, argument: str) -> None:
    """Refuse NaN and infinity where looking for them is free."""
    if values_are_free(features):
        # A sum is NaN or infinite if a value is; looking at each would take memory.
        (total,) = values_of(features.detach().sum())
        if not isfinite(total):
            strangers = values_of((~torch.isfinite(features)).sum())[0]
            require(
                strangers == 0,
                argument,
                "finite values",
                f"{strangers} NaN or infinite ones",
                "look for the layer that made them, or lower the learning rate",
            )


def check_mask(mask: Tensor, batch: int, ignore_index: int, argument: str = "mask") -> None:
    """Refuse anything but a (B, H, W) mask of 0, 1 and `ignore_index`."""
    require(
        mask.dim() == 3 and mask.numel() > 0,
        argument,
        "a mask of shape (B, H, W)",
        tuple(mask.shape),
        "drop the channel dimension with mask[:, 0] or add the batch with mask[None]",
    )
    check_batch(mask, batch, argument)
    if values_are_free(mask):
        (strangers,) = values_of(((mask != 0) & (mask != 1) & (mask != ignore_index)).sum())
        require(
            strangers == 0,
            argument,
            f"no values but 0, 1 and {ignore_index}",
            f"{strangers} pixels with others",
            "binarise the mask for the episode's class before the call",
        )


def check_batch(tensor: Tensor, batch: int, argument: str) -> None:
    """Refuse a tensor whose batch is not that of the features."""
    require(
        tensor.shape[0] == batch,
        argument,
        f"a batch of {batch}, as the features have",
        f"a batch of {tensor.shape[0]}",
        "pass the same episodes to every argument",
    )


def check_count(value: int, minimum: int, argument: str) -> None:
    """Refuse a count below `minimum`."""
    require(value >= minimum, argument, f"an integer of at least {minimum}", value, f"pass {minimum} or more")


def check_choice(value: str, choices: tuple[str, ...], argument: str) -> None:
    """Refuse a name that is not among `choices`."""
    require(value in choices, argument, f"one of {', '.join(choices)}", repr(value), "pick one of those names")

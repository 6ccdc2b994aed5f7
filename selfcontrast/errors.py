"""What the public door refuses: each message names the argument, what was expected, what came and the fix."""

import warnings
from collections.abc import Callable
from math import isfinite
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

NO_FOREGROUND = (
    "mask: expected 1 for the foreground, got a batch of 0 and 255, in which 255 means unlabelled; if your masks are "
    "black and white, pass (mask == 255).long()"
)

EVAL_MODE = (
    "blend: expected training mode, got eval mode, in which the loss is the model's own and the task does nothing; "
    "call model.train() before you train, or compute losses to look at under torch.no_grad()"
)


class InputError(ValueError):
    """An argument that no meaning can be given to."""


def require(condition: bool, argument: str, expected: str, got: object, fix: str) -> None:
    """Raise `InputError` with the four parts of a useful message, unless `condition` holds."""
    if not condition:
        raise InputError(f"{argument}: expected {expected}, got {got}; {fix}")


def shown(value: object) -> str:
    """A value as an error shows it: a number or a word as it is written, a tensor by its shape, all else by its type.

    >>> shown("3"), shown(torch.zeros(2, 1)), shown([1, 2])
    ("'3'", 'a tensor of shape (2, 1)', 'list')
    """
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    plain = value is None or isinstance(value, str | Real)
    return repr(value) if plain else f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def check_tensors(**arguments: object) -> None:
    """Refuse arrays, lists, None and whatever else is no tensor, by the argument's name."""
    for argument, value in arguments.items():
        if not isinstance(value, Tensor):
            array = type(value).__module__ == "numpy"
            fix = "convert it with torch.as_tensor(...)" if array else "look at the arguments and their order"
            require(False, argument, "a tensor", shown(value), fix)


def check_generator(generator: object) -> None:
    """Refuse a seed where its generator is meant."""
    if generator is not None and not isinstance(generator, torch.Generator):
        fix = "write generator=torch.Generator(device).manual_seed(0)"
        require(False, "generator", "a torch.Generator or None", shown(generator), fix)


def warn_of_eval_mode(main_loss: Tensor) -> None:
    """Say that a loss that is about to be trained with was not blended, because the model is in eval mode."""
    if not torch.compiler.is_compiling() and torch.is_grad_enabled() and main_loss.requires_grad:
        warnings.warn(EVAL_MODE, stacklevel=3)


def warn_of_no_foreground(mask: Tensor, ignore_index: int) -> None:
    """Say where it is free that a mask has unlabelled pixels and no foreground, as a mask in black and white has."""
    if values_are_free(mask) and ignore_index == 255 and black_and_white(mask):
        warnings.warn(NO_FOREGROUND, stacklevel=2)


def black_and_white(mask: Tensor) -> bool:
    """Whether a mask holds 0 and 255, and no 1; this reads its values.

    >>> black_and_white(torch.tensor([0, 255])), black_and_white(torch.tensor([0, 1, 255]))
    (True, False)
    """
    background, foreground, unlabelled = values_of(torch.stack([(mask == value).any() for value in (0, 1, 255)]))
    return background and unlabelled and not foreground


def call_theirs(function: Callable[..., Any], arguments: tuple[Any, ...], note: Callable[[], str]) -> Any:
    """Call a function of the user's; outside a graph, an error in it says what it was called with."""
    if torch.compiler.is_compiling():
        return function(*arguments)
    try:
        return function(*arguments)
    except Exception as error:
        error.add_note(f"selfcontrast: {note()}")
        raise


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
    check_tensors(**{argument: features})
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


def check_map(features: Tensor, argument: str) -> None:
    """Refuse what is no feature map, and one that holds NaN or infinity where looking for them is free."""
    check_features(features, argument)
    check_finite(features, argument)


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
    check_tensors(**{argument: mask})
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


def check_count(value: Any, minimum: int, argument: str) -> None:
    """Refuse a count below `minimum`, and one that is no integer."""
    # Those of numpy and of a graph count too; the classes are written so that torch 2.6 can compile them.
    counts = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    whole = counts and bool(value >= minimum)
    got = value if whole else shown(value)  # pyright: ignore
    require(whole, argument, f"an integer of at least {minimum}", got, f"pass {minimum} or more")  # pyright: ignore


def check_weight(weight: Any) -> None:
    """Refuse a λ outside [0, 1], with which a loss would be subtracted, and one that is no number."""
    number = isinstance(weight, (int, float, np.floating, Tensor)) and not isinstance(weight, bool)
    inside = number and bool(0 <= weight <= 1)  # pyright: ignore
    require(inside, "weight", "λ in [0, 1]", shown(weight), "use 0.5, the paper's best")  # pyright: ignore


def check_choice(value: str, choices: tuple[str, ...], argument: str) -> None:
    """Refuse a name that is not among `choices`."""
    require(value in choices, argument, f"one of {', '.join(choices)}", repr(value), "pick one of those names")

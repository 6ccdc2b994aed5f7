"""Activation checkpointing in the host: torch.utils.checkpoint computes a part again in backward, and hooks must know.

Its non-reentrant kind keeps the graph of the first computation, so hooks that act alike in the second give the right
gradients. Its reentrant kind computes first without gradients: what a hook reads there can never learn.
"""

import sys
from inspect import unwrap
from typing import Any, Literal

import torch
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import CheckpointFunction, checkpoint  # pyright: ignore[reportUnknownVariableType]

from selfcontrast.errors import require

Region = Literal["reentrant", "kept"]
REENTRANT = CheckpointFunction.forward.__code__  # pyright: ignore[reportUnknownMemberType]
EITHER = unwrap(checkpoint).__code__  # pyright: ignore[reportUnknownArgumentType]


def recomputing() -> bool:
    """Whether backward runs now, in which a checkpointed part is computed again."""
    return not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1  # pyright: ignore


def region() -> Region | None:
    """The kind of checkpoint that the present computation is the first of, if it is any's.

    >>> seen = []
    >>> image = torch.ones(1, requires_grad=True)
    >>> for kind in (True, False):
    ...     _ = checkpoint(lambda one: seen.append(region()) or one * 2, image, use_reentrant=kind)
    >>> seen, region()
    (['reentrant', 'kept'], None)
    """
    if torch.compiler.is_compiling():
        return None
    # torch 2.6 keeps no other trace of the kinds; looking at the frames takes microseconds.
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        if frame.f_code is REENTRANT:
            return "reentrant"
        if frame.f_code is EITHER:
            return "kept"
        frame = frame.f_back
    return None


def refuse_reentrant(name: str) -> None:
    """Refuse a call whose gradient reentrant checkpointing would lose in silence.

    Raises:
        InputError: names the call.
    """
    require(
        region() != "reentrant",
        f"host {name}",
        "a call outside torch.utils.checkpoint(..., use_reentrant=True), which computes without gradients first",
        "one inside",
        "pass use_reentrant=False there",
    )


def refuse_checkpointed(name: str) -> None:
    """Refuse a call that a second forward changes, and that backward would compute again without the change.

    Raises:
        InputError: names the call.
    """
    refuse_reentrant(name)
    require(
        region() is None,
        f"host {name}",
        "a comparison outside torch.utils.checkpoint, where the mechanism is a second forward",
        "one inside",
        "leave the comparison out of checkpointing, or use Host(..., mechanism='fold')",
    )


class RefuseCheckpointedStatistics(TorchFunctionMode):
    """Inside this context live batch normalisation in a checkpointed part is refused.

    Backward would compute it again, and count the self-contrastive pass in the running statistics.
    """

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        keywords = dict(kwargs or {})
        if func is torch.nn.functional.batch_norm:
            training = keywords.get("training", args[5] if len(args) > 5 else False)
            require(
                not training or region() is None,
                "host",
                "batch normalisation in training mode outside torch.utils.checkpoint, where the mechanism is a second "
                "forward",
                "one inside, which backward would count again",
                "leave it out of checkpointing, or use Host(..., mechanism='fold')",
            )
        return func(*args, **keywords)


class KeepEverything(TorchFunctionMode):
    """Inside this context nothing is left for backward to compute again, whatever torch.utils.checkpoint is asked.

    Its reentrant kind, and functions with a backward of their own, compute again all the same.
    """

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        with OutsideCheckpoint():
            return func(*args, **(kwargs or {}))


class OutsideCheckpoint(torch.autograd.graph.saved_tensors_hooks):
    """Inside this context tensors are saved as anywhere else, so that a checkpoint does not wait for them again."""

    def __init__(self) -> None:
        # Kept with its graph, an operation's result would hold the graph that holds it.
        super().__init__(torch.Tensor.detach, lambda tensor: tensor)

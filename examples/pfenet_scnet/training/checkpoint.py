"""A run's state on disk: written whole or not at all, and read without running code from the file.

A run resumes from `checkpoint.pt`. `last.pt` and `best.pt` hold the model's state_dict alone, which other code can
load too.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from model.state import load_state, read_file
from runtime.atomic_files import write_atomically
from torch import nn


def save_atomically(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    step: int,
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Save model, optimizer and the number of steps done; after a crash the previous checkpoint is still there.

    Args:
        origin: what `check` of `load_checkpoint` gets to see.
    """
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "origin": origin}
    write_atomically(path, lambda file: torch.save(state, file))


def load_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    check: Callable[[Mapping[str, Any]], object] = lambda _: None,
) -> int:
    """Restore model and optimizer and return the number of steps done; 0 where there is no checkpoint yet.

    Args:
        check: looks at the `origin` that the checkpoint was saved with, before anything is restored.

    Raises:
        ValueError: the file is damaged, or belongs to another model or optimizer.
    """
    if not path.is_file():
        return 0
    fix = "copy it again, or delete it to begin the run anew"
    state = read_file(path, fix)
    if state.get("origin"):
        check(state["origin"])
    try:
        load_state(model, state["model"], path)
        optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected model, optimizer and step, got no whole {error}; {fix}") from None


def save_weights(path: Path, model: nn.Module) -> None:
    """Save the model's state_dict and nothing else."""
    write_atomically(path, lambda file: torch.save(model.state_dict(), file))

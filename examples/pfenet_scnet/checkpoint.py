"""A run's state on disk: written whole or not at all, read without running anyone's code."""

import os
from pathlib import Path

import torch
from torch import nn


def save_atomically(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Model, optimizer and the number of steps done; a crash leaves the checkpoint before."""
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def load_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Restore model and optimizer and return the number of steps done; 0 where there is no checkpoint yet."""
    if not path.is_file():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"]

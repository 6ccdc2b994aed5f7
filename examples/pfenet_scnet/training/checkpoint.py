"""A run's state on disk: written whole or not at all, and read without running code from the file.

A run resumes from `checkpoint.pt`. `last.pt` and `best.pt` hold the model's state_dict alone, which other code can
load too.
"""

from pathlib import Path

import torch
from runtime.atomic_files import write_atomically
from torch import nn


def save_atomically(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Save model, optimizer and the number of steps done; after a crash the previous checkpoint is still there."""
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
    write_atomically(path, lambda file: torch.save(state, file))


def load_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Restore model and optimizer and return the number of steps done; 0 where there is no checkpoint yet."""
    if not path.is_file():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"]


def save_weights(path: Path, model: nn.Module) -> None:
    """Save the model's state_dict and nothing else."""
    write_atomically(path, lambda file: torch.save(model.state_dict(), file))


def load_weights(path: Path, model: nn.Module) -> None:
    """Load the weights that a run selected, or those in a file that this code or the published code saved.

    The published code saves them under `state_dict` and, after training by DataParallel, with `module.` before every
    name.

    Raises:
        FileNotFoundError: `path` is neither a run's folder nor a file.
        ValueError: the weights belong to another model.
    """
    candidates = [path / name for name in ("best.pt", "last.pt", "checkpoint.pt")] if path.is_dir() else [path]
    found = [file for file in candidates if file.is_file()]
    if not found:
        raise FileNotFoundError(f"weights: expected a run's folder or a file, got {path}; check the path")
    state = torch.load(found[0], map_location="cpu", weights_only=True)
    for key in ("model", "state_dict"):
        state = state.get(key, state)
    state = {name.removeprefix("module."): value for name, value in state.items()}
    wanted = model.state_dict()
    wrong = [name for name in wanted if name not in state or state[name].shape != wanted[name].shape]
    wrong += [name for name in state if name not in wanted]
    if wrong:
        raise ValueError(
            f"weights: expected the {len(wanted)} tensors of this model, got a file that differs in {len(wrong)}, "
            f"{wrong[0]} among them; name the recipe it was trained with by --recipe, its backbone included"
        )
    model.load_state_dict(state)

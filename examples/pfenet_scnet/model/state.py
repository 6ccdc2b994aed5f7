"""Weights in files: read without running code from them, and loaded whole or not at all.

The published code saves a model under `state_dict` and, after training by DataParallel, with `module.` before every
name; a run's checkpoint has it under `model`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

import torch
from torch import Tensor, nn


def read_file(path: Path, fix: str) -> dict[str, Any]:
    """What torch saved in a file, as a dict.

    Raises:
        ValueError: the file is no checkpoint; `fix` says what to do.
    """
    try:
        _check_sums(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception:
        # Of torch's many errors, some advise to switch its safe loading off. That must never reach a user.
        raise ValueError(f"{path}: expected a checkpoint of tensors, got {_kind(path)}; {fix}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected a checkpoint of tensors, got a saved {type(found).__name__}; {fix}")
    return found


def read_state(path: Path) -> dict[str, Tensor]:
    """A model's tensors by name, from a file that this code or the published code saved.

    Raises:
        ValueError: the file is no checkpoint of a model.
    """
    fix = "give a file that training wrote, or get it again"
    state: Any = read_file(path, fix)
    for key in ("model", "state_dict"):
        state = state.get(key, state)
        if not isinstance(state, dict):
            raise ValueError(f"{path}: expected tensors by name under {key}, got {type(state).__name__}; {fix}")
    return {name.removeprefix("module."): value for name, value in state.items()}


def load_state(model: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load every tensor of the model.

    Raises:
        ValueError: a tensor is missing, is left over, or has another shape.
    """
    wanted = model.state_dict()
    wrong = [name for name in wanted if name not in state or _shape(state[name]) != _shape(wanted[name])]
    wrong += [name for name in state if name not in wanted]
    if wrong:
        raise ValueError(
            f"{path}: expected the {len(wanted)} tensors of this model, got a file that differs in {len(wrong)}, "
            f"{wrong[0]} among them; name the recipe it was trained with by --recipe, its backbone included"
        )
    model.load_state_dict(state)


def is_deep_stem(state: Mapping[str, Tensor]) -> bool:
    """Whether a ResNet's first convolution is the 3 x 3 of PFENet's deep stem, and not torchvision's 7 x 7."""
    shape = _shape(state.get("layer0.0.weight"))
    return shape is None or shape[-1] != 7


def _shape(value: object) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None


def _check_sums(path: Path) -> None:
    """Refuse an archive of torch's with another checksum than it notes itself; torch does not look, so bits can flip.

    Raises:
        BadZipFile: it has one.
    """
    if is_zipfile(path):
        with ZipFile(path) as archive:
            if archive.testzip():
                raise BadZipFile


def _kind(path: Path) -> str:
    """What a file that torch cannot read looks like."""
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return "an empty file"
    if start.lstrip()[:1] == b"<":
        return "a web page"
    if start.startswith(b"PK") or start.startswith(b"\x80"):
        return "a damaged file, or one that holds more than tensors"
    return "something else"

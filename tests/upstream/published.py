"""A published model beside one training call of it, and the random episode that it is called with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Published:
    """One published model as its own training script calls it."""

    name: str
    """The preset's name."""
    model: nn.Module
    """In the training mode that the script puts it in, with random weights."""
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    mask: Tensor
    """The query's truth, (B, H, W) of 0, 1 and, where the published loss ignores it, 255."""
    main_loss: Callable[[Any], Tensor]
    """What the script forms from the forward's output and differentiates."""


@dataclass(frozen=True)
class Episode:
    """One batch of 1-shot episodes: images (B, 3, H, W), masks (B, H, W) of 0 and 1, the query's also of 255."""

    query: Tensor
    mask: Tensor
    support: Tensor
    support_mask: Tensor


def episode(size: int, *, batch: int = 2, unlabelled: bool = True) -> Episode:
    """Random images and box masks: a model of random weights learns nothing from more."""
    masks = torch.zeros(2, batch, size, size, dtype=torch.long)
    for role in range(2):
        for image in range(batch):
            top, left = size // 8 * (1 + image), size // 8 * (2 - role)
            masks[role, image, top : top + size // 2, left : left + size // 2] = 1
    if unlabelled:
        masks[0, :, :, -size // 8 :] = 255
    query, support = torch.randn(2, batch, 3, size, size)
    return Episode(query, masks[0], support, masks[1])


def freeze(*modules: nn.Module) -> None:
    """Stop the gradient of what the published script does not train."""
    for module in modules:
        module.requires_grad_(False)


def still_batchnorm(modules: Sequence[nn.Module]) -> None:
    """Put the batch normalisations into eval mode, as scripts with `fix_bn` do after `model.train()`."""
    for module in modules:
        if "BatchNorm" in type(module).__name__:
            module.eval()

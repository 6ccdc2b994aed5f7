"""A published model beside one training call of it, and the random episode that it is called with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from selfcontrast import CosineHost, Host


@dataclass(frozen=True)
class Published:
    """One published model as its own training script calls it."""

    name: str
    """The preset's name, or another where `host` is given."""
    model: nn.Module
    """In the training mode that the script puts it in, with random weights."""
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    mask: Tensor
    """The query's truth, (B, H, W) of 0, 1 and, where the published loss ignores it, 255."""
    main_loss: Callable[[Any], Tensor]
    """What the script forms from the forward's output and differentiates."""
    host: str | Host | CosineHost | None = None
    """Where it is entered, if it has no preset of its own."""


@dataclass(frozen=True)
class Size:
    """How much a builder is asked for: episodes a batch, shots an episode."""

    batch: int
    shots: int = 1


@dataclass(frozen=True)
class Episode:
    """One batch: query (B, 3, H, W), its mask (B, H, W), support (B, K, 3, H, W), its masks (B, K, H, W).

    Masks are 0 and 1; the query's holds 255 too, unless the published loss knows no unlabelled pixels.
    """

    query: Tensor
    mask: Tensor
    support: Tensor
    support_mask: Tensor


def episode(pixels: int, size: Size, *, unlabelled: bool = True) -> Episode:
    """Random images and box masks: a model of random weights learns nothing from more."""
    masks = torch.zeros(size.batch, 1 + size.shots, pixels, pixels, dtype=torch.long)
    for image in range(size.batch):
        for place in range(1 + size.shots):
            top, left = pixels // 8 * (1 + image % 3), pixels // 8 * (2 - place % 3)
            masks[image, place, top : top + pixels // 2, left : left + pixels // 2] = 1
    query_mask = masks[:, 0].clone()
    if unlabelled:
        query_mask[:, :, -pixels // 8 :] = 255
    images = torch.randn(size.batch, 1 + size.shots, 3, pixels, pixels)
    # Whole tensors, as a data loader gives: some code takes views of them.
    support, support_mask = images[:, 1:].contiguous(), masks[:, 1:].contiguous()
    return Episode(images[:, 0].contiguous(), query_mask, support, support_mask)


def freeze(*modules: nn.Module) -> None:
    """Stop the gradient of what the published script does not train."""
    for module in modules:
        module.requires_grad_(False)


def still_batchnorm(modules: Sequence[nn.Module]) -> None:
    """Put the batch normalisations into eval mode, as scripts with `fix_bn` do after `model.train()`."""
    for module in modules:
        if "BatchNorm" in type(module).__name__:
            module.eval()

"""Tensors whose channels come last, as a transformer's tokens, read as feature maps and written back.

Axes: B images, N tokens, C channels, h x w the grid, H x W the image.
"""

from math import isqrt

import torch
from jaxtyping import Float
from torch import Tensor

from selfcontrast.errors import require


def channels_first(tensor: Tensor, image: tuple[int, int], argument: str) -> Float[Tensor, "B C h w"]:
    """Tokens (B, N, C), or a map (B, h, w, C), as a map (B, C, h, w).

    Args:
        tensor: what the host's module gives or takes.
        image: (H, W), whose proportions are those of the grid of tokens; tokens before the grid's are left out.
        argument: its name in an error.

    Raises:
        InputError: on another rank.

    >>> channels_first(torch.arange(5.0).view(1, 5, 1), (32, 32), "features")
    tensor([[[[1., 2.],
              [3., 4.]]]])
    """
    require(
        tensor.dim() in (3, 4),
        argument,
        "tokens (B, N, C) or a map (B, h, w, C), as channels_last says",
        tuple(tensor.shape),
        "name another call, or leave it out of channels_last",
    )
    if tensor.dim() == 4:
        return tensor.permute(0, 3, 1, 2)
    height, width = _grid(tensor.shape[1], image)
    return tensor[:, -height * width :].transpose(1, 2).reshape(len(tensor), -1, height, width)


def channels_last(changed: Float[Tensor, "B C h w"], tensor: Tensor) -> Tensor:
    """A map in the form of `tensor`, which it was read off: tokens before the grid's are those of `tensor`.

    >>> tokens = torch.arange(5.0).view(1, 5, 1)
    >>> channels_last(10 * channels_first(tokens, (32, 32), "features"), tokens).flatten()
    tensor([ 0., 10., 20., 30., 40.])
    """
    if tensor.dim() == 4:
        return changed.permute(0, 2, 3, 1)
    tokens = changed.flatten(2).transpose(1, 2)
    before = tensor.shape[1] - tokens.shape[1]
    return tokens if before == 0 else torch.cat([tensor[:, :before], tokens], 1)


def _grid(tokens: int, image: tuple[int, int]) -> tuple[int, int]:
    """The largest grid of the image's proportions that so many tokens fill."""
    height = max(1, isqrt(tokens * image[0] // image[1]))
    return height, min(max(1, (2 * height * image[1] + image[0]) // (2 * image[0])), tokens // height)

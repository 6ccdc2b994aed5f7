"""Tensors whose channels come last, as a transformer's tokens, read as feature maps and written back.

Axes: B images, N tokens, C channels, h x w the grid, H x W the image.
"""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from selfcontrast.errors import require

OTHERS = 16
"""How many tokens may come before the grid's: DINOv2 has a class token and four registers there."""


def channels_first(tensor: Tensor, image: tuple[int, int], argument: str) -> Float[Tensor, "B C h w"]:
    """Tokens (B, N, C), or a map (B, h, w, C), as a map (B, C, h, w).

    Args:
        tensor: what the host's module gives or takes.
        image: (H, W), whose proportions are those of the grid of tokens; tokens before the grid's are left out.
        argument: its name in an error.

    Raises:
        InputError: on another rank, and where the tokens fill no grid of the image's proportions.

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
    tokens = tensor.shape[1]
    grid = token_grid(tokens, image)
    require(
        grid is not None,
        argument,
        f"tokens of one grid with the proportions of the mask, {image[0]} x {image[1]}, and at most {OTHERS} before it",
        f"{tokens} tokens",
        "name a call that gives the grid's tokens alone; give images whose sides are whole numbers of patches, and "
        "masks with their proportions",
    )
    assert grid is not None
    height, width = grid
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
    # One token alone, a prototype that the module itself spreads over the grid, becomes the whole map.
    before = max(0, tensor.shape[1] - tokens.shape[1])
    return torch.cat([tensor[:, :before], tokens], 1) if before else tokens


def refuse_other_tokens(tensor: Tensor, image: tuple[int, int], argument: str) -> None:
    """Refuse tokens before the grid's, for which a prototype map holds nothing: theirs of the support would stay.

    Raises:
        InputError: where there are such.
    """
    height, width = token_grid(tensor.shape[1], image) or (0, 0)
    others = tensor.shape[1] - height * width
    require(
        tensor.dim() == 4 or others == 0,
        argument,
        "the grid's tokens alone, for the map has none for others",
        f"{others} before them",
        "enter a module that gets no class token and no registers",
    )


@lru_cache
def token_grid(tokens: int, image: tuple[int, int]) -> tuple[int, int] | None:
    """The grid (h, w) that so many tokens hold, as square patches cut an image (H, W).

    None where no grid fits, and where several fit and none of them is known to be right: it is where its proportions
    are exactly the image's, and no larger grid of patches of whole pixels fits.

    >>> token_grid(5 + 8 * 12, (32, 48)), token_grid(50, (32, 3200))
    ((8, 12), None)
    """
    if tokens == 1:
        return 1, 1
    fitting = [
        (height, width)
        for height in range(1, tokens + 1)
        for width in range(-(-max(1, tokens - OTHERS) // height), tokens // height + 1)
        if any(_patches_overlap((height, width), image, rounding) for rounding in (0, 1, 2))
    ]
    of_whole_pixels = [grid for grid in fitting if _whole_pixels(grid, image)]
    for grids in (of_whole_pixels, fitting):
        largest = max(grids, key=lambda grid: grid[0] * grid[1], default=None)
        if largest is not None and largest[0] * image[1] == largest[1] * image[0]:
            return largest
    return fitting[0] if len(fitting) == 1 else None


def _patches_overlap(grid: tuple[int, int], image: tuple[int, int], rounding: int) -> bool:
    """Whether some patch size s gives a grid: h = floor(H/s + rounding/2), w alike. With 2 the image is padded."""
    # The sizes that give h lie between 2H / (2h + 2 - rounding) and 2H / (2h - rounding).
    return all(
        image[one] * (2 * grid[other] - rounding) < image[other] * (2 * grid[one] + 2 - rounding)
        for one, other in ((0, 1), (1, 0))
    )


def _whole_pixels(grid: tuple[int, int], image: tuple[int, int]) -> bool:
    """Whether patches of a whole number of pixels give this grid."""
    sizes = range(1, 2 * image[0] // (2 * grid[0] - 1) + 2)
    return any(grid in zip(_counts(image[0], size), _counts(image[1], size), strict=True) for size in sizes)


def _counts(side: int, size: int) -> tuple[int, int, int]:
    """How many patches a side holds, with its rest left out, rounded or padded."""
    return side // size, (2 * side + size) // (2 * size), -(-side // size)

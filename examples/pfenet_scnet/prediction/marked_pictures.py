"""Supports from files: a picture and a mask of any known format, both upright or both as stored."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from data.mask_formats import Colour, foreground_mask
from data.pictures import read_image
from torch import Tensor

from prediction.segment import check_image


def read_supports(
    pairs: Sequence[tuple[Path, Path]],
    size: int,
    class_index: int | None = None,
    colour: Colour | None = None,
    upright: bool = True,
) -> list[tuple[Tensor, np.ndarray]]:
    """Images (3, H, W) uint8 and their masks (H, W) of 0, 1 and 255, in order.

    Args:
        pairs: the paths of pictures and masks.
        size: side of the square that the model sees.
        class_index, colour: what is foreground in every mask, see `foreground_mask`.
        upright: take pictures as viewers show them, and masks that were drawn so.

    Raises:
        FileNotFoundError: a picture or a mask is missing.
        ValueError: one is damaged, or a mask does not fit its picture or has no foreground.
    """
    supports = []
    for picture, mask in pairs:
        image = read_image(picture, upright)
        check_image(image, size, str(picture))
        supports.append((image, foreground_mask(mask, (image.shape[1], image.shape[2]), class_index, colour, upright)))
    return supports

"""Supports as a visitor of the demo page gives them: pictures, each with a painted mask or with a file of one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from data.mask_formats import Colour, foreground_mask, parse_colour
from data.pictures import read_image
from torch import Tensor

from prediction.page.figures import on_screen
from prediction.segment import check_image

# The brush paints with 140 of 255.
PAINTED = 70
Painting = Mapping[str, Any]


def own_supports(
    pictures: Sequence[Path],
    paintings: Mapping[Path, Painting | None],
    masks: Sequence[Path],
    size: int,
    class_index: int | None = None,
    colour: Colour | None = None,
) -> list[tuple[Tensor, np.ndarray]]:
    """Images (3, H, W) uint8 and their masks (H, W) of 0, 1 and 255, both upright.

    Args:
        paintings: what was painted on pictures, as the page shows them.
        masks: files of the same names as their pictures, whatever the ending.
        size: side of the square that the model sees.
        class_index, colour: what is foreground in the files, see `foreground_mask`.

    Raises:
        ValueError: there is no picture, a picture has no mask or two, or a file fits no picture or is not what it
            should be.
    """
    if not pictures:
        raise ValueError("supports: expected at least one picture, got none; choose one under Support pictures")
    of_picture = _by_picture(pictures, masks)
    supports = []
    for path in pictures:
        image = read_own(path, size)
        painted = painted_mask(paintings.get(path), image, path.name)
        file = of_picture.get(path)
        if painted is not None and file is not None:
            raise ValueError(f"{path.name}: expected one mask, got a painted one and {file.name}; remove either")
        if painted is None and file is None:
            raise ValueError(f"{path.name}: expected a mask, got none; paint the object, or choose a file of its mask")
        sides = (image.shape[1], image.shape[2])
        supports.append((image, painted if file is None else foreground_mask(file, sides, class_index, colour, True)))
    return supports


def read_own(path: Path, size: int) -> Tensor:
    """A visitor's picture (3, H, W) uint8, upright.

    Raises:
        ValueError: it is damaged, or too narrow for a square of side `size`.
    """
    image = read_image(path, upright=True)
    check_image(image, size, str(path))
    return image


def painted_mask(painting: Painting | None, image: Tensor, name: str) -> np.ndarray | None:
    """What was painted on an image (3, H, W), 1 where it was, at the image's size; None where nothing was.

    Raises:
        ValueError: the painting was made on another picture.
    """
    layers = painting["layers"] if painting else []
    mask = np.any([layer[..., 3] >= PAINTED for layer in layers], axis=0).astype(np.uint8)
    if not mask.any():
        return None
    shown = tuple(on_screen(image).shape[1:])
    if mask.shape != shown:
        raise ValueError(
            f"{name}: expected a painting of the size {shown[0]} x {shown[1]}, as it was shown, got {mask.shape[0]} x "
            f"{mask.shape[1]}; choose the picture again"
        )
    return cv2.resize(mask, (image.shape[2], image.shape[1]), interpolation=cv2.INTER_NEAREST)


def assign_slots(pictures: Sequence[Path], slots: Sequence[Path | None]) -> list[Path | None]:
    """Which picture each slot of the page is for: one that is still there keeps its slot, and so what is painted in it.

    >>> assign_slots(["b", "c", "d", "e"], ["a", "b", None])
    ['c', 'b', 'd']
    """
    kept = [slot if slot in pictures else None for slot in slots]
    new = iter([picture for picture in pictures if picture not in kept])
    return [slot or next(new, None) for slot in kept]


def read_class(text: str | None) -> int | None:
    """The number of a class; None for an empty text.

    Raises:
        ValueError: it is no number.
    """
    word = (text or "").strip()
    if word and not word.isdecimal():
        raise ValueError(f"class: expected a whole number of at least 0, got {word}; mend it, or empty the field")
    return int(word) if word else None


def read_colour(text: str | None) -> Colour | None:
    """The colour that a text such as 255,0,0 names; None for an empty text.

    Raises:
        ValueError: it is no such text.
    """
    word = (text or "").strip()
    return parse_colour(word) if word else None


def _by_picture(pictures: Sequence[Path], masks: Sequence[Path]) -> dict[Path, Path]:
    """The mask of each picture: of the same name, or the only one for the only picture."""
    if len(pictures) == len(masks) == 1:
        return {pictures[0]: masks[0]}
    named = {path.stem: path for path in pictures}
    if masks and len(named) < len(pictures):
        raise ValueError("supports: expected pictures of different names beside files of masks; rename one of them")
    found: dict[Path, Path] = {}
    for mask in masks:
        if mask.stem not in named:
            raise ValueError(
                f"{mask.name}: expected a mask that has the name of a support picture ({', '.join(named)}), got "
                f"{mask.stem}; rename it"
            )
        first = found.setdefault(named[mask.stem], mask)
        if first is not mask:
            raise ValueError(f"{mask.stem}: expected one mask, got {first.name} and {mask.name}; remove either")
    return found

"""One mask of class numbers from the instances of an image."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from runtime.say import some

from data.masks import UNLABELLED
from data.outlines.coco_table import Id
from data.outlines.instances import FIX, has_outline, name_of, pixels
from data.pictures import Damaged


class Drawn(NamedTuple):
    """A mask (H, W), uint8, and the names of the annotations that hold no outline."""

    mask: np.ndarray
    without_outline: list[str]


def draw_classes(annotations: Sequence[dict[str, Any]], number_of: Mapping[Id, int], size: tuple[int, int]) -> Drawn:
    """Draw instances from the largest to the smallest, so that a small one in front stays visible.

    A crowd's outline is rough: pixels that only a crowd covers are 255. A missing `iscrowd` counts as 0, and a missing
    area is counted from the outline.

    Args:
        number_of: the class of each category.
        size: (H, W) of the picture.

    Raises:
        Damaged: an outline is not sound, or a category is not listed; names the annotation.
    """
    mask = np.zeros(size, np.uint8)
    drawable = [one for one in annotations if has_outline(one)]
    for one in sorted(drawable, key=lambda one: (is_crowd(one), _area(one, size)), reverse=True):
        number = _number(one, number_of)
        mask[pixels(one, size)] = UNLABELLED if is_crowd(one) else number
    return Drawn(mask, [name_of(one) for one in annotations if not has_outline(one)])


def is_crowd(annotation: dict[str, Any]) -> bool:
    """Whether it outlines a crowd; many tools leave the word out."""
    return annotation.get("iscrowd") in (1, "1")


def _number(annotation: dict[str, Any], number_of: Mapping[Id, int]) -> int:
    category = annotation["category_id"]
    if category not in number_of:
        raise Damaged(f"{name_of(annotation)}: expected a listed category, got {category!r}; {FIX}")
    return number_of[category]


def _area(annotation: dict[str, Any], size: tuple[int, int]) -> float:
    """The stated area, or the number of pixels where none is stated."""
    area = annotation.get("area")
    if isinstance(area, (int, float)) and 0 < area < math.inf:
        return area
    return np.count_nonzero(pixels(annotation, size))


def say_without_outline(where: object, names: Sequence[str]) -> None:
    """Say which annotations were left out because they hold no outline."""
    if names:
        print(
            f"{where}: instances without an outline, left out: {len(names)} (a polygon needs three points, a box is "
            f"none): {some(names)}"
        )

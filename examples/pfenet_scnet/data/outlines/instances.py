"""The pixels of a COCO instance, from polygons or run lengths, packed or not; checked before anything is drawn."""

from itertools import accumulate
from typing import Any

import numpy as np
from pycocotools import mask as run_lengths

from data.pictures import Damaged

# A polygon needs three points. Some tools write two where the annotator only clicked twice.
FEWEST_COORDINATES = 6
# Outlines reach over a picture's edge now and then. Drawing takes memory in proportion to their length, so there is a
# limit: so many times the picture's longer side.
FARTHEST = 10
# Bits of a run length in COCO's text. More are no run of any picture.
LONGEST = 60
FIX = "export it anew, or delete it"


def pixels(annotation: dict[str, Any], size: tuple[int, int]) -> np.ndarray | None:
    """The instance's pixels (H, W), bool; None where it holds no outline to draw.

    No outline is: none at all, a box alone, or polygons of fewer than three points.

    Args:
        annotation: as COCO writes it; `segmentation` holds polygons, or run lengths with their size.
        size: (H, W) of the picture.

    Raises:
        Damaged: the outline cannot be that of a picture of this size; names the annotation's id and the cause.

    >>> pixels({"segmentation": [[0, 0, 2, 0, 2, 1, 0, 1]]}, (2, 3)).astype(int)
    array([[1, 1, 0],
           [0, 0, 0]])
    """
    outline = annotation.get("segmentation")
    try:
        if isinstance(outline, dict) and outline:
            return _fill(_counts(outline, size), size)
        polygons = _polygons(outline, size)
    except Damaged as damage:
        raise Damaged(f"{name_of(annotation)}: {damage}; {FIX}") from None
    if not polygons:
        return None
    return run_lengths.decode(run_lengths.merge(run_lengths.frPyObjects(polygons, *size))).astype(bool)


def has_outline(annotation: dict[str, Any]) -> bool:
    """Whether there is something to draw, sound or not."""
    outline = annotation.get("segmentation")
    if not isinstance(outline, list):
        return bool(outline)
    return any(_is_long_enough(part) for part in _parts(outline))


def name_of(annotation: dict[str, Any]) -> str:
    """What an error calls an annotation; not every tool gives it an id.

    >>> name_of({"id": 7}), name_of({"image_id": 3})
    ('annotation 7', 'an annotation without id of image 3')
    """
    number = annotation.get("id")
    return (
        f"annotation {number}"
        if number is not None
        else f"an annotation without id of image {annotation.get('image_id')}"
    )


def _parts(outline: list[Any]) -> list[Any]:
    """The polygons of a list; some tools write a single one without the outer list."""
    flat = all(isinstance(part, (int, float)) for part in outline)
    return [outline] if flat else outline


def _is_long_enough(part: Any) -> bool:
    return not isinstance(part, list) or len(part) >= FEWEST_COORDINATES


def _polygons(outline: Any, size: tuple[int, int]) -> list[list[float]]:
    """The polygons of at least three points."""
    if not outline:
        return []
    if not isinstance(outline, list):
        raise Damaged(f"expected polygons or run lengths, got {_short(outline)}")
    return [_polygon(part, size) for part in _parts(outline) if _is_long_enough(part)]


def _polygon(part: Any, size: tuple[int, int]) -> list[float]:
    if not (isinstance(part, list) and all(type(value) in (int, float) for value in part)):
        raise Damaged(f"expected a polygon's coordinates x, y, x, y, ..., got {_short(part)}")
    if len(part) % 2:
        raise Damaged(f"expected an even number of coordinates x, y, x, y, ..., got {len(part)}")
    # A value that is no number (NaN) fails every comparison, so it is asked for what it should be.
    outside = [value for value in part if not abs(value) <= FARTHEST * max(size)]
    if outside:
        raise Damaged(f"expected coordinates in a picture of {size[0]} x {size[1]} pixels, got {_short(outside[0])}")
    return [float(value) for value in part]


def _counts(outline: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
    """The lengths of the runs, background first, down one column after the other."""
    own = outline.get("size")
    if own != list(size):
        raise Damaged(f"expected run lengths for a picture of {list(size)} (height, width), got {_short(own)}")
    counts = outline.get("counts")
    if isinstance(counts, str):
        counts = _unpack(counts)
    if not (isinstance(counts, list) and all(type(value) is int for value in counts)):
        raise Damaged(f"expected run lengths as whole numbers or as COCO's text, got {_short(counts)}")
    total = size[0] * size[1]
    if any(value < 0 for value in counts) or sum(counts) != total:
        raise Damaged(f"expected run lengths of 0 and more that fill the picture's {total} pixels, got {sum(counts)}")
    return np.array(counts, np.int64)


def _fill(counts: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(size, order="F")


def _unpack(text: str) -> list[int]:
    """Run lengths from COCO's text: five bits a character, and from the fourth on the change from two runs before.

    pycocotools reads behind the end of a text that is cut off, and writes behind the end of a picture that the runs
    overfill. This reader does neither.
    """
    changes: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > LONGEST:
            raise Damaged(f"expected COCO's text of run lengths, got another text, {_short(text)}")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            changes.append(value - (1 << shift) if bits & 16 else value)
            value = shift = 0
    if shift:
        raise Damaged("expected whole run lengths, got a text that is cut off")
    return _sums(changes)


def _sums(changes: list[int]) -> list[int]:
    """The counts whose differences to the count two before are given, from the fourth on.

    >>> _sums([5, 1, 2, 3, 4])
    [5, 1, 2, 4, 6]
    """
    counts = list(changes)
    counts[1::2] = accumulate(changes[1::2])
    counts[2::2] = accumulate(changes[2::2])
    return counts


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."

"""What masks of one's own hold, told over the whole folder, and each of them as class indices."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from runtime.say import SHOWN, shown, some

from data.mask_formats import JPEG_TOLERANCE, read_values
from data.masks import UNLABELLED
from data.own.colour_table import read_colours
from data.pictures import JPEG, UPRIGHT, Damaged, orientation

# More classes than these are taken for grey values, unless the user names them all.
MOST_UNNAMED = 100
WHITE = (255, 65535)
RED, GREEN, BLUE = 1 << 16, 1 << 8, 1
TURNED = "remove the orientation note from the picture, where it was annotated as stored"
Held = tuple[int, ...]


class Meaning(NamedTuple):
    """What the masks' values stand for: the classes' names, the class of each value, and what to tell the user.

    Where `colours` is true a value is a colour, red · 65536 + green · 256 + blue.
    """

    names: list[str]
    class_of: dict[int, int]
    colours: bool
    said: str


class Survey(NamedTuple):
    """The values that one mask holds, with their colours if it has a palette; of a colour mask the ten commonest."""

    mask: Path
    held: Held
    colours: bool
    palette: Held = ()


def survey(mask: Path) -> Survey:
    """Look which values a mask holds.

    Raises:
        Damaged: the file is no mask, or is cut off.
    """
    values = _read(mask)
    if values.ndim == 2:
        held = np.unique(values).tolist()
        return Survey(mask, tuple(held), False, _palette(mask, held))
    found, counts = np.unique(_packed(values), return_counts=True)
    return Survey(mask, tuple(found[np.argsort(-counts, kind="stable")][:SHOWN].tolist()), True)


def meaning_of_colours(table: Path) -> Meaning:
    """The meaning that a colour table gives."""
    names, class_of = read_colours(table)
    packed = {red * RED + green * GREEN + blue * BLUE: index for (red, green, blue), index in class_of.items()}
    return Meaning(names, packed, True, f"masks are read by the colours of {table}")


def meaning_of_values(surveys: Sequence[Survey], names: Sequence[str] | None) -> Meaning:
    """What values without a colour table mean: 0 and 255 alone are one class, else they are class indices.

    Args:
        names: the classes' names, if the user gave them.

    Raises:
        ValueError: the values can be no class indices, or their meaning cannot be told.
    """
    _refuse_colours(surveys)
    _refuse_palettes(surveys)
    held = sorted({value for one in surveys for value in one.held})
    if held == [0]:
        raise ValueError(f"{surveys[0].mask.parent}: expected classes in the masks, got 0 alone, which is background")
    white = held[-1]
    if set(held) <= {0, white} and white in WHITE:
        return _binary(white, names)
    _refuse_mixture(surveys, held)
    classes = [value for value in held if value not in (0, UNLABELLED)]
    if names is None:
        _refuse_gaps(surveys, classes)
        names = [f"class{number}" for number in classes]
    class_of = {0: 0, UNLABELLED: UNLABELLED} | {number: number for number in range(1, len(names) + 1)}
    unlabelled = f"; {UNLABELLED} is unlabelled" if UNLABELLED in held else ""
    return Meaning(list(names), class_of, False, f"masks hold class indices up to {classes[-1]}{unlabelled}")


def to_classes(mask: Path, meaning: Meaning, size: tuple[int, int]) -> np.ndarray:
    """A mask's class indices (H, W), uint8.

    Raises:
        Damaged: it has another size than its picture, or holds a value of no class.
    """
    values = _read(mask, meaning.colours)
    if values.shape[:2] != size:
        fix = "it belongs to another picture, or was resized"
        if values.shape[1::-1] == size:
            fix = f"it fits the picture turned by a quarter: {TURNED}"
        raise Damaged(
            f"{mask}: expected its picture's size {size[0]} x {size[1]} (height x width), got {values.shape[0]} x "
            f"{values.shape[1]}; {fix}"
        )
    packed = _packed(values) if meaning.colours else values.astype(np.int32)
    known = np.full(max(meaning.class_of) + 2, -1, np.int16)
    for value, index in meaning.class_of.items():
        known[value] = index
    # The last entry stands for all values beyond, and for those below zero.
    classes = known[np.clip(packed, -1, len(known) - 1)]
    if (classes < 0).any():
        strange = np.unique(packed[classes < 0]).tolist()
        raise Damaged(
            f"{mask}: expected {'the colours' if meaning.colours else 'the indices'} of {len(meaning.names)} classes, "
            f"got {_words(strange, meaning.colours)}; draw it anew, or name {'them' if len(strange) > 1 else 'it'} too"
        )
    return classes.astype(np.uint8)


def _read(mask: Path, colours: bool = False) -> np.ndarray:
    """Values (H, W), or colours (H, W, 3) where they are asked for or the mask is not grey."""
    try:
        values = read_values(mask)
        if colours and values.ndim == 2:
            with Image.open(mask) as picture:
                values = np.asarray(picture.convert("RGB")) if picture.mode == "P" else np.stack([values] * 3, -1)
    except FileNotFoundError:
        raise
    except ValueError as error:
        raise Damaged(str(error)) from None
    if not colours and values.ndim == 3 and (values == values[..., :1]).all():
        values = values[..., 0]
    if _is_jpeg(mask):
        values = _sharpened(values, mask)
    return UPRIGHT.get(orientation(mask), lambda same: same)(values)


def _palette(mask: Path, held: Sequence[int]) -> Held:
    """The colour of each value that a palette mask holds; nothing of other masks."""
    with Image.open(mask) as picture:
        if picture.mode != "P":
            return ()
        colours = np.zeros((256, 3), np.uint8)
        listed = np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)
    colours[: len(listed)] = listed
    return tuple(_packed(colours[list(held)]).tolist())


def _is_jpeg(mask: Path) -> bool:
    with mask.open("rb") as file:
        return file.read(len(JPEG)) == JPEG


def _sharpened(values: np.ndarray, mask: Path) -> np.ndarray:
    """Black and white from a JPEG, which smears them; nothing else survives a JPEG."""
    if values.ndim == 3 or (np.minimum(values, 255 - values) > JPEG_TOLERANCE).any():
        raise Damaged(f"{mask}: expected black and white in a JPEG, which keeps no value exactly; save masks as PNG")
    return np.where(values > 127, np.uint8(255), np.uint8(0))


def _packed(colours: np.ndarray) -> np.ndarray:
    """A colour (..., 3) as one number."""
    return colours.astype(np.int32) @ np.array([RED, GREEN, BLUE], np.int32)


def _binary(white: int, names: Sequence[str] | None) -> Meaning:
    if names is not None and len(names) != 1:
        raise ValueError(
            f"names: expected one name, as the masks hold only 0 and {white}, which is one class, got {len(names)}; "
            "save class indices to tell more classes apart"
        )
    return Meaning(
        list(names or ["class1"]), {0: 0, white: 1}, False, f"masks hold only 0 and {white}: {white} is the class"
    )


def _refuse_colours(surveys: Sequence[Survey]) -> None:
    coloured = [one for one in surveys if one.colours]
    if coloured:
        found = sorted({colour for one in coloured for colour in one.held})
        raise ValueError(
            f"{coloured[0].mask}: expected class indices, got colours ({len(coloured)} of {len(surveys)} masks): "
            f"{_words(found, True)}; name them in a file with a line 'name r g b' each, and add --colours FILE"
        )


def _refuse_palettes(surveys: Sequence[Survey]) -> None:
    """A painting program gives each file a palette of its own, whose indices mean nothing in the next file."""
    first: dict[int, tuple[int, Path]] = {}
    for one in surveys:
        for value, colour in zip(one.held, one.palette, strict=False):
            known, mask = first.setdefault(value, (colour, one.mask))
            if known != colour:
                raise ValueError(
                    f"{one.mask}: expected one palette in all masks, got {_words([colour], True)} for index {value}, "
                    f"which is {_words([known], True)} in {mask}; name the colours in a file with a line 'name r g b' "
                    "each, and add --colours FILE"
                )


def _refuse_mixture(surveys: Sequence[Survey], held: Sequence[int]) -> None:
    """Some masks of 0 and 1 and others of 0 and 255 would read as one class and as unlabelled."""
    if held[-1] != UNLABELLED or not set(held) <= {0, 1, UNLABELLED}:
        return
    ones, whites = ([one.mask for one in surveys if value in one.held] for value in (1, UNLABELLED))
    if not set(ones) & set(whites):
        raise ValueError(
            f"{whites[0]}: expected masks of one kind, got 0 and 255 here and 0 and 1 in {ones[0]}; save all with the "
            "same values"
        )


def _refuse_gaps(surveys: Sequence[Survey], classes: Sequence[int]) -> None:
    if list(classes) == list(range(1, len(classes) + 1)) and len(classes) <= MOST_UNNAMED:
        return
    wanted = next(one.mask for one in surveys if classes[-1] in one.held)
    raise ValueError(
        f"{shown(wanted)}: expected class indices 1, 2, 3, ... without a gap, {MOST_UNNAMED} at most, got the values "
        f"{some(classes)} in the masks; name all classes in order with --names a,b,c, or, if these are grey "
        "values, name each in a file with a line 'name v v v' and add --colours FILE"
    )


def _words(held: Sequence[int], colours: bool) -> str:
    if not colours:
        return f"the value{'s' if len(held) > 1 else ''} {some(held)}"
    return some([f"{one >> 16},{one >> 8 & 255},{one & 255}" for one in held], "; ")

"""What people save a mask as, read as values or as one foreground; what cannot be told is an error that says what lies
there."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from runtime.say import some

from data.masks import UNLABELLED
from data.outlines.annotated_picture import draw_annotations, read_annotated
from data.pictures import ORIENTATION, UPRIGHT, Damaged, check_pixels

# JPEG smears the edge of a black-and-white mask: by 41 of 255 at most at Pillow's usual quality of 75, and never across
# the middle. Values this near to black or white count as such, in a JPEG alone.
JPEG_TOLERANCE = 64
WHITE = (1, 255, 65535)
Colour = tuple[int, int, int]


def parse_colour(text: str) -> Colour:
    """The colour that a text names.

    Raises:
        ValueError: it names none.

    >>> parse_colour("255, 0, 9")
    (255, 0, 9)
    """
    parts = [int(part) for part in text.split(",") if part.strip().isdecimal()]
    if len(parts) != 3 or len(text.split(",")) != 3 or max(parts) > 255:
        raise ValueError(f"colour: expected three numbers of 0 to 255, as 255,0,0, got {text}; mend the colour")
    return parts[0], parts[1], parts[2]


def read_values(path: Path) -> np.ndarray:
    """Indices (H, W) as stored, a palette's and 16-bit ones too, or colours (H, W, 3) uint8, without transparency.

    Raises:
        Damaged: the file is cut off, or is no picture.
        ValueError: its pixels are no integers.
    """
    return _values(_open(path), path)


def foreground_mask(
    path: Path,
    size: tuple[int, int],
    class_index: int | None = None,
    colour: Colour | None = None,
    upright: bool = False,
) -> np.ndarray:
    """A mask (H, W), uint8: 1 foreground, 0 background, 255 unlabelled.

    Without `class_index` and `colour` the mask holds 0 and 1, or black and white (a JPEG nearly so), or is a COCO-style
    JSON of the one picture, all of whose annotations count.

    Args:
        size: (H, W) of the picture.
        class_index: the class, or the JSON's category, that is foreground. Only here 255 means unlabelled, in masks of
            one byte a pixel.
        colour: (r, g, b), 0..255, the colour that is foreground.
        upright: turn a mask that itself holds a camera's note, as `read_image` turns pictures.

    Raises:
        Damaged: the file is cut off, or is no mask.
        ValueError: the mask has another size, its foreground cannot be told, or it has none; names the values found.
    """
    if class_index is not None and colour is not None:
        raise ValueError(f"colour: expected none beside class {class_index}, got {_words(colour)}; leave one out")
    if path.suffix.lower() == ".json":
        if colour is not None:
            raise ValueError(f"{path}: expected no colour for outlines, got {_words(colour)}; use --class N")
        annotated = read_annotated(path)
        check_size(path, annotated.size or size, size)
        return draw_annotations(annotated, size, class_index)
    picture = _open(path)
    values = _values(picture, path)
    values = _one_channel(values) if colour is None else _colours(picture, values, path)
    if upright:
        values = UPRIGHT.get(picture.getexif().get(ORIENTATION, 1), lambda same: same)(values)
    check_size(path, values.shape[:2], size)
    if picture.format in ("JPEG", "MPO"):
        return _smeared(values, path, class_index is not None or colour is not None)
    if colour is not None:
        found = (values == np.array(colour)).all(2)
        return _found(found, values, path, f"the colour {_words(colour)}", "try another --colour")
    if values.ndim == 3:
        option = "--colour R,G,B"
        raise ValueError(f"{path}: expected one value a pixel, got {_list(values)}; name the foreground with {option}")
    if class_index is not None:
        return _of_class(values, class_index, path)
    return _black_and_white(values, picture, path)


def check_size(path: Path, got: tuple[int, ...], size: tuple[int, int]) -> None:
    """Refuse a mask of another size than its picture's.

    Raises:
        ValueError: names both sizes; where the picture turned by a quarter would fit, the option that turns it.
    """
    if tuple(got) == tuple(size):
        return
    turned = (
        "it fits the picture turned by a quarter: --orientation stored takes pictures as stored, --orientation upright "
        "as viewers show them"
    )
    fix = turned if tuple(got) == tuple(size)[::-1] else "the mask belongs to another picture, or was resized"
    raise ValueError(
        f"{path}: expected the picture's size {size[0]} x {size[1]} (height x width), got {got[0]} x {got[1]}; {fix}"
    )


def _open(path: Path) -> Image.Image:
    """The picture, decoded."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: expected a mask, got no such file; check the path") from None
    try:
        with Image.open(BytesIO(data)) as picture:
            check_pixels(path, *picture.size)
            picture.load()
            return picture
    except Damaged:
        raise
    except Exception as error:  # Pillow's readers raise many kinds on damaged files
        raise Damaged(f"{path}: expected a whole mask, got a damaged file ({error}); get it anew") from None


def _values(picture: Image.Image, path: Path) -> np.ndarray:
    mode = picture.mode
    if mode == "1":
        return np.asarray(picture).astype(np.uint8)
    if mode in ("L", "P", "I") or mode.startswith("I;16"):
        return np.asarray(picture)
    if mode in ("LA", "La", "PA"):
        return _opaque(np.asarray(picture.getchannel(0)), picture, path)
    if mode == "F":
        raise ValueError(f"{path}: expected whole numbers, got numbers with fractions; save the mask as a PNG")
    colours = np.asarray(picture.convert("RGB"))
    return _opaque(colours, picture, path) if mode in ("RGBA", "RGBa") else colours


def _opaque(values: np.ndarray, picture: Image.Image, path: Path) -> np.ndarray:
    """The values; refused where they are all alike and only the transparency draws a shape."""
    transparency = np.asarray(picture)[..., -1]
    if np.ptp(transparency) and not np.ptp(values.reshape(-1, values.shape[2] if values.ndim == 3 else 1), 0).any():
        raise ValueError(
            f"{path}: expected the mask in the colours, got it in the transparency, over {_list(values)} alone; save "
            "it on an opaque ground"
        )
    return values


def _one_channel(values: np.ndarray) -> np.ndarray:
    """(H, W) where all three channels are the same, as of a grey mask that was saved in colour."""
    grey = values.ndim == 3 and (values == values[..., :1]).all()
    return values[..., 0] if grey else values


def _colours(picture: Image.Image, values: np.ndarray, path: Path) -> np.ndarray:
    """The picture as it is shown, (H, W, 3), a palette's colours too."""
    if values.dtype != np.uint8:
        raise ValueError(f"{path}: expected colours, got {_list(values)}; name the foreground with --class N")
    return np.asarray(picture.convert("RGB"))


def _of_class(values: np.ndarray, class_index: int, path: Path) -> np.ndarray:
    mask = _found(values == class_index, values, path, f"class {class_index}", "try another --class")
    if values.dtype == np.uint8 and class_index != UNLABELLED:
        mask[values == UNLABELLED] = UNLABELLED
    return mask


def _black_and_white(values: np.ndarray, picture: Image.Image, path: Path) -> np.ndarray:
    held = np.unique(values)
    if not held.any():
        raise ValueError(f"{path}: expected foreground pixels, got the value 0 alone; mark the object in the mask")
    light = [value for value in held if value]
    if len(light) > 1 or light[0] not in WHITE or not _palette_agrees(picture, int(light[0])):
        raise ValueError(
            f"{path}: expected 0 and 1, or black 0 and white 255, got {_list(values)}; name the one that is foreground "
            "with --class N"
        )
    return (values > 0).astype(np.uint8)


def _palette_agrees(picture: Image.Image, foreground: int) -> bool:
    """Whether a palette shows 0 as the darker; 255 must be white in it, as VOC's 255 is unlabelled."""
    if picture.mode != "P":
        return True
    shown = np.zeros((256, 3), int)
    palette = np.array(picture.getpalette()).reshape(-1, 3)
    shown[: len(palette)] = palette
    brightness = shown.sum(1)
    return brightness[0] < brightness[1] if foreground == 1 else brightness[foreground] == 3 * 255


def _smeared(values: np.ndarray, path: Path, named: bool) -> np.ndarray:
    """A black-and-white mask from a JPEG, which keeps no value exactly."""
    near = np.minimum(values, 255 - values) <= JPEG_TOLERANCE
    if named or values.ndim == 3 or not near.all():
        raise ValueError(
            f"{path}: expected black and white in a JPEG, which keeps no value exactly, got {_list(values)}; save the "
            "mask as a PNG"
        )
    return _found(values > 127, values, path, "white pixels", "save the mask as a PNG")


def _found(foreground: np.ndarray, values: np.ndarray, path: Path, expected: str, fix: str) -> np.ndarray:
    if not foreground.any():
        raise ValueError(f"{path}: expected {expected}, got {_list(values)}; {fix}")
    return foreground.astype(np.uint8)


def _list(values: np.ndarray) -> str:
    """The first ten values, or the ten commonest colours."""
    if values.ndim == 2:
        held = np.unique(values).tolist()
        named, word = some(held), "value"
    else:
        codes, counts = np.unique(values.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32), return_counts=True)
        held = codes[np.argsort(-counts, kind="stable")].tolist()
        named = some([f"{one >> 16},{one >> 8 & 255},{one & 255}" for one in held], "; ")
        word = "colour"
    return f"the {word}{'s' if len(held) > 1 else ''} {named}"


def _words(colour: Colour) -> str:
    return ",".join(map(str, colour))

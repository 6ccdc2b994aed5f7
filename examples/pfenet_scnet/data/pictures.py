"""Pictures as bytes in RGB; one that is cut off or damaged is an error that names it, never a grey half."""

from contextlib import suppress
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
import torch
from PIL import Image
from torch import Tensor

JPEG, PNG = b"\xff\xd8", b"\x89PNG"
ENDS = {JPEG: b"\xff\xd9", PNG: b"IEND\xaeB`\x82"}
AS_STORED = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
ORIENTATION = 0x0112
# A phone's largest pictures have 200 million. What has more is most likely a trap: a file of kilobytes that fills the
# memory. Every reader looks at the size before it decodes, in place of Pillow's own limit, which is below a phone's.
MOST_PIXELS = 2**28
Image.MAX_IMAGE_PIXELS = None
# A damaged file is an error here, with its name; OpenCV's own line about it names none.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
# What turns a stored picture upright, by the camera's note: EXIF's orientations 2 to 8.
UPRIGHT = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}


class Damaged(ValueError):
    """A file exists, but its content is not what it should be; the message begins with its path."""


def read_image(path: Path, upright: bool = False) -> Tensor:
    """RGB (3, H, W), uint8: grey, CMYK, 16-bit and transparent pictures too, transparency left out.

    Args:
        upright: turn the picture as the camera noted, as viewers and annotation tools do. By default it stays as
            stored, which is what published masks fit.

    Raises:
        Damaged: the file is no picture, or is cut off.
    """
    data = _read(path)
    pixels = _decode(path, data)
    if upright:
        pixels = UPRIGHT.get(_orientation(data), lambda same: same)(pixels)
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)


def orientation(path: Path) -> int:
    """The camera's note of how the picture is turned, 1 to 8; 1 is upright."""
    return _orientation(_read(path))


def is_cut_off(path: Path) -> bool:
    """Whether a JPEG or PNG lacks its end. Only a file that does not end as whole ones do is decoded."""
    with path.open("rb") as file:
        end = next((end for start, end in ENDS.items() if file.read(len(start)) == start or file.seek(0)), None)
        if end is None:
            return False
        file.seek(0, 2)
        file.seek(max(file.tell() - len(end), 0))
        if file.read() == end:
            return False
    try:
        read_image(path)
    except Damaged:
        return True
    return False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: expected a picture, got no such file; check the path") from None


def check_pixels(path: Path, width: int, height: int) -> None:
    """Refuse a picture or mask that would fill the memory.

    Raises:
        Damaged: names its size.
    """
    if width * height > MOST_PIXELS:
        raise Damaged(
            f"{path}: expected at most {MOST_PIXELS:,} pixels, got {width} x {height} (width x height); make it smaller"
        )


def _decode(path: Path, data: bytes) -> np.ndarray:
    """Pixels (H, W, 3) as stored."""
    if data.startswith(JPEG):
        try:
            height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
            check_pixels(path, width, height)
            if colours not in ("CMYK", "YCCK"):
                return _decode_jpeg(data)
        except Damaged:
            raise
        except ValueError as error:
            raise Damaged(f"{path}: expected a picture, got a damaged one ({error}); {_FIX}") from None
    pixels = _decode_others(path, data) if data else None
    if pixels is None:
        found = "an empty file" if not data else "a file that is cut off or is no picture"
        raise Damaged(f"{path}: expected a picture, got {found}; {_FIX}")
    return pixels


_FIX = "get the file anew, or leave it out"


def _decode_others(path: Path, data: bytes) -> np.ndarray | None:
    """By OpenCV, once the size that the file states is known; None where there is no picture."""
    check_pixels(path, *_stated_size(data))
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), AS_STORED)
    except cv2.error:
        return None


def _decode_jpeg(data: bytes) -> np.ndarray:
    """By the same library as OpenCV's, which fills what is missing with grey and says nothing."""
    try:
        return simplejpeg.decode_jpeg(data, "RGB", strict=True)
    except ValueError as error:
        if "premature end" in str(error).lower():
            raise
    # Other warnings, such as a few bytes between two markers, cost no pixel.
    return simplejpeg.decode_jpeg(data, "RGB")


def _stated_size(data: bytes) -> tuple[int, int]:
    """Width and height by the file's head; 0 where that cannot be read: Pillow raises many kinds of errors then."""
    with suppress(Exception), Image.open(BytesIO(data)) as picture:
        return picture.size
    return 0, 0


def _orientation(data: bytes) -> int:
    with suppress(Exception), Image.open(BytesIO(data)) as picture:
        return picture.getexif().get(ORIENTATION, 1)
    return 1

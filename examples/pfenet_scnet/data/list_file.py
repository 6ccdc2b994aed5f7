"""Lists of images as people write them, on Windows too: each line read as it is meant, or shown in an error."""

import codecs
from pathlib import Path
from typing import NamedTuple

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
IMAGES, MASKS = "JPEGImages", "SegmentationClassAug"
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class Listed(NamedTuple):
    """A line of a list: where the image and its mask lie."""

    image: Path
    mask: Path


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not blank, stripped, without a byte order mark.

    Raises:
        ValueError: a line is in no encoding that we know.
    """
    data = path.read_bytes()
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        line = ascii(data.splitlines()[number - 1].decode("latin-1"))
        raise ValueError(f"{path}: expected UTF-8, got {line} in line {number}; save the file as UTF-8") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_list_file(path: Path, root: Path) -> list[Listed]:
    """The images and masks that a list names, in its order, twice where it names them twice.

    A line is an ID (`2007_000032`), with or without a picture's ending, or `JPEGImages/ID.jpg
    SegmentationClassAug/ID.png` below `root`. Backslashes and a slash in front, as DeepLab's lists have it, are read
    as meant; absolute paths too.

    Raises:
        ValueError: the list is empty, or a line is none of these.
    """
    lines = read_lines(path)
    if not lines:
        raise ValueError(f"{path}: expected image names, got an empty file; write one name a line")
    return [Listed(*(_below(root, part) for part in _parts(line, path))) for line in lines]


def _parts(line: str, path: Path) -> tuple[str, str]:
    """Image and mask of a line, as written."""
    words = line.replace("\\", "/").split()
    if len(words) == 2:
        return words[0], words[1]
    if len(words) != 1:
        raise ValueError(
            f"{path}: expected an ID or 'image mask' a line, got {line!r}; mend the line (names hold no blanks)"
        )
    name = Path(words[0])
    if name.suffix.lower() in PICTURES:
        image = words[0] if "/" in words[0] else f"{IMAGES}/{name}"
        return image, f"{MASKS}/{name.stem}.png"
    return f"{IMAGES}/{name}.jpg", f"{MASKS}/{name}.png"


def _below(root: Path, part: str) -> Path:
    """An absolute path where that exists, else a path below the root."""
    return Path(part) if Path(part).is_absolute() and Path(part).is_file() else root / part.lstrip("/")

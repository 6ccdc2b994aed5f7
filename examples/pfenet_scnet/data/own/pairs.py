"""Which mask belongs to which picture of one's own: by the name below the two folders, without ending."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from runtime.say import shown, some

# HEIC stands here so that such a picture is named in an error, not passed over.
ENDINGS = {
    *(".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".avif", ".jp2", ".ppm", ".pgm", ".pbm"),
    *(".heic", ".heif"),
}
# What tools add to a picture's name to call its mask.
ADDED = re.compile(r"[_-](mask|masks|label|labels|labelids|gt|seg|segmentation)$", re.IGNORECASE)


class Pair(NamedTuple):
    """A picture's path below its folder, and where picture and mask lie."""

    name: str
    picture: Path
    mask: Path


class Found(NamedTuple):
    """The pairs, the pictures and masks that are left over, and the files that are no pictures."""

    pairs: list[Pair]
    without_mask: list[str]
    without_picture: list[str]
    others: list[str]


def find_pairs(images: Path, masks: Path) -> Found:
    """Pair pictures and masks by their path below the folders, without ending.

    `x.jpg` goes with a mask called `x.png`, `x.jpg.png` or `x_mask.png`. One folder may hold both.

    Raises:
        ValueError: a mask fits several pictures, or a picture several masks; names them.
    """
    if masks.resolve() == images.resolve():
        names, others = _sorted_out(images)
        whole, stems = set(names), set(map(_stem, names))
        mask_names = [name for name in names if _stem(name) in whole or _base(name) in stems]
        pictures = sorted(whole - set(mask_names))
    else:
        pictures, others = _sorted_out(images, without=masks)
        mask_names, more = _sorted_out(masks, without=images)
        others += more
    mask_of = _matched(pictures, mask_names)
    pairs = [Pair(name, images / name, masks / mask_of[name]) for name in pictures if name in mask_of]
    used = set(mask_of.values())
    free = [name for name in pictures if name not in mask_of]
    return Found(pairs, free, [name for name in mask_names if name not in used], others)


def files_below(folder: Path) -> Iterator[str]:
    """Paths below a folder with slashes, in order; linked folders too, hidden files and a Mac's leftovers not."""
    seen: set[str] = set()
    for here, folders, names in os.walk(folder, followlinks=True):
        if os.path.realpath(here) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(here))
        folders[:] = sorted(name for name in folders if name[0] != "." and name != "__MACOSX")
        below = PurePosixPath(Path(here).relative_to(folder).as_posix())
        yield from (str(below / name) for name in sorted(names) if name[0] != ".")


def _sorted_out(folder: Path, without: Path | None = None) -> tuple[list[str], list[str]]:
    """The pictures below a folder and its other files; a folder inside it may be left out."""
    names = list(files_below(folder))
    if without is not None and folder.resolve() in without.resolve().parents:
        inside = f"{without.resolve().relative_to(folder.resolve()).as_posix()}/"
        names = [name for name in names if not name.startswith(inside)]
    sorted_out: tuple[list[str], list[str]] = ([], [])
    for name in names:
        sorted_out[PurePosixPath(name).suffix.lower() not in ENDINGS].append(name)
    return sorted_out[False], [str(folder / name) for name in sorted_out[True]]


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


def _base(mask: str) -> str | None:
    """The stem of the picture that a mask is called after: that of x_mask.png is x."""
    base = ADDED.sub("", _stem(mask))
    return None if base == _stem(mask) else base


def _by_stem(names: Iterable[str]) -> dict[str, list[str]]:
    table: dict[str, list[str]] = defaultdict(list)
    for name in names:
        table[_stem(name)].append(name)
    return table


def _matched(pictures: list[str], masks: list[str]) -> dict[str, str]:
    """The mask of each picture that has one."""
    by_stem, names = _by_stem(pictures), set(pictures)
    mask_of: dict[str, str] = {}
    for mask in masks:
        stem = _stem(mask)
        fits = [stem] if stem in names else by_stem.get(stem) or by_stem.get(_base(mask) or "", [])
        if len(fits) > 1:
            raise ValueError(
                f"masks: expected {shown(mask)} to fit one picture, got {some(fits)}; call it {fits[0]}.png after the "
                "one it belongs to"
            )
        if fits and fits[0] in mask_of:
            raise ValueError(
                f"masks: expected one mask of {shown(fits[0])}, got {mask_of[fits[0]]} and {mask}; leave one out"
            )
        mask_of |= dict.fromkeys(fits, mask)
    return mask_of

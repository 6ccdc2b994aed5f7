"""Pictures and masks that are cut off or damaged: found before a run starts, named, or left out where the user asks."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from runtime.say import say_once, some
from tqdm import tqdm

from data.list_file import Listed
from data.masks import count_masks
from data.pictures import Damaged, is_cut_off, read_image

SHOWN = 3
SKIP = "add --skip_damaged true to leave such files out"


def keep_whole(
    root: Path, listed: Sequence[Listed], path: Path, skip_damaged: bool
) -> list[tuple[Listed, dict[int, int]]]:
    """The lines whose picture and mask are whole, each with the pixels of its mask's classes.

    Every mask is read, and the end of every picture is looked at; with `skip_damaged` every picture is decoded.

    Raises:
        Damaged: names the first damaged files, unless they are to be left out.
    """
    counts = dict(zip(listed, count_masks(root, [one.mask for one in listed]), strict=True))
    pictures = _damaged_pictures([one.image for one in listed], skip_damaged)
    damaged = {one: found for one, found in counts.items() if isinstance(found, Damaged)}
    damaged |= {one: pictures[one.image] for one in listed if one.image in pictures}
    if damaged and not skip_damaged:
        raise Damaged(f"{some(list(damaged.values()), '; ', SHOWN)}; or {SKIP}")
    if damaged:
        names = some([one.image.name for one in damaged])
        say_once(f"{path}: left out {len(damaged)} of {len(listed)} images, whose picture or mask is damaged: {names}")
    whole = [(one, counts[one]) for one in listed if one not in damaged]
    if not whole:
        raise ValueError(f"{path}: expected at least one whole image, got damaged ones alone; get the data anew")
    return whole


def _damaged_pictures(pictures: Sequence[Path], every_pixel: bool) -> dict[Path, Damaged]:
    """The damaged ones; without `every_pixel` only a picture that does not end as whole ones do is decoded."""
    looked = pictures if every_pixel else [picture for picture in pictures if _is_cut_off(picture, _stamp(picture))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = zip(looked, pool.map(_damage_of, looked), strict=True)
        progress = tqdm(found, "checking pictures", len(looked), disable=not every_pixel)
        return {picture: damage for picture, damage in progress if damage}


def _stamp(picture: Path) -> tuple[int, int]:
    found = picture.stat()
    return found.st_size, found.st_mtime_ns


@cache
def _is_cut_off(picture: Path, stamp: tuple[int, int]) -> bool:
    """Looked at once a process: a run reads its lists several times."""
    return is_cut_off(picture)


def _damage_of(picture: Path) -> Damaged | None:
    try:
        read_image(picture)
    except Damaged as damage:
        return damage
    return None

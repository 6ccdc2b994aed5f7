"""Masks of one byte a pixel, and how many pixels of each class they hold, counted once."""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from platformdirs import user_cache_path
from runtime.atomic_files import DAY, UNFINISHED, remove_unfinished, write_text_atomically
from runtime.json_files import parse_json
from runtime.say import say_once
from tqdm import tqdm

from data.pictures import Damaged, check_pixels

UNLABELLED = 255
# As kept counts name them.
_CLASSES = frozenset(map(str, range(1, UNLABELLED)))


def read_mask(path: Path) -> np.ndarray:
    """Class indices (H, W), uint8: 0 background, 1.. the classes, 255 unlabelled.

    Raises:
        Damaged: the file is cut off, is no picture, or is too large for one.
        ValueError: it holds colours, or more than a byte a pixel.
    """
    try:
        with Image.open(path) as picture:
            check_pixels(path, *picture.size)
            mode = picture.mode
            if mode in ("P", "L", "1"):
                return np.asarray(picture).astype(np.uint8)
    except (FileNotFoundError, Damaged):
        raise
    except Exception as error:  # Pillow's readers raise many kinds on damaged files
        raise Damaged(f"{path}: expected a whole mask, got a damaged file ({error}); get it anew") from None
    raise ValueError(
        f"{path}: expected one byte a pixel, got mode {mode}; save class indices, not colours, or let "
        "prepare.py folder do that"
    )


def count_pixels(mask: np.ndarray) -> dict[int, int]:
    """Count the pixels of each class; background and unlabelled pixels are left out.

    >>> count_pixels(np.array([[0, 3], [3, 255]], np.uint8))
    {3: 2}
    """
    counts = np.bincount(mask.ravel(), minlength=256)
    return {int(c): int(counts[c]) for c in np.flatnonzero(counts) if c not in (0, UNLABELLED)}


def count_masks(root: str | Path, masks: Sequence[Path]) -> list[dict[int, int] | Damaged]:
    """`count_pixels` of each mask of the data set at `root`, or its damage.

    Counts are kept under SELFCONTRAST_CACHE (by default the system's place for caches). A count is valid while the
    mask's size and time of change stay the same, so a later start opens only new or changed masks.
    """
    index = _index_of(root)
    known = _read(index)
    names = [os.path.abspath(mask) for mask in masks]
    stamps = {name: _stamp(name) for name in names}
    unseen = [name for name, stamp in stamps.items() if name not in known or known[name][0] != stamp]
    damaged: dict[str, Damaged] = {}
    if unseen:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for name, found in tqdm(zip(unseen, pool.map(_count, unseen), strict=True), "counting masks", len(unseen)):
                if isinstance(found, Damaged):
                    damaged[name] = found
                else:
                    known[name] = [stamps[name], found]
        _keep(index, known)
    return [damaged.get(name) or {int(c): n for c, n in known[name][1].items()} for name in names]


def _count(name: str) -> dict[int, int] | Damaged:
    try:
        return count_pixels(read_mask(Path(name)))
    except Damaged as damage:
        return damage


def _keep(index: Path, known: dict[str, list]) -> None:
    try:
        write_text_atomically(index, json.dumps(known))
        remove_unfinished(index.parent, UNFINISHED, DAY)
    except OSError as error:
        say_once(
            f"{index.parent} cannot be written ({error.strerror}), so masks are counted at each start; set "
            "SELFCONTRAST_CACHE to a folder that can"
        )


def cache_folder() -> Path:
    """The folder of files that can be made again."""
    named = os.environ.get("SELFCONTRAST_CACHE")
    return Path(named) if named else user_cache_path("selfcontrast", appauthor=False)


def _index_of(root: str | Path) -> Path:
    name = hashlib.sha256(str(Path(root).resolve()).encode()).hexdigest()[:16]
    return cache_folder() / "masks" / f"{name}.json"


def _read(index: Path) -> dict[str, list]:
    """Read the kept counts; what is damaged or of another form counts as none, and its mask is counted again."""
    try:
        found = parse_json(index.read_bytes())
    except (OSError, ValueError):
        return {}
    return {name: entry for name, entry in found.items() if _is_count(entry)} if isinstance(found, dict) else {}


def _is_count(entry: Any) -> bool:
    """Whether it is [[size, time], {class: pixels}], as `count_masks` writes it."""
    stamp, counts = entry if isinstance(entry, list) and len(entry) == 2 else (None, None)
    if not (isinstance(stamp, list) and isinstance(counts, dict)):
        return False
    return _CLASSES.issuperset(counts) and all(type(count) is int and count > 0 for count in counts.values())


def _stamp(mask: str) -> list[int]:
    found = os.stat(mask)
    return [found.st_size, found.st_mtime_ns]

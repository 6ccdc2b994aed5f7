"""PASCAL-5i: the VOC layout, its folds, and episodes as a pure function of (list, fold, shot, seed, count)."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
FOLDS = 4
CLASSES_A_FOLD = 5


def novel_classes(fold: int) -> list[int]:
    """The classes that fold 0..3 holds out, numbered from 1: 5i+1 .. 5i+5.

    >>> novel_classes(1)
    [6, 7, 8, 9, 10]
    """
    if fold not in range(FOLDS):
        raise ValueError(f"fold: expected 0 to {FOLDS - 1}, got {fold}; PASCAL-5i has four folds")
    return list(range(CLASSES_A_FOLD * fold + 1, CLASSES_A_FOLD * (fold + 1) + 1))


def base_classes(fold: int) -> list[int]:
    """The other fifteen."""
    return [c for c in range(1, FOLDS * CLASSES_A_FOLD + 1) if c not in novel_classes(fold)]


class Item(NamedTuple):
    """An image, its mask, and how many pixels each class has there."""

    image: Path
    mask: Path
    pixels: dict[int, int]


class Episode(NamedTuple):
    """One task: segment `novel_class` in the query, given the supports. Integers point into the list."""

    novel_class: int
    query: int
    supports: tuple[int, ...]


@dataclass(frozen=True)
class ImageList:
    """The images of one split; an (image, class) pair counts from `min_pixels` pixels of the class on.

    The published rule is 2,048 at VOC's full size; about 840 for pictures of at most 320 pixels.
    """

    items: tuple[Item, ...]
    min_pixels: int = 2048
    class_names: tuple[str, ...] = VOC_CLASSES

    @cached_property
    def by_class(self) -> dict[int, list[int]]:
        """Which items can serve each class."""
        table: dict[int, list[int]] = {}
        for index, item in enumerate(self.items):
            for c, count in item.pixels.items():
                if count >= self.min_pixels:
                    table.setdefault(c, []).append(index)
        return table

    def training(self, fold: int, novel: str) -> "ImageList":
        """Images with a usable base class; `novel="drop"` leaves out those that hide a novel object."""
        if novel not in ("keep", "drop"):
            raise ValueError(f"novel: expected keep or drop, got {novel!r}; pick one of the two")
        base, hidden = set(base_classes(fold)), set(novel_classes(fold))
        usable = [item for item in self.items if any(item.pixels.get(c, 0) >= self.min_pixels for c in base)]
        if novel == "drop":
            usable = [item for item in usable if not hidden & item.pixels.keys()]
        return replace(self, items=tuple(usable))

    def hidden_share(self, fold: int) -> float:
        """Percentage of the images that hold a novel object, unlabelled in training: the paper's Fig. 2."""
        hidden = set(novel_classes(fold))
        return 100 * sum(bool(hidden & item.pixels.keys()) for item in self.items) / max(len(self.items), 1)


def read_list(root: str | Path, split: str, min_pixels: int = 2048) -> ImageList:
    """Read `ImageSets/Segmentation/{split}.txt` below `root`, or the file that `split` names, and count its masks.

    A line is either an ID (`2007_000032`) or PFENet's `JPEGImages/ID.jpg SegmentationClassAug/ID.png`.
    """
    root = Path(root)
    path = Path(split) if split.endswith(".txt") else root / "ImageSets" / "Segmentation" / f"{split}.txt"
    if not path.is_file():
        raise FileNotFoundError(f"data: expected a list at {path}, got none; give the folder that holds JPEGImages/")
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"data: expected image names in {path}, got an empty file; write one name a line")
    pairs = [(root / a, root / b) for a, b in (_pair(line) for line in lines)]
    items = [Item(image, mask, _count(image, mask)) for image, mask in tqdm(pairs, desc=f"counting {path.stem} masks")]
    return ImageList(tuple(items), min_pixels, _class_names(root))


def _class_names(root: Path) -> tuple[str, ...]:
    """VOC's, unless the data set brings its own in `classes.txt`, one a line."""
    path = root / "classes.txt"
    return tuple(path.read_text().splitlines()) if path.is_file() else VOC_CLASSES


def _pair(line: list[str]) -> tuple[str, str]:
    if len(line) == 1:
        return f"JPEGImages/{line[0]}.jpg", f"SegmentationClassAug/{line[0]}.png"
    if len(line) != 2:
        raise ValueError(f"data: expected an ID or 'image mask' a line, got {' '.join(line)!r}; mend the list")
    return line[0], line[1]


def _count(image: Path, mask: Path) -> dict[int, int]:
    for path in (image, mask):
        if not path.is_file():
            raise FileNotFoundError(f"data: expected {path}, got no such file; complete the data set or mend the list")
    values, counts = np.unique(read_mask(mask), return_counts=True)
    return {int(v): int(n) for v, n in zip(values, counts, strict=True) if v not in (0, 255)}


def read_mask(path: Path) -> np.ndarray:
    """Class indices (H, W), uint8: 0 background, 1..20, 255 unlabelled."""
    with Image.open(path) as picture:
        if picture.mode not in ("P", "L"):
            raise ValueError(
                f"{path}: expected one byte a pixel, got mode {picture.mode}; save class indices, not colours"
            )
        return np.asarray(picture)


def sample_episodes(images: ImageList, classes: Sequence[int], shot: int, seed: int, count: int) -> list[Episode]:
    """`count` episodes: a class drawn uniformly, then a query and `shot` other images of it.

    Classes come first, or a list full of cats and dogs would teach nothing else. A class with too few images to make
    an episode is an error, never left out in silence.
    """
    if shot < 1 or count < 1:
        raise ValueError(f"shot and count: expected at least 1, got {shot} and {count}; ask for one or more")
    for c in classes:
        have = len(images.by_class.get(c, []))
        if have <= shot:
            raise ValueError(
                f"class {c} ({images.class_names[c - 1]}): expected at least {shot + 1} images with "
                f"{images.min_pixels} pixels of it, got {have}; lower min_pixels or shot, or add images"
            )
    random = np.random.default_rng([seed, shot])
    episodes: list[Episode] = []
    for _ in range(count):
        chosen = int(random.choice(classes))
        query, *supports = random.choice(images.by_class[chosen], size=shot + 1, replace=False).tolist()
        episodes.append(Episode(chosen, query, tuple(supports)))
    return episodes


def digest(images: ImageList, episodes: Sequence[Episode]) -> str:
    """Twelve hex digits that stand for these episodes on these images, to be named beside every number."""
    names = [item.image.stem for item in images.items]
    text = json.dumps([(e.novel_class, names[e.query], [names[s] for s in e.supports]) for e in episodes])
    return hashlib.sha256(text.encode()).hexdigest()[:12]

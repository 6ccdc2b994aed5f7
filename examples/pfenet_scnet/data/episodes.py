"""Lists of images, and episodes as a pure function of (list, fold, shot, seed, count)."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.folds import VOC_CLASSES, base_classes, class_names, novel_classes
from data.masks import count_masks


class Item(NamedTuple):
    """An image, its mask, and the number of pixels of each class in it."""

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

    The published rule is 2,048 pixels at VOC's full size; for pictures of at most 320 pixels that is about 840. `split`
    says how the folds divide the classes, see folds.py.
    """

    items: tuple[Item, ...]
    min_pixels: int = 2048
    class_names: tuple[str, ...] = VOC_CLASSES
    split: str = "sequential"

    def novel_classes(self, fold: int) -> list[int]:
        """The classes that `fold` holds out."""
        return novel_classes(fold, len(self.class_names), self.split)

    def base_classes(self, fold: int) -> list[int]:
        """The classes that `fold` trains on."""
        return base_classes(fold, len(self.class_names), self.split)

    @cached_property
    def by_class(self) -> dict[int, list[int]]:
        """The items that show enough of each class to be its query or support."""
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
        base = self.base_classes(fold)
        usable = [item for item in self.items if any(item.pixels.get(c, 0) >= self.min_pixels for c in base)]
        usable = replace(self, items=tuple(usable))
        return usable.without_novel(fold) if novel == "drop" else usable

    def without_novel(self, fold: int) -> "ImageList":
        """Images that show no object of the fold's novel classes, however small."""
        hidden = set(self.novel_classes(fold))
        return replace(self, items=tuple(item for item in self.items if not hidden & item.pixels.keys()))

    def hidden_share(self, fold: int) -> float:
        """Percentage of the images that hold a novel object, unlabelled in training: the paper's Fig. 2."""
        hidden = set(self.novel_classes(fold))
        return 100 * sum(bool(hidden & item.pixels.keys()) for item in self.items) / max(len(self.items), 1)


def read_list(root: str | Path, name: str, min_pixels: int = 2048, split: str = "sequential") -> ImageList:
    """Read `ImageSets/Segmentation/{name}.txt` below `root`, or the file that `name` is the path of.

    A line is either an ID (`2007_000032`) or PFENet's `JPEGImages/ID.jpg SegmentationClassAug/ID.png`.
    """
    root = Path(root)
    path = Path(name) if name.endswith(".txt") else root / "ImageSets" / "Segmentation" / f"{name}.txt"
    if not path.is_file():
        raise FileNotFoundError(f"data: expected a list at {path}, got none; give the folder that holds JPEGImages/")
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"data: expected image names in {path}, got an empty file; write one name a line")
    pairs = [(root / image, root / mask) for image, mask in map(_pair, lines)]
    counts = count_masks(root, [mask for _, mask in pairs])
    items = tuple(Item(image, mask, pixels) for (image, mask), pixels in zip(pairs, counts, strict=True))
    missing = [item.image for item in items if not item.image.is_file()]
    if missing:
        raise FileNotFoundError(
            f"data: expected {missing[0]}, got no such file ({len(missing)} of {len(items)} images are missing); "
            "complete the data set or mend the list"
        )
    return ImageList(items, min_pixels, class_names(root), split)


def _pair(line: list[str]) -> tuple[str, str]:
    if len(line) == 1:
        return f"JPEGImages/{line[0]}.jpg", f"SegmentationClassAug/{line[0]}.png"
    if len(line) != 2:
        raise ValueError(f"data: expected an ID or 'image mask' a line, got {' '.join(line)!r}; mend the list")
    return line[0], line[1]


def sample_episodes(images: ImageList, classes: Sequence[int], shot: int, seed: int, count: int) -> list[Episode]:
    """`count` episodes: a class drawn uniformly, then a query and `shot` other images of it.

    The class is drawn before the images, so that frequent classes do not dominate. A class with too few images for an
    episode raises an error and is never left out in silence.
    """
    if count < 1:
        raise ValueError(f"count: expected at least 1, got {count}; ask for one or more episodes")
    _check_classes(images, classes, shot)
    random = np.random.default_rng([seed, shot])
    pools = {c: np.array(images.by_class[c]) for c in classes}
    episodes: list[Episode] = []
    for _ in range(count):
        chosen = int(random.choice(classes))
        query, *supports = random.choice(pools[chosen], size=shot + 1, replace=False).tolist()
        episodes.append(Episode(chosen, query, tuple(supports)))
    return episodes


def _check_classes(images: ImageList, classes: Sequence[int], shot: int) -> None:
    if shot < 1:
        raise ValueError(f"shot: expected at least 1, got {shot}; ask for one or more supports")
    for c in classes:
        have = len(images.by_class.get(c, []))
        if have <= shot:
            raise ValueError(
                f"class {c} ({images.class_names[c - 1]}): expected at least {shot + 1} images with "
                f"{images.min_pixels} pixels of it, got {have}; lower min_pixels or shot, or add images"
            )


class ImageEpochs(Sequence[Episode]):
    """1-shot training episodes as PFENet draws them: each epoch shows every image once as the query, in a new order.

    The query's class is one of `classes` that it shows, however few pixels it has; the support is another image that
    can serve the class. Frequent classes are drawn more often. An epoch is drawn when its first episode is asked for,
    so that a schedule of millions costs nothing at the start.
    """

    def __init__(self, images: ImageList, classes: Sequence[int], seed: int, count: int) -> None:
        _check_classes(images, classes, 1)
        self.images = images
        self.classes = classes
        self.seed = seed
        self.count = count
        self._drawn: tuple[int, list[Episode]] = (-1, [])

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Episode:
        if not 0 <= index < self.count:
            raise IndexError(index)
        epoch, place = divmod(index, len(self.images.items))
        if epoch != self._drawn[0]:
            self._drawn = (epoch, self._draw(epoch))
        return self._drawn[1][place]

    def _draw(self, epoch: int) -> list[Episode]:
        random = np.random.default_rng([self.seed, 1, epoch])
        return [self._episode(query, random) for query in random.permutation(len(self.images.items)).tolist()]

    def _episode(self, query: int, random: np.random.Generator) -> Episode:
        shown = [c for c in self.classes if c in self.images.items[query].pixels]
        chosen = shown[random.integers(len(shown))]
        pool = self.images.by_class[chosen]
        support = query
        while support == query:
            support = pool[random.integers(len(pool))]
        return Episode(chosen, query, (support,))


def digest(images: ImageList, episodes: Iterable[Episode]) -> str:
    """Twelve hex digits that identify these episodes on these images; every score is reported with them."""
    names = [item.image.stem for item in images.items]
    text = json.dumps([(e.novel_class, names[e.query], [names[s] for s in e.supports]) for e in episodes])
    return hashlib.sha256(text.encode()).hexdigest()[:12]

"""Episodes as a pure function of (list, fold, shot, seed, count)."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from data.image_list import ImageList


class Episode(NamedTuple):
    """One task: segment `novel_class` in the query, given the supports. Integers point into the list."""

    novel_class: int
    query: int
    supports: tuple[int, ...]


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

"""A place with things in it: near ones are large and low in the picture, and hide parts of what is behind them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from data.scenes.places import Place, draw_place
from data.scenes.things import class_names, corners, outline, texture

# Width and height of a drawn scene, in pixels.
SIDE = 256
# Radius of the disc that has a thing's area, in percent of the picture's height.
SMALLEST, LARGEST = 7.5, 24.0
UNLABELLED = 255

_PALETTE = [value for c in range(256) for value in ((c * 67) % 256, (c * 113) % 256, (c * 199) % 256)]
_PALETTE[:3] = [0, 0, 0]


@dataclass(frozen=True)
class _Thing:
    """
    Attributes:
        depth: 0 at the horizon, 1 at the lower edge of the picture.
        middle, radius: in percent of the picture's height.
        stands: on the ground; otherwise it flies, or hangs on the wall.
        corners: (N, 2), see things.py, scaled to the radius.
    """

    label: int
    depth: float
    middle: tuple[float, float]
    radius: float
    stands: bool
    corners: np.ndarray


def draw_scene(
    classes: list[int], random: np.random.Generator, size: tuple[int, int] = (SIDE, SIDE)
) -> tuple[Image.Image, Image.Image]:
    """An image and its palette mask: one object of each class, near ones in front, an unlabelled rim around each.

    Args:
        classes: 1 to 20, see `class_names`.
        random: what is drawn depends on it alone.
        size: width and height in pixels.

    Raises:
        ValueError: a number that is no class, no list, or a seed where its generator is meant.
    """
    _check_drawing(classes, random)
    place = draw_place(random, size)
    mask = Image.new("P", size)
    mask.putpalette(_PALETTE)
    picture = place.picture.copy()
    for thing in sorted(_placed(classes, place, random, size), key=lambda thing: thing.depth):
        picture *= _shade(thing, place, size)[..., None]
        _add(thing, picture, mask, place, random)
    return _lit(picture, place, random), mask


def _check_drawing(classes: Sequence[int], random: np.random.Generator) -> None:
    known = range(1, len(class_names()) + 1)
    if not isinstance(classes, Sequence) or not all(c in known for c in classes):
        raise ValueError(
            f"classes: expected numbers from 1 to {len(known)} in a list, got {classes}; class_names() has them"
        )
    if not isinstance(random, np.random.Generator):
        raise ValueError(f"random: expected a numpy.random.Generator, got {random}; write np.random.default_rng(seed)")


def _placed(classes: list[int], place: Place, random: np.random.Generator, size: tuple[int, int]) -> list[_Thing]:
    """A thing of each class, where it hides little of the others."""
    things: list[_Thing] = []
    for label in classes:
        tries = [_thrown(label, place, random, size) for _ in range(8 if things else 1)]
        things.append(min(tries, key=lambda thing: sum(_overlap(thing, other) for other in things)))
    return things


def _thrown(label: int, place: Place, random: np.random.Generator, size: tuple[int, int]) -> _Thing:
    """A thing anywhere: the nearer, the larger and the lower."""
    radius = SMALLEST * (LARGEST / SMALLEST) ** random.random()
    depth = min(radius / LARGEST * random.uniform(0.85, 1.3), 1.0)
    shape = corners(label, random) * radius
    width = 100 * size[0] / size[1]
    x = random.uniform(0.7 * radius, width - 0.7 * radius)
    stands = radius > 0.3 * place.horizon or random.random() < 0.75
    foot = place.horizon + (98 - place.horizon) * depth
    y = foot - shape[:, 1].max() if stands else random.uniform(1.1 * radius, place.horizon - 1.1 * radius)
    return _Thing(label, depth, (x, y), radius, stands, shape)


def _overlap(one: _Thing, other: _Thing) -> float:
    """How far two things reach into one another, where a fifth of the smaller one is free."""
    apart = np.hypot(one.middle[0] - other.middle[0], one.middle[1] - other.middle[1])
    reach = one.radius + other.radius - 0.2 * min(one.radius, other.radius)
    return max(0.0, float(reach - apart)) / min(one.radius, other.radius)


def _shade(thing: _Thing, place: Place, size: tuple[int, int]) -> np.ndarray:
    """What is left of the light (H, W), 0 to 1, under a thing that stands, or behind one that hangs on a wall."""
    if not (thing.stands or place.wall):
        return np.ones((1, 1), dtype=np.float32)
    width, height = size[0] // 4, size[1] // 4
    layer = Image.new("L", (width, height))
    x, y = thing.middle
    if thing.stands:
        x, foot = x - 0.45 * place.sun * thing.radius, y + thing.corners[:, 1].max() - 0.05 * thing.radius
        edges = (x - 1.1 * thing.radius, foot - 0.22 * thing.radius, x + 1.1 * thing.radius, foot + 0.22 * thing.radius)
        ImageDraw.Draw(layer).ellipse([edge * height / 100 for edge in edges], fill=255)
    else:
        moved = (thing.corners + np.array([x - 1.5 * place.sun, y + 1.5])) * height / 100
        ImageDraw.Draw(layer).polygon([tuple(point) for point in moved.tolist()], fill=255)
    layer = layer.filter(ImageFilter.GaussianBlur(height / 100 * (0.6 + 0.08 * thing.radius))).resize(size)
    return 1 - place.daylight.contrast / 255 * np.asarray(layer, dtype=np.float32)


def _add(thing: _Thing, picture: np.ndarray, mask: Image.Image, place: Place, random: np.random.Generator) -> None:
    """Draw the thing into picture and mask, as far as it lies inside."""
    points = (thing.corners + thing.middle) * mask.height / 100
    left, top = np.maximum(np.floor(points.min(0)) - 2, 0).astype(int).tolist()
    right, bottom = np.minimum(np.ceil(points.max(0)) + 2, mask.size).astype(int).tolist()
    cover = outline(points - (left, top), (right - left, bottom - top))
    coarseness = (thing.radius / 17) ** 0.6 * mask.height / SIDE
    colours = texture(thing.label, cover.size, coarseness, random) * _relief(cover, place)[..., None]
    share = np.asarray(cover, dtype=np.float32)[..., None] / 255
    behind = picture[top:bottom, left:right]
    picture[top:bottom, left:right] = behind + share * (colours - behind)
    inside = cover.point([255 * (value >= 128) for value in range(256)])
    rim = np.asarray(inside.filter(ImageFilter.MaxFilter(3))) != np.asarray(inside.filter(ImageFilter.MinFilter(3)))
    mask.paste(thing.label, (left, top, right, bottom), inside)
    mask.paste(UNLABELLED, (left, top, right, bottom), Image.fromarray(rim.astype(np.uint8) * 255))


def _relief(cover: Image.Image, place: Place) -> np.ndarray:
    """Light on a thing (h, w): brighter towards the sun and above, with a bright and a dark edge."""
    width, height = cover.size
    across = np.linspace(-1, 1, width, dtype=np.float32)[None] * place.sun
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    blurred = np.asarray(cover.filter(ImageFilter.GaussianBlur(1.5)), dtype=np.float32) / 255
    edge = np.roll(blurred, (1, -place.sun), (0, 1)) - np.roll(blurred, (-1, place.sun), (0, 1))
    return 1 + 0.3 * place.daylight.contrast * (across - down) - 0.5 * edge


def _lit(picture: np.ndarray, place: Place, random: np.random.Generator) -> Image.Image:
    """The picture in the light of the day, with an uneven hand and a fine grain."""
    height, width = picture.shape[:2]
    coarse = Image.fromarray(random.standard_normal((height // 20, width // 20), dtype=np.float32))
    light = 1 + 0.02 * np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    lit = picture * np.array(place.daylight.tint, dtype=np.float32)
    lit *= light[..., None]
    lit += 3.5 * random.standard_normal((height, width, 1), dtype=np.float32)
    return Image.fromarray(lit.clip(0, 255, out=lit).astype(np.uint8))

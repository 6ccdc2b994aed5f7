"""The labelled things: twenty classes, each a texture in its own colours and pitch, cut to a shape."""

import colorsys

import numpy as np
from PIL import Image, ImageDraw

from data.folds import FOLDS

CLASSES_A_FOLD = 5
TEXTURES = ("striped", "checked", "dotted", "ringed", "wavy")
SHAPES = ("disc", "square", "triangle", "star", "cross")
# How far a thing that stands may lean, in radians; beside a disc, which looks the same however it is turned.
LEAN = (np.pi, 0.25, 0.2, 0.6, 0.3)
# Of a shape of radius 1 around its middle: the disc's area over its own. All shapes of a size fill as many pixels.
_ARM = 0.36


def class_names() -> list[str]:
    """The classes' names, which say what they look like.

    >>> class_names()[:2]
    ['striped disc 1', 'checked square 2']
    """
    return [f"{TEXTURES[_texture_of(c)]} {SHAPES[_shape_of(c)]} {c}" for c in range(1, FOLDS * CLASSES_A_FOLD + 1)]


def _texture_of(c: int) -> int:
    return (c - 1) % CLASSES_A_FOLD


def _shape_of(c: int) -> int:
    return (_texture_of(c) + (c - 1) // CLASSES_A_FOLD) % CLASSES_A_FOLD


def corners(c: int, random: np.random.Generator) -> np.ndarray:
    """The corners (N, 2) of a thing of class c around its middle, x to the right and y down.

    A thing of any shape has the area of a disc of radius 1.
    """
    shape = _shape_of(c)
    points = _upright(SHAPES[shape])
    turn = random.uniform(-LEAN[shape], LEAN[shape])
    following = np.roll(points, -1, 0)
    area = abs((points[:, 0] * following[:, 1] - points[:, 1] * following[:, 0]).sum()) / 2
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return points @ rotation.T * np.sqrt(np.pi / area)


def _upright(shape: str) -> np.ndarray:
    if shape == "cross":
        quarter = [(_ARM, -1), (_ARM, -_ARM), (1, -_ARM)]
        turned = [(x, y) for x, y in quarter], [(-y, x) for x, y in quarter]
        return np.array([*turned[0], *turned[1], *[(-x, -y) for x, y in turned[0]], *[(-x, -y) for x, y in turned[1]]])
    count, first = {"disc": (48, 0.0), "square": (4, np.pi / 4), "triangle": (3, -np.pi / 2), "star": (10, -np.pi / 2)}[
        shape
    ]
    angles = first + np.arange(count) * 2 * np.pi / count
    radii = np.where(np.arange(count) % 2 == 0, 1.0, 0.48) if shape == "star" else np.ones(count)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)


def outline(points: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """How much of each pixel the polygon covers, 0 to 255."""
    picture = Image.new("L", (3 * size[0], 3 * size[1]))
    ImageDraw.Draw(picture).polygon([(3 * x, 3 * y) for x, y in points.tolist()], fill=255)
    return picture.reduce(3)


def texture(c: int, size: tuple[int, int], coarseness: float, random: np.random.Generator) -> np.ndarray:
    """Stripes, checks, dots, rings or waves (H, W, 3) in the two colours, and at the pitch, of class c.

    Args:
        c: the class.
        size: width and height in pixels.
        coarseness: what the pitch is multiplied by; near things have a coarser one than far ones.
        random: varies angle, pitch and colours a little.
    """
    fold = (c - 1) // CLASSES_A_FOLD
    angle = 0.8 * fold + random.uniform(-0.3, 0.3)
    pitch = (9 + 3 * fold) * random.uniform(0.85, 1.15) * coarseness
    y, x = np.mgrid[: size[1], : size[0]].astype(np.float32) * (2 * np.pi / pitch)
    wave = _wave(TEXTURES[_texture_of(c)], x, y, angle, random)
    hue = (0.618 * c) % 1 + random.uniform(-0.03, 0.03)
    light, dark = (
        np.array(colorsys.hsv_to_rgb((hue + shift) % 1, 0.75, value * random.uniform(0.85, 1.0)), dtype=np.float32)
        for shift, value in ((0, 1.0), (0.4, 0.55))
    )
    blend = (1 / (1 + np.exp(-4 * wave)))[..., None]
    return 255 * (blend * light + (1 - blend) * dark)


def _wave(name: str, x: np.ndarray, y: np.ndarray, angle: float, random: np.random.Generator) -> np.ndarray:
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    centre = random.uniform(0, x.max()), random.uniform(0, y.max())
    if name == "striped":
        return np.sin(u)
    if name == "checked":
        return np.sin(u) * np.sin(v)
    if name == "dotted":
        return np.cos(u) + np.cos(v) - 0.7
    if name == "ringed":
        return np.sin(np.hypot(x - centre[0], y - centre[1]))
    return np.sin(u + 2 * np.sin(v / 2))

"""A picture that is drawn at twice its size and then halved, so that edges are smooth."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[float, float, float]
Point = tuple[float, float]


# Soft things are drawn on a coarser grid, and blurred by so many percent of the height.
_COARSER, _BLUR = 4, 0.9


class Canvas:
    """Lengths are percent of the height: y runs from 0 to 100, and x from 0 to `width`.

    Args:
        size: width and height of the finished picture, in pixels.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.width = 100 * size[0] / size[1]
        self._unit = 2 * size[1] / 100
        self._image = Image.new("RGB", (2 * size[0], 2 * size[1]))
        self._draw = ImageDraw.Draw(self._image)

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        self._draw.polygon([(x * self._unit, y * self._unit) for x, y in points], fill=whole(colour))

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def ellipse(self, x: float, y: float, across: float, down: float, colour: Colour) -> None:
        """An ellipse around (x, y) with the half-axes `across` and `down`."""
        edges = (x - across, y - down, x + across, y + down)
        self._draw.ellipse([edge * self._unit for edge in edges], fill=whole(colour))

    def line(self, points: Sequence[Point], colour: Colour, thickness: float) -> None:
        pixels = max(1, round(thickness * self._unit))
        self._draw.line([(x * self._unit, y * self._unit) for x, y in points], fill=whole(colour), width=pixels)

    def gradient(self, top: float, bottom: float, colours: Sequence[Colour]) -> None:
        """The full width between two heights, from the first colour at the top to the last at the bottom."""
        first, last = round(top * self._unit), round(bottom * self._unit)
        at = np.linspace(0, len(colours) - 1, max(last - first, 1))
        column = np.stack([np.interp(at, range(len(colours)), channel) for channel in zip(*colours, strict=True)], 1)
        strip = Image.fromarray(column[:, None].astype(np.uint8))
        self._image.paste(strip.resize((self._image.width, strip.height)), (0, first))

    def soft(self, ellipses: Sequence[tuple[float, float, float, float]], colour: Colour, strength: float) -> None:
        """Blurred ellipses (x, y, across, down), as clouds are; `strength` up to 1 is how much they cover."""
        scale = self._unit / _COARSER
        xs, ys, across, down = (np.array(values) * scale for values in zip(*ellipses, strict=True))
        margin = 3 * _BLUR * scale
        left, top = int((xs - across).min() - margin), int((ys - down).min() - margin)
        right, bottom = int((xs + across).max() + margin) + 1, int((ys + down).max() + margin) + 1
        layer = Image.new("L", (right - left, bottom - top))
        draw = ImageDraw.Draw(layer)
        for x, y, half, tall in zip(
            (xs - left).tolist(), (ys - top).tolist(), across.tolist(), down.tolist(), strict=True
        ):
            draw.ellipse((x - half, y - tall, x + half, y + tall), fill=round(255 * strength))
        layer = layer.filter(ImageFilter.GaussianBlur(_BLUR * scale))
        layer = layer.resize((_COARSER * layer.width, _COARSER * layer.height), Image.Resampling.BILINEAR)
        corner = (_COARSER * left, _COARSER * top)
        self._image.paste(whole(colour), (*corner, corner[0] + layer.width, corner[1] + layer.height), layer)

    def finished(self) -> np.ndarray:
        """The picture (H, W, 3), float32 from 0 to 255."""
        return np.asarray(self._image.reduce(2), dtype=np.float32)


def whole(colour: Colour) -> tuple[int, int, int]:
    red, green, blue = (min(max(round(value), 0), 255) for value in colour)
    return red, green, blue


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """The first colour with a share of the other.

    >>> mixed((0, 0, 0), (100, 200, 50), 0.5)
    (50.0, 100.0, 25.0)
    """
    red, green, blue = ((1 - share) * a + share * b for a, b in zip(one, other, strict=True))
    return red, green, blue


def varied(colour: Colour, random: np.random.Generator, amount: float = 10) -> Colour:
    """A colour near another one: lighter or darker, and a little redder, greener or bluer."""
    red, green, blue = (np.array(colour) + random.normal(0, amount) + random.normal(0, amount / 3, 3)).tolist()
    return red, green, blue

"""Colours and dashes of the runs: the library's palette, made dark or light enough for each background."""

from typing import NamedTuple

from selfcontrast.visualize import COLOURS

LIGHT, DARK = (255, 255, 255), (20, 23, 28)
# WCAG asks 3 of lines and bars; thin lines are seen better at 4.5, which it asks of letters.
LEAST_CONTRAST = 4.5
# The first colour is the foreground's in every picture.
FREE = COLOURS[1:]
DASHES = ("none", "7 3", "2 3", "9 3 2 3", "12 4", "4 2 1 2")

Colour = tuple[int, int, int]


class Series(NamedTuple):
    """How a run is drawn: in colours for a light and a dark page, and in a dash that needs no colour."""

    light: str
    dark: str
    dash: str


def series(place: int) -> Series:
    """The look of the run at a place; colours begin again after the last, and dashes one later."""
    colour = FREE[place % len(FREE)]
    return Series(_css(readable(colour, LIGHT)), _css(readable(colour, DARK)), DASHES[place % len(DASHES)])


def readable(colour: Colour, background: Colour) -> Colour:
    """The colour, moved towards black or white until it can be told from the background.

    >>> readable((0, 0, 0), (255, 255, 255)), readable((255, 255, 0), (255, 255, 255))[2]
    ((0, 0, 0), 0)
    """
    end = 0 if luminance(background) > 0.5 else 255
    for step in range(101):
        moved = tuple(round(one + (end - one) * step / 100) for one in colour)
        if contrast(moved, background) >= LEAST_CONTRAST:
            return moved
    return (end, end, end)


def contrast(one: Colour, other: Colour) -> float:
    """WCAG's contrast, 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: Colour) -> float:
    """WCAG's relative luminance, 0 to 1."""
    parts = [one / 255 for one in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _css(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)

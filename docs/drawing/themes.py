"""The two looks of a picture in the README: on a light page and on a dark one; and how a figure becomes a small PNG.

Lengths are CSS pixels: a figure is saved at twice its size, for sharp letters on any screen.
"""

from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib import pyplot
from matplotlib.figure import Figure
from PIL import Image
from runtime.atomic_files import write_atomically

from selfcontrast.visualize import COLOUR_NAMES, COLOURS

matplotlib.use("Agg")

# One CSS pixel is 1/100 inch in matplotlib's measure, and its letters are measured in points.
PIXEL, POINTS = 1 / 100, 0.72
SHARPNESS = 2
# The place in the palette that is the page's own.
LAST = 255


class Theme(NamedTuple):
    """Colours of the page, its letters, its quieter letters, and of the chart's two series."""

    name: str
    page: str
    ink: str
    quiet: str
    first: str
    second: str


def _hex(name: str) -> str:
    return "#{:02x}{:02x}{:02x}".format(*COLOURS[COLOUR_NAMES.index(name)])


# Backgrounds and letters are those of GitHub's own pages.
THEMES = (
    Theme("light", "#ffffff", "#1f2328", "#59636e", _hex("blue"), _hex("vermilion")),
    Theme("dark", "#0d1117", "#f0f6fc", "#9198a1", _hex("sky blue"), "#ff9a4d"),
)


def new_figure(width: float, height: float, theme: Theme) -> Figure:
    """An empty figure of that many CSS pixels."""
    return pyplot.figure(figsize=(width * PIXEL, height * PIXEL), facecolor=theme.page)


def write(figure: Figure, path: Path) -> None:
    """Save a figure as a PNG of 256 colours, a third of the size of one with all, and close it.

    The page's colour, which is the figure's, stays exactly what it is, so that no edge is seen.
    """
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=SHARPNESS / PIXEL)
    page = [round(255 * value) for value in figure.get_facecolor()[:3]]
    pyplot.close(figure)
    picture = Image.open(drawn).convert("RGB")
    # Only a palette that is given is dithered, which keeps a photograph's shades.
    palette = picture.quantize(LAST, method=Image.Quantize.MEDIANCUT)
    places = np.asarray(picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG))
    places = np.where((np.asarray(picture) == page).all(2), LAST, places).astype(np.uint8)
    few = Image.fromarray(places, "P")
    few.putpalette([*(palette.getpalette() or [])[: 3 * LAST], *page])
    write_atomically(path, lambda file: few.save(file, format="PNG", optimize=True))

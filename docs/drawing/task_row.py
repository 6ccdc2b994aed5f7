"""The task as a row of six pictures with captions and arrows; on a narrow screen as three rows of two."""

from pathlib import Path
from textwrap import fill
from typing import NamedTuple

import numpy as np
from drawing.themes import POINTS, Theme, new_figure, write
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from torch import Tensor
from torch.nn.functional import interpolate

from selfcontrast import SelfContrast, show_contrast

# Each picture of the row, what it shows, and where the paper has it.
STEPS = (
    ("Query", "its object outlined", ""),
    ("Regions", "clusters of deep features", "Eq. 4"),
    ("Minus foreground", "background only", "Eq. 5"),
    ("Prototype map", "each region's mean; dots: a random one", "Eq. 6 and 7"),
    ("Logits", "of the second pass; yellow: a match", "Eq. 8"),
    ("Target", "1 − mask; striped: not counted", "Eq. 9"),
)
TITLE, EDGE, SPACE = 24, 2, 5


class Layout(NamedTuple):
    """Lengths in CSS pixels: of the figure, the gap for an arrow, the letters, and what is left for a caption.

    `characters` go into a line of a caption; `numbered` pictures have their place before their title.
    """

    name: str
    columns: int
    width: float
    gap: float
    letters: float
    caption: float
    characters: int
    numbered: bool


LAYOUTS = (Layout("", 6, 800, 17, 12.5, 54, 19, False), Layout("-narrow", 2, 390, 26, 15, 68, 24, True))


def draw_task(image: Tensor, mask: Tensor, contrast: SelfContrast, theme: Theme, out: Path) -> None:
    """Write `task-THEME.png` and `task-narrow-THEME.png`.

    Args:
        image, mask, contrast: as `show_contrast` takes them.
        theme: of the page.
        out: the folder.
    """
    # Drawn at twice the size, so that lines and dots are fine.
    larger = interpolate(image[None].float(), scale_factor=2, mode="bicubic").clamp(0, 255).round().byte()[0]
    row = show_contrast(larger, mask, contrast).permute(1, 2, 0).numpy()
    width = larger.shape[2]
    step = (row.shape[1] - width) // (len(STEPS) - 1)
    pictures = [row[:, place * step : place * step + width] for place in range(len(STEPS))]
    for layout in LAYOUTS:
        write(_figure(pictures, theme, layout), out / f"task{layout.name}-{theme.name}.png")


def _figure(pictures: list[np.ndarray], theme: Theme, layout: Layout) -> Figure:
    width = (layout.width - 2 * EDGE - (layout.columns - 1) * layout.gap) / layout.columns
    height = width * pictures[0].shape[0] / pictures[0].shape[1]
    tall = len(pictures) // layout.columns * (TITLE + height + layout.caption)
    figure = new_figure(layout.width, tall, theme)
    for place, picture in enumerate(pictures):
        row, column = divmod(place, layout.columns)
        left, top = EDGE + column * (width + layout.gap), TITLE + row * (TITLE + height + layout.caption)
        axes = figure.add_axes((left / layout.width, 1 - (top + height) / tall, width / layout.width, height / tall))
        axes.imshow(picture, interpolation="antialiased", aspect="auto")
        axes.set_axis_off()
        _write_words(figure, place, (left + width / 2) / layout.width, top / tall, (top + height) / tall, theme, layout)
        if column + 1 < layout.columns:
            right = left + width
            _arrow(figure, place, right / layout.width, 1 - (top + height / 2) / tall, theme, layout)
    return figure


def _write_words(
    figure: Figure, place: int, middle: float, top: float, bottom: float, theme: Theme, layout: Layout
) -> None:
    """Title above a picture, caption below it."""
    title, shown, equation = STEPS[place]
    title = f"{place + 1} {title}" if layout.numbered else title
    lines = f"{fill(shown, layout.characters)}\n{equation}"
    letters, space = layout.letters * POINTS, SPACE / figure.get_figheight() / 100
    figure.text(middle, 1 - top + space, title, size=letters, color=theme.ink, weight="bold", ha="center", va="bottom")
    figure.text(middle, 1 - bottom - space, lines, size=letters * 0.94, color=theme.quiet, ha="center", va="top")


def _arrow(figure: Figure, place: int, left: float, middle: float, theme: Theme, layout: Layout) -> None:
    """From a picture to the next; the loss L2 lies between the last two."""
    last, margin, right = place == len(STEPS) - 2, 2 / layout.width, left + layout.gap / layout.width
    ends = ((left + margin, middle), (right - margin, middle))
    style = "<|-|>" if last else "-|>"
    arrow = FancyArrowPatch(
        *ends, arrowstyle=style, mutation_scale=7, linewidth=1.1, color=theme.ink, shrinkA=0, shrinkB=0
    )
    figure.add_artist(arrow)
    if last:
        above = middle + SPACE / figure.get_figheight() / 100
        figure.text((left + right) / 2, above, "L2", size=layout.letters * POINTS * 0.85, color=theme.ink, ha="center")

"""Pictures of a run: learning curves, and a sheet of episodes with what each model finds."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from textwrap import fill

import matplotlib
from data.episodes import Episode
from data.image_list import ImageList
from evaluation.evaluator import episodes_of
from matplotlib import pyplot
from matplotlib.axes import Axes
from model.pfenet import PFENet
from recipe import Recipe
from run_folder.rows import read_rows
from runtime.atomic_files import write_picture_atomically
from torch import Tensor

from reporting.episode_pictures import EpisodePictures, episode_pictures, region_pictures

matplotlib.use("Agg")

ROWS = 6
# At this width and 100 dots an inch the sheet has 1,000 pixels, and its letters can be read.
WIDTH_INCHES = 10
TITLE_LETTERS = 16
GREY = "#555555"
# A $ in the name of a class or folder is a $, and no formula.
pyplot.rcParams["text.parse_math"] = False


def draw_curves(run: Path) -> None:
    """`curves.png`: both losses over the steps, from metrics.jsonl."""
    rows = read_rows(run / "metrics.jsonl")
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for key, label in (("main_loss", "L1, support to query"), ("contrast_loss", "L2, self-contrastive")):
        points = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
        if points:
            axes.plot(*zip(*points, strict=True), label=label)
    axes.set(xlabel="step", ylabel="loss", title=run.name)
    axes.legend()
    write_picture_atomically(run / "curves.png", partial(figure.savefig, dpi=110))
    pyplot.close(figure)


def draw_sheet(path: Path, models: dict[str, PFENet], recipe: Recipe, images: ImageList, heading: str = "") -> None:
    """A sheet of the evaluation's episodes, a column for each model in `models`."""
    shown = spread_over_classes(episodes_of(recipe, images), ROWS)
    draw_episodes(path, models, recipe, images, shown, heading=heading)


def spread_over_classes(episodes: Sequence[Episode], count: int) -> list[Episode]:
    """Some episodes, chosen without a look at any score: the first of each class, then the second, and so on.

    >>> [(e.novel_class, e.query) for e in spread_over_classes([Episode(2, 0, (1,)), Episode(2, 3, (1,)),
    ...  Episode(2, 4, (1,)), Episode(1, 5, (6,))], 3)]
    [(1, 5), (2, 0), (2, 3)]
    """
    place: dict[int, int] = {}
    turns = []
    for index, episode in enumerate(episodes):
        place[episode.novel_class] = place.get(episode.novel_class, -1) + 1
        turns.append((place[episode.novel_class], episode.novel_class, index))
    chosen = [episodes[index] for *_, index in sorted(turns)[:count]]
    return sorted(chosen, key=lambda episode: episode.novel_class)


def draw_episodes(
    path: Path,
    models: dict[str, PFENet],
    recipe: Recipe,
    images: ImageList,
    shown: Sequence[Episode],
    notes: Sequence[str] | None = None,
    heading: str = "",
) -> None:
    """Draw a row for each episode, its class or a note of your own under its support; regions are the last model's."""
    rows = episode_pictures(models, recipe, images, shown)
    regions = region_pictures(list(models.values())[-1], recipe, images, shown)
    columns = ["support", "query", "truth", "regions", *models]
    heights = [_height(row, WIDTH_INCHES / len(columns)) for row in rows]
    figure, grid = pyplot.subplots(
        len(rows),
        len(columns),
        figsize=(WIDTH_INCHES, sum(heights) + 1.0),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0.01)
    for axes, title in zip(grid[0], columns, strict=True):
        axes.set_title(fill(title, TITLE_LETTERS), fontsize=11, fontweight="bold")
    for axes, row, parts, note in zip(grid, rows, regions, notes or [row.class_name for row in rows], strict=True):
        _draw_row(axes, row, parts, note)
    if heading:
        figure.suptitle(heading, fontsize=10)
    figure.supxlabel(
        "White line: the mask of the class. Coloured: the truth, the regions of background, what each model calls "
        "foreground. Striped: not labelled. IoU in percent.",
        fontsize=8,
        color=GREY,
    )
    # To compress photographs further takes long and saves little.
    write_picture_atomically(path, partial(figure.savefig, dpi=150, pil_kwargs={"compress_level": 4}))
    pyplot.close(figure)


def _height(row: EpisodePictures, width: float) -> float:
    """Of a row with its captions, in inches; a tall picture is drawn narrower than its column."""
    tallest = max(picture.shape[1] / picture.shape[2] for picture in (row.support, row.query))
    return width * min(tallest, 1.0) + 0.19


def _draw_row(axes: Sequence[Axes], row: EpisodePictures, regions: Tensor, note: str) -> None:
    support = note if row.shots == 1 else f"{note}, 1 of {row.shots}"
    scores = sorted(one or 0.0 for one in row.iou.values())
    # Of two equal models none is the better one.
    best = scores[-1] if len(scores) > 1 and round(scores[-1]) > round(scores[-2]) else None
    _draw(axes[0], row.support, support)
    for one, picture in zip(axes[1:4], (row.query, row.truth, regions), strict=True):
        _draw(one, picture)
    for one, (name, picture) in zip(axes[4:], row.predictions.items(), strict=True):
        iou = row.iou[name]
        words = "nothing to find" if iou is None else f"IoU {iou:.0f}"
        _draw(one, picture, words, best is not None and iou == best)


def _draw(axes: Axes, picture: Tensor, caption: str = "", bold: bool = False) -> None:
    axes.imshow(picture.permute(1, 2, 0).numpy(), interpolation="antialiased")
    axes.set(xticks=[], yticks=[], anchor="N")
    axes.spines[:].set_visible(False)
    axes.set_xlabel(caption, fontsize=10, labelpad=2, fontweight="bold" if bold else "normal")

"""What was measured, as a chart: SCNet minus the baseline over the length of training, with 95 % intervals."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from drawing.themes import POINTS, Theme, new_figure, write
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH, HEIGHT = 480, 368
LETTERS = 14 * POINTS
USUAL_STEPS = 800
TITLE = "SCNet's gain fades with longer training, and a\nbaseline with as many passes does as well or better"


class Comparison(NamedTuple):
    """A difference in the results: of which study, arm and baseline; None where none was run."""

    times: int
    study: str
    arm: str
    against: str


# The same steps: SCNet then passes through the comparison twice as often as the baseline.
AS_MANY_STEPS = (
    Comparison(1, "main", "SCNet", "PFENet"),
    Comparison(2, "longer", "SCNet, 1600 steps", "PFENet, 1600 steps"),
    Comparison(4, "longer", "SCNet, 3200 steps", "PFENet, 3200 steps"),
    Comparison(8, "longest", "SCNet, 6400 steps", "PFENet, 6400 steps"),
)
# As many passes: the baseline takes twice the steps.
AS_MANY_PASSES = (
    Comparison(1, "longer", "SCNet, 800 steps of two passes", "PFENet, 1600 steps"),
    Comparison(2, "longer", "SCNet, 1600 steps of two passes", "PFENet, 3200 steps"),
    Comparison(4, "longest", "SCNet, 3200 steps of two passes", "PFENet, 6400 steps"),
)
Gains = dict[str, list[dict[str, Any]]]


def measured_gains(results: Path) -> Gains:
    """Both series from the committed results: 1-shot mIoU on novel classes, in points, mean over four folds.

    Raises:
        ValueError: a comparison is not in the results.
    """
    return {
        "as many steps": [_measured(results, one) for one in AS_MANY_STEPS],
        "as many passes": [_measured(results, one) for one in AS_MANY_PASSES],
    }


def _measured(results: Path, comparison: Comparison) -> dict[str, Any]:
    study = json.loads((results / f"{comparison.study}.json").read_text())
    wanted = (comparison.arm, comparison.against, "1", "miou")
    found = [row for row in study["gains"] if (row["arm"], row["against"], row["shot"], row["measure"]) == wanted]
    if len(found) != 1:
        raise ValueError(f"results: expected one gain {wanted} in {comparison.study}.json, got {len(found)}")
    numbers = {name: round(found[0]["all"][name], 2) for name in ("mean", "low", "high")}
    return comparison._asdict() | numbers | {"pairs": found[0]["all"]["pairs"], "seeds": len(study["seeds"])}


def draw_gains(gains: Gains, theme: Theme, out: Path) -> None:
    """Write `gains-THEME.png`."""
    write(gains_figure(gains, theme), out / f"gains-{theme.name}.png")


def gains_figure(gains: Gains, theme: Theme) -> Figure:
    """A point for each comparison with its interval, the two series side by side."""
    figure = new_figure(WIDTH, HEIGHT, theme)
    figure.text(12 / WIDTH, 1 - 10 / HEIGHT, TITLE, size=LETTERS * 1.03, weight="bold", color=theme.ink, va="top")
    axes = figure.add_axes((62 / WIDTH, 92 / HEIGHT, (WIDTH - 74) / WIDTH, (HEIGHT - 190) / HEIGHT), facecolor="none")
    _series(axes, gains["as many steps"], -0.13, "o", theme.first, theme.page)
    _series(axes, gains["as many passes"], 0.13, "D", theme.second, theme.page)
    axes.text(3.26, -0.5, "not run", color=theme.second, size=LETTERS * 0.85, ha="center", va="center")
    _frame(axes, gains["as many steps"], theme)
    _legend(axes, theme)
    seeds = ", ".join(str(row["seeds"]) for row in gains["as many steps"])
    below = f"Photographs, 1-shot, mean of 4 folds; {seeds} seeds; bars: 95 % intervals"
    figure.text(12 / WIDTH, 10 / HEIGHT, below, size=LETTERS * 0.86, color=theme.quiet)
    return figure


def _series(axes: Axes, rows: list[dict[str, Any]], shift: float, marker: str, colour: str, page: str) -> None:
    for place, row in enumerate(rows):
        axes.vlines(place + shift, row["low"], row["high"], color=colour, linewidth=2.2)
        axes.plot(place + shift, row["mean"], marker, color=colour, markersize=7.5)
        side, align = (-0.1, "right") if shift < 0 else (0.1, "left")
        # A true minus sign is as wide as the plus.
        figure = f"{row['mean']:+.1f}".replace("-", "−")
        behind = {"facecolor": page, "edgecolor": "none", "pad": 0.5}
        at = (place + shift + side, row["mean"])
        axes.text(*at, figure, color=colour, size=LETTERS, ha=align, va="center", bbox=behind)


def _frame(axes: Axes, rows: list[dict[str, Any]], theme: Theme) -> None:
    axes.axhline(0, color=theme.quiet, linewidth=1)
    labels = [f"{row['times']}×\n{row['times'] * USUAL_STEPS:,}" for row in rows]
    axes.set_xticks(range(len(rows)), labels)
    axes.set_yticks([-2, 0, 2], ["−2", "0", "+2"])
    axes.set(xlim=(-0.55, 3.55), ylim=(-2.6, 3.2))
    axes.tick_params(colors=theme.ink, labelsize=LETTERS, length=0, pad=6)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("length of training, in steps of SCNet", color=theme.ink, size=LETTERS)
    axes.set_ylabel("points of mIoU", color=theme.ink, size=LETTERS)


def _legend(axes: Axes, theme: Theme) -> None:
    """Above the plot, each in the colour of its series."""
    lines = (
        ("o", theme.first, "SCNet − baseline, as many steps"),
        ("D", theme.second, "SCNet − baseline, as many comparison passes"),
    )
    for place, (marker, colour, words) in enumerate(lines):
        height = 1.2 - 0.125 * place
        axes.plot(-0.105, height, marker, color=colour, markersize=7.5, transform=axes.transAxes, clip_on=False)
        axes.text(-0.07, height, words, color=colour, size=LETTERS, va="center", transform=axes.transAxes)

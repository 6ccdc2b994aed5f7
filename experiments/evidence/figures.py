"""Gains as figures: ours with their intervals, and the paper's beside them where it prints the same arms."""

from math import nan
from pathlib import Path
from typing import Any

import matplotlib
from grid.study import FOLDS
from matplotlib import pyplot
from matplotlib.axes import Axes
from runtime.atomic_files import write_atomically

matplotlib.use("Agg")
Row = dict[str, Any]


def draw_gains(report: Row, path: Path) -> None:
    """One panel for each number of shots, then the paper's: a point an arm, small ones its folds."""
    rows = [row for row in report["gains"] if row["measure"] == "miou"]
    shots = list(dict.fromkeys(row["shot"] for row in rows))
    papers = [row for row in report["paper"] if row["gain"] is not None]
    panels = len(shots) + bool(papers)
    figure, grid = pyplot.subplots(1, panels, figsize=(5 * panels, 4), squeeze=False, layout="constrained")
    for axes, shot in zip(grid[0], shots, strict=False):
        own = [row for row in rows if row["shot"] == shot]
        _ours(axes, own, f"ours, {shot}-shot")
        _join(axes, [row["all"]["mean"] if row["arm"] in report["curve"] else nan for row in own])
    if papers:
        _panel(grid[0, -1], [row["arm"] for row in papers], "the paper, ResNet-50, 1-shot")
        _points(grid[0, -1], [row["gain"] for row in papers], [row["fold_gains"] for row in papers])
        _join(grid[0, -1], [row["gain"] for row in papers])
    if report["missing"]:
        figure.suptitle(f"incomplete: {report['cells']} of {report['wanted']} cells; arms may stand on unlike folds")
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=110))
    pyplot.close(figure)


def _ours(axes: Axes, rows: list[Row], title: str) -> None:
    _panel(axes, [row["arm"] for row in rows], title)
    _points(
        axes,
        [row["all"]["mean"] for row in rows],
        [[row["folds"][str(fold)]["mean"] for fold in FOLDS if str(fold) in row["folds"]] for row in rows],
    )
    for place, row in enumerate(rows):
        if row["all"]["low"] is not None:
            axes.vlines(place, row["all"]["low"], row["all"]["high"], color="black")


def _panel(axes: Axes, arms: list[str], title: str) -> None:
    axes.axhline(0, color="grey", linewidth=0.8)
    axes.set_xticks(range(len(arms)), arms, rotation=30, ha="right")
    axes.set(title=title, ylabel="gain in mIoU, points")


def _points(axes: Axes, means: list[float], folds: list[list[float]]) -> None:
    for place, values in enumerate(folds):
        axes.plot([place] * len(values), values, ".", color="tab:blue", alpha=0.5)
    axes.plot(range(len(means)), means, "o", color="black")


def _join(axes: Axes, means: list[float]) -> None:
    """A line through the arms that are a curve, and a gap at each other one."""
    axes.plot(range(len(means)), means, "-", color="black")

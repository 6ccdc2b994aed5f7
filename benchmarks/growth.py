"""How does the clustering's time grow with its input: is it linear in each dimension?

SELFCONTRAST_VOC=DIR python benchmarks/growth.py     # two minutes on two cores

One dimension at a time varies around B = 4, 30 x 30 pixels, 512 channels, n = 3, 10 iterations: images, pixels,
channels, clusters, iterations. The first three also vary around the paper's 60 x 60 pixels and 2048 channels. Features
are cut from those of the ResNet-50 layout with random weights. Rounds go through all points in turn. The slope is that
of a straight line through the logarithms of the medians: 1 is linear growth, and less means that a part of the time is
fixed. The slope over the upper half of the points shows the growth at larger inputs.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import matplotlib
import numpy as np
from common.measure import Row, command, digits, interleave, machine, publish, publish_picture, spread, use_threads
from common.peers import SEED, initial_centres
from common.photographs import high_level_features
from jsonargparse import auto_cli
from matplotlib.figure import Figure
from torch import Tensor

from selfcontrast import cosine_kmeans

matplotlib.use("Agg")


@dataclass(frozen=True)
class Point:
    """The input of one clustering; `side` is the side of the square grid."""

    images: int = 4
    side: int = 30
    channels: int = 512
    clusters: int = 3
    iterations: int = 10


SMALL, PAPER = "30 x 30 x 512", "60 x 60 x 2048"
AROUND = {SMALL: Point(), PAPER: Point(side=60, channels=2048)}
VARIED: dict[str, dict[str, tuple[int, ...]]] = {
    SMALL: {
        "images": (1, 2, 4, 8),
        "side": (15, 20, 30, 40, 60),
        "channels": (128, 256, 512, 1024, 2048),
        "clusters": (2, 3, 5, 8, 12),
        "iterations": (1, 2, 5, 10, 20, 40),
    },
    PAPER: {"images": (1, 2, 4, 8), "side": (15, 30, 40, 60), "channels": (256, 512, 1024, 2048)},
}
# A slope within this distance of 1 is called linear.
TOLERANCE = 0.1


def clustering(features: Tensor, point: Point) -> Callable[[], Tensor]:
    """The call at a point: on a cut of the features, from initial centres made in advance."""
    cut = features[: point.images, : point.channels, : point.side, : point.side].contiguous()
    init = initial_centres(cut, point.clusters)
    return partial(cosine_kmeans, cut, point.clusters, iterations=point.iterations, init=init)


def named(dimension: str) -> str:
    """The name of a dimension in the results: the side becomes its square's pixels."""
    return "pixels" if dimension == "side" else dimension


def amount(dimension: str, value: int) -> int:
    """The value on the horizontal axis."""
    return value * value if dimension == "side" else value


def slope(amounts: list[int], seconds: list[float]) -> float:
    """The slope of a straight line through the logarithms."""
    return float(np.polyfit(np.log(amounts), np.log(seconds), 1)[0])


def conclusion(rows: list[Row]) -> dict[str, Any]:
    """The slopes of one dimension, over all its points and over the upper half."""
    amounts, seconds = [row["amount"] for row in rows], [row["median"] for row in rows]
    upper = len(rows) // 2
    whole, late = slope(amounts, seconds), slope(amounts[upper - 1 :], seconds[upper - 1 :])
    return {"slope": digits(whole), "slope_of_the_upper_half": digits(late), "growth": called(late)}


def called(late: float) -> str:
    """The growth of a slope in words."""
    if abs(late - 1) <= TOLERANCE:
        return "linear"
    return "less than linear" if late < 1 else "more than linear"


def draw(rows: list[Row], slopes: dict[str, dict[str, Any]]) -> Figure:
    """One logarithmic plot for each dimension, with bars from the fastest to the slowest round."""
    dimensions = [named(dimension) for dimension in VARIED[SMALL]]
    figure = Figure(figsize=(12, 7), layout="constrained")
    grid = figure.subplots(2, 3, sharey=True).flatten()
    for axes, dimension in zip(grid, dimensions, strict=False):
        for arm in AROUND:
            shown = [row for row in rows if (row["arm"], row["varied"]) == (arm, dimension)]
            if shown:
                x, y, low, high = ([row[key] for row in shown] for key in ("amount", "median", "min", "max"))
                bars = [np.subtract(y, low), np.subtract(high, y)]
                label = f"{arm}: slope {slopes[f'{dimension}, {arm}']['slope']:.2f}"
                axes.errorbar(x, y, yerr=bars, marker="o", capsize=3, label=label)
        amounts = sorted({row["amount"] for row in rows if row["varied"] == dimension})
        axes.set(xscale="log", yscale="log", xlabel=dimension, ylabel="seconds a call")
        axes.set_xticks(amounts, [str(amount) for amount in amounts])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left")
    for axes in grid[len(dimensions) :]:
        axes.remove()
    return figure


def main(rounds: int = 7, threads: int | None = None) -> None:
    """Measure, print, draw and write results/growth.json and growth.png.

    Args:
        rounds: of every point.
        threads: by default all cores.
    """
    use_threads(threads)
    features = high_level_features("resnet50", 8, 473)
    places = [
        (arm, dimension, value)
        for arm, varied in VARIED.items()
        for dimension, values in varied.items()
        for value in values
    ]
    points = {place: replace(AROUND[place[0]], **{place[1]: place[2]}) for place in places}
    calls = {str(place): clustering(features, point) for place, point in points.items()}
    timed = interleave(calls, rounds)
    rows = [
        {
            "arm": place[0],
            "varied": named(place[1]),
            "amount": amount(*place[1:]),
            "measure": "seconds",
            **spread(timed[str(place)].seconds),
        }
        for place in places
    ]
    slopes = {
        f"{named(dimension)}, {arm}": conclusion(
            [row for row in rows if (row["arm"], row["varied"]) == (arm, named(dimension))]
        )
        for arm, varied in VARIED.items()
        for dimension in varied
    }
    publish_picture("growth", draw(rows, slopes))
    report = {
        "question": "How does the clustering's time grow with its input?",
        "command": command(),
        "seed": SEED,
        "settings": {arm: vars(point) for arm, point in AROUND.items()},
        "units": {"seconds": "s"},
        "rows": rows,
        "summary": slopes,
        "environment": machine(),
    }
    publish("growth", report, ("arm", "varied", "amount", "median", "min", "max", "rounds"))


if __name__ == "__main__":
    auto_cli(main)

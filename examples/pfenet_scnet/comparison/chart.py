"""A chart of the seeds: each pair's difference, their mean and its interval."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import matplotlib
from matplotlib import pyplot
from runtime.atomic_files import write_picture_atomically

from comparison.summary import MEASURES, Compared, differences

matplotlib.use("Agg")

# Two of Okabe and Ito's colours, which colour-blind readers tell apart.
PAIR, MEAN = "#0072B2", "#D55E00"


def draw_seeds(path: Path, pairs: Sequence[Compared]) -> None:
    """A row for each seed and one for the mean, a panel for each measure."""
    figure, panels = pyplot.subplots(
        1, len(MEASURES), figsize=(7, 1.1 + 0.28 * (len(pairs) + 1)), sharey=True, layout="constrained"
    )
    places = range(len(pairs), 0, -1)
    for axes, (measure, interval) in zip(panels, differences(pairs).items(), strict=True):
        axes.axvline(0, color="grey", linewidth=1)
        axes.plot([pair.difference(measure) for pair in pairs], places, "o", color=PAIR)
        axes.plot([interval.low, interval.high], [0, 0], color=MEAN, linewidth=3, solid_capstyle="butt")
        axes.plot(interval.mean, 0, "D", color=MEAN)
        axes.set(xlabel=f"{MEASURES[measure]}, SCNet minus baseline, points")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks([*places, 0], [*(f"seed {pair.seed}" for pair in pairs), "mean, 95 %"])
    write_picture_atomically(path, partial(figure.savefig, dpi=150))
    pyplot.close(figure)

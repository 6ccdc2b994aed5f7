"""What the yardstick says of a study, in markdown, and as a figure of curves and of answers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from evaluation.margin_counts import OFFSETS
from grid.study import FOLDS
from matplotlib import pyplot
from matplotlib.axes import Axes
from running.answers import PROTOTYPES
from runtime.atomic_files import write_atomically

from evidence.page_tables import NOT_RUN, gain_cells, score_cells, table

matplotlib.use("Agg")
Row = dict[str, Any]


def yardstick_block(report: Row, picture: str | None) -> str:
    """The tables of `measured_again`."""
    if not report["read"]:
        return NOT_RUN
    parts = [
        f"{report['read']} of {report['wanted']} cells were read, on {report['judged']} classes.",
        _scores(report["scores"]),
        _gains(report["gains"]),
        _answers(report["answers"]),
        f"![the yardstick]({picture})" if picture else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _scores(rows: Sequence[Row]) -> str:
    header = ["measure", "arm", *(f"fold {fold}" for fold in FOLDS), "mean of the folds"]
    return table(header, [[row["measure"], row["arm"], *score_cells(row)] for row in rows])


def _gains(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    header = ["difference", "measure", *(f"fold {fold}" for fold in FOLDS), "over the folds", "above 0"]
    return table(header, [[f"{row['arm']} − {row['against']}", row["measure"], *gain_cells(row)] for row in rows])


def _answers(arms: dict[str, dict[str, dict[str, float | None]]]) -> str:
    """Background / foreground, as mean probabilities of foreground."""
    if not arms:
        return ""
    header = ["mean answer at background / foreground", *PROTOTYPES]
    return table(
        header,
        [
            [arm, *(" / ".join(_share(found[kind][place]) for place in ("background", "foreground")) for kind in found)]
            for arm, found in arms.items()
        ],
    )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def draw_yardstick(report: Row, path: Path) -> None:
    """The mIoU over offsets with the own support and with another class's; and the answers, an arm a column."""
    figure, (curves, answers) = pyplot.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
    for place, (arm, kinds) in enumerate(report["curves"].items()):
        colour = f"C{place % 10}"
        curves.plot(OFFSETS, kinds["own"], color=colour, label=arm)
        if "other_class" in kinds:
            curves.plot(OFFSETS, kinds["other_class"], color=colour, linestyle="--")
    curves.axvline(0, color="grey", linewidth=0.8)
    curves.set(xlabel="offset of the logit's margin", ylabel="mIoU, %", title="own support; dashed: another class's")
    curves.legend(fontsize="small")
    _draw_answers(answers, report["answers"])
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=110))
    pyplot.close(figure)


def _draw_answers(axes: Axes, arms: dict[str, dict[str, dict[str, float | None]]]) -> None:
    rows = [
        (kind, place)
        for kind in PROTOTYPES
        for place in ("background", "foreground")
        if any(found[kind][place] is not None for found in arms.values())
    ]
    if not rows:
        axes.set_axis_off()
        return
    values = [[found[kind][place] or 0.0 for found in arms.values()] for kind, place in rows]
    axes.imshow(values, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    axes.set_xticks(range(len(arms)), list(arms), rotation=30, ha="right")
    axes.set_yticks(range(len(rows)), [f"{kind}, at {place}" for kind, place in rows])
    for row, line in enumerate(values):
        for column, value in enumerate(line):
            colour = "black" if value > 0.6 else "white"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize="small")
    axes.set_title("mean probability of foreground, by prototype")

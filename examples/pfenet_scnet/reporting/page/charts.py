"""Curves over training steps and over thresholds as numbers to draw: points and ticks in the chart's own pixels."""

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import NamedTuple

from reporting.page.runs import Run

WIDTH, HEIGHT = 400, 250
LEFT, RIGHT, TOP, BOTTOM = 48, 14, 10, 44
# More points than pixels would only make the page larger.
MOST_POINTS = 250
LOSSES = {
    "main_loss": ("L1, support to query", "PFENet's own loss, on training episodes."),
    "contrast_loss": ("L2, the self-contrastive task", "SCNet's loss, on training episodes; a baseline has none."),
}

OFFSETS = {
    "miou": ("mIoU over thresholds", "A pixel is foreground where its margin exceeds the offset; 0 is the usual one."),
    "support_reliance": ("Support reliance over thresholds", "mIoU less the mIoU with supports of another class."),
}
STEP, OFFSET = "training step", "offset of the threshold"

Points = list[tuple[float, float]]


class Line(NamedTuple):
    """The curve of a run: which run, and SVG's points."""

    place: int
    points: str
    single: tuple[float, float] | None


class Tick(NamedTuple):
    """A number at an axis and where it stands."""

    at: float
    text: str


class Chart(NamedTuple):
    """A chart with its curves over `axis`; `description` says in words what it shows."""

    title: str
    note: str
    unit: str
    axis: str
    lines: list[Line]
    across: list[Tick]
    up: list[Tick]
    description: str


def charts(runs: Sequence[Run]) -> list[Chart]:
    """The losses, and the mIoU of the candidates where weights were selected; a chart without a point is left out."""
    found = [
        _chart(title, note, "loss", STEP, {place: _points(run.losses, key) for place, run in enumerate(runs)}, runs)
        for key, (title, note) in LOSSES.items()
    ]
    where = {"base": "base classes of held-out images", "novel": "the novel classes themselves", "last": "candidates"}
    judged = " or ".join(sorted({where[run.recipe.select] for run in runs if run.candidates}))
    candidates = {place: _points(run.candidates, "miou") for place, run in enumerate(runs)}
    note = f"On {judged}. The weights with the highest are kept."
    return [one for one in (*found, _chart("mIoU while training", note, "%", STEP, candidates, runs)) if one]


def offset_charts(runs: Sequence[Run]) -> list[Chart]:
    """mIoU and support reliance over the offsets of the threshold, of the runs whose result has them."""
    found = [
        _chart(title, note, unit, OFFSET, {place: _over_offsets(run, key) for place, run in enumerate(runs)}, runs)
        for (key, (title, note)), unit in zip(OFFSETS.items(), ("%", "points"), strict=True)
    ]
    return [one for one in found if one]


def _over_offsets(run: Run, key: str) -> Points:
    curves = (run.result or {}).get("over_offsets") or {}
    return list(zip(curves["offset"], curves[key], strict=True)) if curves.get(key) else []


def _points(rows: Sequence[dict[str, float]], key: str) -> Points:
    """At most `MOST_POINTS` points, each the mean of its neighbours where there are more."""
    points = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
    width = ceil(len(points) / MOST_POINTS) or 1
    groups = [points[start : start + width] for start in range(0, len(points), width)]
    return [tuple(sum(values) / len(group) for values in zip(*group, strict=True)) for group in groups]


def _chart(title: str, note: str, unit: str, axis: str, curves: dict[int, Points], runs: Sequence[Run]) -> Chart | None:
    curves = {place: points for place, points in curves.items() if points}
    if not curves:
        return None
    places = [x for points in curves.values() for x, _ in points]
    across = nice_ticks(min(0, *places), max(places))
    values = [y for points in curves.values() for _, y in points]
    up = nice_ticks(min(values), max(values))

    def at(x: float, y: float) -> tuple[float, float]:
        wide = LEFT + (x - across[0]) / (across[-1] - across[0]) * (WIDTH - LEFT - RIGHT)
        high = HEIGHT - BOTTOM - (y - up[0]) / (up[-1] - up[0]) * (HEIGHT - TOP - BOTTOM)
        return round(wide, 1), round(high, 1)

    lines = [
        Line(
            place,
            " ".join("{},{}".format(*at(*point)) for point in points),
            at(*points[0]) if len(points) == 1 else None,
        )
        for place, points in curves.items()
    ]
    ends = "; ".join(
        f"{runs[place].label} from {points[0][1]:.2f} to {points[-1][1]:.2f}" for place, points in curves.items()
    )
    return Chart(
        title,
        note,
        unit,
        axis,
        lines,
        [Tick(at(x, up[0])[0], _number(x)) for x in across],
        [Tick(at(across[0], y)[1], _number(y)) for y in up],
        f"{title} over the training steps: {ends}." if axis == STEP else f"{title}: {_peaks(curves, runs)}.",
    )


def _peaks(curves: dict[int, Points], runs: Sequence[Run]) -> str:
    """Where each curve is highest."""
    peaks = {place: max(points, key=lambda point: point[1]) for place, points in curves.items()}
    return "; ".join(f"{runs[place].label} highest at {_number(x)} with {y:.2f}" for place, (x, y) in peaks.items())


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def nice_ticks(low: float, high: float) -> list[float]:
    """Round numbers that enclose both.

    >>> nice_ticks(0, 59), nice_ticks(0.31, 1.2)
    ([0.0, 20.0, 40.0, 60.0], [0.25, 0.5, 0.75, 1.0, 1.25])
    """
    if high <= low:
        low, high = (low - abs(low) / 2, low + abs(low) / 2) if low else (0, 1)
    rough = (high - low) / 4
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]

"""The tables of scores: as a whole and by class."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reporting.page.runs import Run

MISSING = "–"
# Points of mIoU.
LITTLE = 1.0


class Measure(NamedTuple):
    """A measure: its name, what it is, and where a result holds it."""

    name: str
    meaning: str
    keys: tuple[str, ...]


MEASURES = (
    Measure("mIoU", "mean IoU over the novel classes, in percent; sums over all episodes of a class", ("miou",)),
    Measure("FB-IoU", "mean of the IoU of foreground and of background, all classes together", ("fb_iou",)),
    Measure(
        "Chance", "mIoU of calling every pixel foreground; a useful model beats it", ("every_pixel_foreground_miou",)
    ),
    Measure(
        "Support reliance",
        "mIoU less the mIoU with supports of another class, on the same queries and truths; near 0, the model hardly "
        "looks at its supports",
        ("support_reliance", "over_other_class"),
    ),
    Measure(
        "Over empty supports",
        "mIoU less the mIoU with support masks that mark nothing",
        ("support_reliance", "over_empty"),
    ),
    Measure(
        "Base objects called",
        "percent of the pixels of objects of base classes that are called foreground, at the threshold where 60 % of "
        "the targets' pixels are found; no threshold can lower it",
        ("over_offsets", "base_called_at_recall", "60"),
    ),
)


class Scores(NamedTuple):
    """A value for each of `MEASURES`: of the run at a place, or its difference to the first run."""

    place: int
    label: str
    words: str
    values: list[str]
    difference: bool


class Bar(NamedTuple):
    """A run's IoU of a class: in words, and as the width of a bar in percent."""

    place: int
    label: str
    text: str
    width: float


class ClassRow(NamedTuple):
    """A class, its bar for each run, and the last run's IoU less the first's, where there are two runs."""

    name: str
    bars: list[Bar]
    difference: str


def score_columns(runs: Sequence[Run], comparable: bool) -> list[Scores]:
    """The scores of each run, and the differences to the first where scores may be compared."""
    columns = [
        Scores(place, run.label, run.task, [_score(run, measure) for measure in MEASURES], False)
        for place, run in enumerate(runs)
    ]
    if comparable:
        for place, run in enumerate(runs[1:], 1):
            cells = [_difference(_value(run, one), _value(runs[0], one)) for one in MEASURES]
            columns.append(Scores(place, f"{run.label} − {runs[0].label}", "difference, in points", cells, True))
    return columns


def notes(runs: Sequence[Run]) -> list[str]:
    """What a reader of the scores must know: who does not beat chance, and why a run has no support reliance."""
    finished = [run for run in runs if run.result is not None]
    low = [run.label for run in finished if run.result["miou"] <= run.result["every_pixel_foreground_miou"]]
    notes = [f"No better than calling every pixel foreground, so differences to it say little: {one}." for one in low]
    blind = [run.label for run in finished if run.label not in low and _looks_little(run)]
    if blind:
        notes.append(
            f"With supports of another class nearly the same is found by {' and '.join(blind)}: the mIoU then says how "
            "well objects are found, and not how well this object is."
        )
    for run in finished:
        if not run.result.get("support_reliance"):
            notes.append(f"{run.label} has no support reliance noted; evaluate.py measures it.")
        elif run.result["support_reliance"]["over_other_class"] is None:
            notes.append(
                f"{run.label} has no support reliance: it is judged on one novel class, and there is no other class to "
                "take supports from."
            )
    return notes


def _looks_little(run: Run) -> bool:
    """Whether a wrong support costs the run less than a point of mIoU."""
    lost = _value(run, MEASURES[3])
    return lost is not None and lost < LITTLE


def class_rows(runs: Sequence[Run]) -> list[ClassRow]:
    """The classes that any run was judged on, in the order of the first that names them."""
    found = [(run.result or {}).get("class_iou", {}) for run in runs]
    names = list(dict.fromkeys(name for one in found for name in one))
    return [_class_row(name, found, runs) for name in names]


def worth(label: str, first: str, low: float, high: float, pictures: int) -> str:
    """What a difference in mIoU is worth, from its interval over query pictures."""
    verdict = "so these pictures alone cannot tell the two apart" if low <= 0 <= high else "which leaves out 0"
    return (
        f"{label} − {first}: with other draws of the {pictures} query pictures the difference in mIoU lies between "
        f"{_signed(low)} and {_signed(high)} points in 95 % of cases, {verdict}."
    )


def _class_row(name: str, found: Sequence[Mapping[str, float | None]], runs: Sequence[Run]) -> ClassRow:
    values = [one.get(name) for one in found]
    bars = [
        Bar(place, run.label, _percent(value) if value is not None else _absent(run, name), value or 0.0)
        for place, (run, value) in enumerate(zip(runs, values, strict=True))
    ]
    return ClassRow(name, bars, _difference(values[1], values[0]) if len(runs) == 2 else "")


def _absent(run: Run, name: str) -> str:
    if run.result is None:
        return "not finished"
    return "no pixel seen" if name in run.result.get("class_iou", {}) else "not judged"


def _value(run: Run, measure: Measure) -> float | None:
    found: Any = run.result
    for key in measure.keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _score(run: Run, measure: Measure) -> str:
    value, spread = (
        _value(run, measure),
        _value(run, measure._replace(keys=(*measure.keys[:-1], f"{measure.keys[-1]}_spread"))),
    )
    return f"{_percent(value)} ± {spread:.1f}" if value is not None and spread is not None else _percent(value)


def _percent(value: float | None) -> str:
    return MISSING if value is None else _signed(value).lstrip("+")


def _difference(value: float | None, other: float | None) -> str:
    return MISSING if value is None or other is None else _signed(value - other)


def _signed(value: float) -> str:
    """
    >>> _signed(-1.26), _signed(0.04)
    ('−1.3', '0.0')
    """
    return "0.0" if round(abs(value), 1) == 0 else f"{value:+.1f}".replace("-", "−")

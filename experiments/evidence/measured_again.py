"""What the yardstick says of a study: scores that no threshold buys, support reliance, and answers to prototypes.

A cell's line has curves over offsets of the logit's margin; the offset that is used is the one that its own base
classes of held-out images chose. Novel classes are judged, base classes where a study judges those. Rows are as in
outcomes.py: means by fold, and paired gains.
"""

from collections.abc import Callable, Iterable, Mapping
from statistics import mean
from typing import Any, NamedTuple

from evaluation.margin_counts import OFFSETS, RECALLS
from grid.study import FOLDS, Study
from running.answers import PROTOTYPES

from evidence.outcomes import Pairs, by_fold, distinct, gain_by_fold, mean_of_those

Row = dict[str, Any]
# By (arm, fold, seed).
Lines = Mapping[tuple[str, int, int], Row]


class Reading(NamedTuple):
    """A line's curves of the classes that a study judges, by supports; the chosen offset; the answers, if any."""

    curves: Row
    offset: float
    answers: Row | None

    def at(self, supports: str, score: str, offset: float | None = None) -> float | None:
        """A score at the chosen offset, or at another one; None where those supports were not shown."""
        curves = self.curves.get(supports)
        return curves[score][OFFSETS.index(self.offset if offset is None else offset)] if curves else None

    def called_at_recall(self, recall: str) -> float | None:
        """Percent of the base objects' pixels called foreground where that percentage of the target is found."""
        return self.curves["own"]["base_called_at_recall"][recall]

    def reliance(self, other: str, offset: float | None = None) -> float | None:
        """The mIoU with the own supports less that with others."""
        own, others = (self.at(supports, "miou", offset) for supports in ("own", other))
        return None if own is None or others is None else own - others


Measure = Callable[[Reading], float | None]
Readings = Mapping[tuple[str, int, int], Reading]
# What is read off a line, in the order of the tables.
MEASURES: dict[str, Measure] = {
    "mIoU at 0": lambda one: one.at("own", "miou", 0.0),
    "mIoU at the base-chosen offset": lambda one: one.at("own", "miou"),
    "5-shot mIoU at the base-chosen offset": lambda one: one.at("own_5", "miou"),
    "FB-IoU at the base-chosen offset": lambda one: one.at("own", "fb_iou"),
    "support reliance at 0": lambda one: one.reliance("other_class", 0.0),
    "support reliance at the base-chosen offset": lambda one: one.reliance("other_class"),
    "mIoU lost with an empty support": lambda one: one.reliance("empty"),
} | {
    f"base objects called foreground at {recall} % recall": lambda one, recall=str(recall): one.called_at_recall(recall)
    for recall in RECALLS
}


def lines_of(study: Study, read: Mapping[str, Row]) -> dict[tuple[str, int, int], Row]:
    """The lines that there are of a study's cells, by digest in `read`."""
    return {key: read[cell.digest] for key, cell in study.cells().items() if cell.digest in read}


def measured_again(study: Study, lines: Lines, untrained: Lines | None = None) -> Row:
    """Scores, gains, chosen offsets, curves and answers of a study's arms.

    Args:
        untrained: lines of hosts that nothing trained, whose scores stand beside those of the arms.
    """
    judged = "novel" if all(line["novel"] for line in lines.values()) else "base"
    found, beside = (_readings(some, judged) for some in (lines, untrained or {}))
    arms = [arm for arm in distinct(study) if any(key[0] == arm for key in found)]
    free = list(dict.fromkeys(key[0] for key in beside)) if arms else []
    return {
        "read": len(found),
        "wanted": len(study.cells()),
        "judged": judged,
        "scores": [
            {"arm": arm, "measure": name} | means
            for name, measure in MEASURES.items()
            for arm in [*arms, *free]
            if (means := _means({**found, **beside}, arm, measure))["folds"]
        ],
        "gains": [
            {"arm": arm, "against": reference, "measure": name} | gain_by_fold(pairs)
            for name, measure in MEASURES.items()
            for arm, reference in study.compared.items()
            if (pairs := _differences(found, arm, reference, measure))
        ],
        "offsets": {arm: sorted(one.offset for key, one in found.items() if key[0] == arm) for arm in arms},
        "curves": {arm: _curves(found, arm) for arm in arms},
        "answers": {arm: answers for arm in arms if (answers := _answers(found, arm))},
    }


def _readings(lines: Lines, judged: str) -> dict[tuple[str, int, int], Reading]:
    return {key: Reading(line[judged], line["offset"], line.get("answers")) for key, line in lines.items()}


def _means(readings: Readings, arm: str, measure: Measure) -> Row:
    folds: dict[int, list[float]] = {}
    for fold in FOLDS:
        there = _there(measure(one) for (name, its, _), one in readings.items() if (name, its) == (arm, fold))
        if there:
            folds[fold] = there
    return by_fold(folds)


def _differences(readings: Readings, arm: str, reference: str, measure: Measure) -> Pairs:
    pairs: Pairs = {}
    for (name, fold, seed), one in readings.items():
        if name == arm and (reference, fold, seed) in readings:
            both = _there([measure(one), measure(readings[reference, fold, seed])])
            if len(both) == 2:
                pairs[fold, seed] = both[0] - both[1]
    return pairs


def _curves(readings: Readings, arm: str) -> dict[str, list[float]]:
    """The mean mIoU over all cells of an arm at each of `OFFSETS`, by supports."""
    every = [one.curves for (name, _, _), one in readings.items() if name == arm]
    return {kind: [mean(at) for at in zip(*(one[kind]["miou"] for one in every), strict=True)] for kind in every[0]}


def _answers(readings: Readings, arm: str) -> dict[str, dict[str, float | None]]:
    """The mean answers over all cells of an arm that have any."""
    every = [one.answers for (name, _, _), one in readings.items() if name == arm and one.answers]
    return {
        kind: {place: mean_of_those(one[kind][place] for one in every) for place in ("background", "foreground")}
        for kind in PROTOTYPES
        if every
    }


def _there(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]

"""What the yardstick says of a study: scores that no threshold buys, support reliance, and answers to prototypes.

A cell's line has curves over offsets of the logit's margin; the offset that is used is the one that its own base
classes of held-out images chose. Novel classes are judged, base classes where a study judges those. Rows are as in
outcomes.py: means by fold, and paired gains.
"""

from collections.abc import Callable, Mapping
from statistics import mean
from typing import Any

from evaluation.margin_counts import OFFSETS, RECALLS
from grid.study import FOLDS, Study
from running.answers import PROTOTYPES

from evidence.outcomes import Pairs, gain_by_fold

Row = dict[str, Any]
# By (arm, fold, seed).
Lines = Mapping[tuple[str, int, int], Row]
Measure = Callable[[Row], float | None]


def _judged(line: Row) -> Row:
    return line["novel"] or line["base"]


def _at(line: Row, supports: str, score: str, offset: float | None = None) -> float | None:
    """A score at the offset that base classes chose, or at another one; None where those supports were not shown."""
    curves = _judged(line).get(supports)
    return curves[score][OFFSETS.index(line["offset"] if offset is None else offset)] if curves else None


def _reliance(line: Row, other: str, offset: float | None = None) -> float | None:
    own, others = (_at(line, supports, "miou", offset) for supports in ("own", other))
    return None if own is None or others is None else own - others


# What is read off a line, in the order of the tables.
MEASURES: dict[str, Measure] = {
    "mIoU at 0": lambda line: _at(line, "own", "miou", 0.0),
    "mIoU at the base-chosen offset": lambda line: _at(line, "own", "miou"),
    "5-shot mIoU at the base-chosen offset": lambda line: _at(line, "own_5", "miou"),
    "FB-IoU at the base-chosen offset": lambda line: _at(line, "own", "fb_iou"),
    "support reliance at 0": lambda line: _reliance(line, "other_class", 0.0),
    "support reliance at the base-chosen offset": lambda line: _reliance(line, "other_class"),
    "mIoU lost with an empty support": lambda line: _reliance(line, "empty"),
} | {
    f"base objects called foreground at {recall} % recall": lambda line, recall=recall: _judged(line)["own"][
        "base_called_at_recall"
    ][str(recall)]
    for recall in RECALLS
}


def lines_of(study: Study, read: Mapping[str, Row]) -> dict[tuple[str, int, int], Row]:
    """The lines that there are of a study's cells, by digest in `read`."""
    return {key: read[cell.digest] for key, cell in study.cells().items() if cell.digest in read}


def measured_again(study: Study, lines: Lines) -> Row:
    """Scores, gains, chosen offsets, curves and answers of a study's arms."""
    return {
        "read": len(lines),
        "wanted": len(study.cells()),
        "scores": [
            {"arm": arm, "measure": name} | _means(study, lines, arm, measure)
            for name, measure in MEASURES.items()
            for arm in study.arms
            if any(key[0] == arm and measure(line) is not None for key, line in lines.items())
        ],
        "gains": [
            {"arm": arm, "against": reference, "measure": name} | gain_by_fold(pairs)
            for name, measure in MEASURES.items()
            for arm, reference in study.compared.items()
            if (pairs := _differences(lines, arm, reference, measure))
        ],
        "offsets": {arm: sorted(line["offset"] for key, line in lines.items() if key[0] == arm) for arm in study.arms},
        "curves": {arm: curve for arm in study.arms if (curve := _curves(lines, arm))},
        "answers": {arm: found for arm in study.arms if (found := _answers(lines, arm))},
    }


def _means(study: Study, lines: Lines, arm: str, measure: Measure) -> Row:
    folds: dict[str, float] = {}
    for fold in FOLDS:
        values = [measure(line) for (name, its, _), line in lines.items() if (name, its) == (arm, fold)]
        there = [value for value in values if value is not None]
        if there:
            folds[str(fold)] = mean(there)
    return {"folds": folds, "all": mean(folds.values()) if len(folds) == len(FOLDS) else None}


def _differences(lines: Lines, arm: str, reference: str, measure: Measure) -> Pairs:
    pairs: Pairs = {}
    for (name, fold, seed), line in lines.items():
        other = lines.get((reference, fold, seed))
        if name == arm and other is not None:
            one, its = measure(line), measure(other)
            if one is not None and its is not None:
                pairs[fold, seed] = one - its
    return pairs


def _curves(lines: Lines, arm: str) -> dict[str, list[float]]:
    """The mean mIoU over all cells of an arm at each of `OFFSETS`, by supports."""
    own = [_judged(line) for (name, _, _), line in lines.items() if name == arm]
    kinds = own[0] if own else {}
    return {kind: [mean(values) for values in zip(*(one[kind]["miou"] for one in own), strict=True)] for kind in kinds}


def _answers(lines: Lines, arm: str) -> dict[str, dict[str, float | None]]:
    """The mean answers over all cells of an arm that have any."""
    every = [line["answers"] for (name, _, _), line in lines.items() if name == arm and line.get("answers")]
    return {
        kind: {place: _mean([one[kind][place] for one in every]) for place in ("background", "foreground")}
        for kind in PROTOTYPES
        if every
    }


def _mean(values: list[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return mean(there) if there else None

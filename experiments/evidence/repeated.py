"""Cells run once more on another machine: how much of a score, and of a gain, is rounding."""

from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from grid.study import Study

from evidence.outcomes import SHOT, Finished, Pairs, differences, finished, same_episodes

Row = dict[str, Any]
MEASURE = "miou"


def repeated(studies: Mapping[str, Study], results: Path, again: Path) -> list[Row]:
    """A row for each comparison of which both folders hold pairs: 1-shot mIoU in the first run and in the second.

    Of two studies' comparisons of the same cells, the first study's. `score` and `pair` are how far one of the
    comparison's scores, and one of its gains, moves at most.

    Raises:
        ValueError: the second run saw other episodes.
    """
    rows: list[Row] = []
    seen: set[frozenset[str]] = set()
    for name, study in studies.items():
        cells = study.cells()
        first, second = finished(study, results), finished(study, again)
        _check_episodes(first, second)
        for arm, reference in study.compared.items():
            gains = [differences(arm, reference, run, SHOT, MEASURE) for run in (first, second)]
            keys = [(one, *pair) for pair in gains[0].keys() & gains[1].keys() for one in (arm, reference)]
            same = frozenset(cells[key].digest for key in keys)
            if keys and same not in seen:
                seen.add(same)
                score = max(abs(_score(first[key]) - _score(second[key])) for key in keys)
                rows.append({"study": name, "arm": arm, "against": reference, "score": score} | _both(*gains))
    return rows


def _score(result: Row) -> float:
    return result["evaluations"][SHOT][MEASURE]


def _both(first: Pairs, second: Pairs) -> Row:
    shared = first.keys() & second.keys()
    means = [mean(run[pair] for pair in shared) for run in (first, second)]
    moves = max(abs(first[pair] - second[pair]) for pair in shared)
    return {"pairs": len(shared), "first": means[0], "again": means[1], "pair": moves}


def _check_episodes(first: Finished, second: Finished) -> None:
    for key in first.keys() & second.keys():
        if not same_episodes(first[key], second[key]):
            raise ValueError(f"{key}: expected the episodes of the first run, got others; run both on the same data")

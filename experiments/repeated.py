"""Cells of the main study run once more on another machine: how much of a score, and of a gain, is rounding."""

from pathlib import Path
from typing import Any

from grid import Study
from outcomes import Finished, differences, finished

Row = dict[str, Any]
SHOT, MEASURE = "1", "miou"


def repeated(study: Study, results: Path, again: Path) -> list[Row]:
    """1-shot mIoU, in percent, of each cell that both folders hold, and then the gains of each pair.

    Raises:
        ValueError: the second run saw other episodes.
    """
    runs = [finished(study, folder) for folder in (results, again)]
    scores = [{key: one["evaluations"][SHOT][MEASURE] for key, one in run.items()} for run in runs]
    for arm, reference in study.compared.items():
        for run, values in zip(runs, scores, strict=True):
            pairs = differences(arm, reference, run, SHOT, MEASURE)
            values |= {(f"{arm} − {reference}", fold, seed): pair for (fold, seed), pair in pairs.items()}
    _check_episodes(*runs)
    first, second = scores
    return [
        {"arm": arm, "fold": fold, "seed": seed, "first": first[key], "again": second[key]}
        for key in first
        if key in second
        for arm, fold, seed in [key]
    ]


def _check_episodes(first: Finished, second: Finished) -> None:
    for key in first.keys() & second.keys():
        one, other = (run[key]["evaluations"][SHOT]["episodes_digest"] for run in (first, second))
        if one != other:
            raise ValueError(f"{key}: expected the episodes of the first run, got others; run both on the same data")

"""What the finished cells of a study say, in rows: scores of each arm, and gains over the arm it is compared with."""

from collections.abc import Iterable
from pathlib import Path
from statistics import mean
from typing import Any

from grid.cell_store import finished_cells
from grid.study import FOLDS, Study
from running.pixel_counts import KINDS

from evidence.intervals import gain

Row = dict[str, Any]
# By (arm, fold, seed).
Finished = dict[tuple[str, int, int], Row]
# A difference by (fold, seed).
Pairs = dict[tuple[int, int], float]
MEASURES = ("miou", "fb_iou")
# Every arm is evaluated with it.
SHOT = "1"


def finished(study: Study, folder: Path) -> Finished:
    """The results that there are, from the cells below `folder`.

    Raises:
        ValueError: two lines describe one cell, or two cells of a fold saw other episodes, as when a study was begun
            on one set of photographs and went on with another.
    """
    found, cells = Finished(), finished_cells(folder)
    for key, cell in study.cells().items():
        if cell.digest in cells:
            found[key] = cells[cell.digest]
    for arm, reference in study.compared.items():
        for (name, fold, seed), result in found.items():
            if name == arm and (reference, fold, seed) in found:
                _check_pair(arm, fold, seed, result, found[reference, fold, seed])
    return found


def _check_pair(arm: str, fold: int, seed: int, one: Row, other: Row) -> None:
    if not same_episodes(one, other):
        raise ValueError(
            f"{arm}, fold {fold}, seed {seed}: expected the episodes of the arm it is compared with, got others; "
            "run both on the same data"
        )


def same_episodes(one: Row, other: Row) -> bool:
    """Whether two results saw the same episodes, with each number of shots that both were evaluated with."""
    both = one["evaluations"].keys() & other["evaluations"].keys()
    digests = [[result["evaluations"][shot]["episodes_digest"] for shot in both] for result in (one, other)]
    return digests[0] == digests[1]


def missing(study: Study, found: Finished) -> dict[str, str]:
    """Arm → how many of its cells are there, for the arms that are not complete."""
    keys = list(study.cells())
    wanted, have = ({arm: sum(key[0] == arm for key in part) for arm in study.arms} for part in (keys, found))
    return {arm: f"{have[arm]} of {wanted[arm]}" for arm in study.arms if have[arm] < wanted[arm]}


def scores(study: Study, found: Finished) -> list[Row]:
    """A row for each arm, number of shots and measure: the mean over seeds in each fold, and the mean of the folds."""
    return [
        {"arm": arm, "shot": shot, "measure": measure} | by_fold(folds)
        for arm in distinct(study)
        for shot in shots(arm, found)
        for measure in MEASURES
        if (folds := _values(arm, found, shot, measure))
    ]


def distinct(study: Study) -> list[str]:
    """The arms, without those whose cells are an earlier arm's: these stand there to be set beside another arm.

    >>> from grid.studies import STUDIES
    >>> study = STUDIES["few-shot"]
    >>> len(study.arms), len(distinct(study)), "SCNet" in distinct(study), "SCNet, equal passes" in distinct(study)
    (19, 8, True, False)
    """
    digests: dict[str, set[str]] = {}
    for (arm, *_), cell in study.cells().items():
        digests.setdefault(arm, set()).add(cell.digest)
    first = {frozenset(its): arm for arm, its in reversed(digests.items())}
    return [arm for arm in study.arms if first[frozenset(digests[arm])] == arm]


def by_fold(folds: dict[int, list[float]]) -> Row:
    """The mean over the seeds of each fold, and the mean of the folds."""
    means = {fold: mean(values) for fold, values in folds.items()}
    # A mean over some folds would be set beside means over all.
    over_all = mean(means.values()) if len(means) == len(FOLDS) else None
    return {"folds": {str(fold): value for fold, value in means.items()}, "all": over_all}


def _values(arm: str, found: Finished, shot: str, measure: str) -> dict[int, list[float]]:
    values: dict[int, list[float]] = {}
    for (name, fold, _), result in found.items():
        if name == arm:
            values.setdefault(fold, []).append(result["evaluations"][shot][measure])
    return dict(sorted(values.items()))


def shots(arm: str, found: Finished) -> list[str]:
    return next((list(result["evaluations"]) for (name, _, _), result in found.items() if name == arm), [])


def gains(study: Study, found: Finished) -> list[Row]:
    """For each compared arm, number of shots and measure its `Gain` in each fold, and over the folds that there are."""
    return [
        {"arm": arm, "against": reference, "shot": shot, "measure": measure} | gain_by_fold(pairs)
        for arm, reference in study.compared.items()
        for shot in shots(arm, found)
        for measure in MEASURES
        if (pairs := differences(arm, reference, found, shot, measure))
    ]


def gain_by_fold(pairs: Pairs) -> Row:
    """The `Gain` of each fold, as a mapping, and the one over all of them."""
    folds: dict[int, list[float]] = {}
    for (fold, _), difference in sorted(pairs.items()):
        folds.setdefault(fold, []).append(difference)
    each = {str(fold): gain([values])._asdict() for fold, values in folds.items()}
    return {"folds": each, "all": gain(list(folds.values()))._asdict()}


def differences(arm: str, reference: str, found: Finished, shot: str, measure: str) -> Pairs:
    """For the pairs of which both are there, and both were evaluated with as many shots."""
    pairs: Pairs = {}
    for (name, fold, seed), result in found.items():
        other = found.get((reference, fold, seed))
        if name == arm and other and shot in other["evaluations"]:
            one, its = (cell["evaluations"][shot][measure] for cell in (result, other))
            pairs[fold, seed] = one - its
    return pairs


def errors(study: Study, found: Finished) -> list[Row]:
    """For each arm and number of shots, which percentage of the pixels of each kind the model gets wrong.

    Pixels are summed over classes and episodes, then the cells' percentages are averaged.
    """
    rows: list[Row] = []
    for arm in study.arms:
        for shot in shots(arm, found):
            every = [_wrong(r["evaluations"][shot]["pixels"]) for (name, _, _), r in found.items() if name == arm]
            rows.append(
                {"arm": arm, "shot": shot} | {kind: mean_of_those(one[kind] for one in every) for kind in KINDS}
            )
    return rows


def _wrong(pixels: dict[str, dict[str, list[int]]]) -> dict[str, float | None]:
    wrong: dict[str, float | None] = {}
    for kind in KINDS:
        called = [sum(by_kind[kind][prediction] for by_kind in pixels.values()) for prediction in (0, 1)]
        mistaken = called[0] if kind == "target" else called[1]
        wrong[kind] = 100 * mistaken / sum(called) if sum(called) else None
    return wrong


def mean_of_those(values: Iterable[float | None]) -> float | None:
    """The mean of the values that there are; None without any."""
    there = [value for value in values if value is not None]
    return mean(there) if there else None

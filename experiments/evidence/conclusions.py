"""What the gains of several arms, or of some folds and the others, say together."""

from statistics import linear_regression
from typing import Any

from grid.study import Study

from evidence.outcomes import MEASURES, SHOT, Finished, Pairs, differences, gain_by_fold

Row = dict[str, Any]


def trends(study: Study, found: Finished) -> list[Row]:
    """How much the gain changes with a unit of the study's dose: the least-squares slope in each fold and seed.

    Of folds and seeds of which every dose is there.
    """
    if study.dose is None:
        return []
    doses = study.dose.given
    rows: list[Row] = []
    for measure in MEASURES:
        by_arm = [differences(arm, study.compared[arm], found, SHOT, measure) for arm in doses]
        whole = set.intersection(*(set(pairs) for pairs in by_arm))
        slopes = {key: linear_regression(list(doses.values()), [pairs[key] for pairs in by_arm]).slope for key in whole}
        if slopes:
            rows.append({"unit": study.dose.unit, "shot": SHOT, "measure": measure} | gain_by_fold(slopes))
    return rows


def verdicts(study: Study, found: Finished) -> list[Row]:
    """Whether an arm is kept: it wins on the folds that choose, and the others confirm it with an interval above 0.

    Of arms of which every pair is there.
    """
    rows: list[Row] = []
    wanted = {key[1:] for key in study.cells()}
    for arm, reference in study.compared.items():
        pairs = differences(arm, reference, found, SHOT, "miou")
        if study.chosen_on and pairs.keys() == wanted:
            chosen, confirmed = (_over_all(pairs, study, choosing) for choosing in (True, False))
            kept = chosen["mean"] > 0 and confirmed["low"] is not None and confirmed["low"] > 0
            rows.append({"arm": arm, "against": reference, "chosen": chosen, "confirmed": confirmed, "kept": kept})
    return rows


def _over_all(pairs: Pairs, study: Study, choosing: bool) -> Row:
    return gain_by_fold({key: value for key, value in pairs.items() if (key[0] in study.chosen_on) == choosing})["all"]

"""Slopes over doses and verdicts over halves of the folds, against figures worked out by hand."""

import pytest
from cell_files import write_cell
from evidence.conclusions import trends, verdicts
from evidence.outcomes import finished
from grid.studies import STUDIES
from grid.study import FOLDS

DOSE, VARIANTS = STUDIES["dose"], STUDIES["variants"]


def write(results, study, arm, fold, seed, miou):
    write_cell(results, study.cells()[arm, fold, seed], miou)


def pair(results, share, fold, seed, gain):
    write(results, DOSE, f"PFENet, {share:g} % hidden", fold, seed, 30.0)
    write(results, DOSE, f"SCNet, {share:g} % hidden", fold, seed, 30.0 + gain)


def test_the_slope_over_doses(tmp_path):
    for share in (0, 12.5, 25, 37.5, 50):
        pair(tmp_path, share, 0, 0, 1 + 0.2 * share)
        pair(tmp_path, share, 0, 1, 4.0)
    rows = trends(DOSE, finished(DOSE, tmp_path))
    assert [row["measure"] for row in rows] == ["miou", "fb_iou"]
    assert rows[0]["all"] == pytest.approx({"mean": 1.0, "low": 0.0, "high": 2.0, "pairs": 2, "won": 1}, abs=1e-9)
    assert rows[0]["folds"].keys() == {"0"} and rows[0]["unit"] == "10 points of scenes that hide a novel object"


def test_a_seed_without_one_dose_has_no_slope(tmp_path):
    for share in (0, 12.5, 25, 37.5):
        pair(tmp_path, share, 0, 0, 1.0)
    assert trends(DOSE, finished(DOSE, tmp_path)) == []
    assert trends(VARIANTS, finished(VARIANTS, tmp_path)) == []


@pytest.mark.parametrize(
    ("chosen", "confirmed", "kept"),
    [((1.0, 2.0), (1.0, 2.0), True), ((-3.0, 1.0), (1.0, 2.0), False), ((1.0, 2.0), (-0.5, 9.0), False)],
)
def test_an_arm_is_kept_if_it_wins_twice(tmp_path, chosen, confirmed, kept):
    for fold in FOLDS:
        for seed in VARIANTS.seeds:
            write(tmp_path, VARIANTS, "SCNet", fold, seed, 40.0)
            gain = (chosen if fold < 2 else confirmed)[seed]
            write(tmp_path, VARIANTS, "soft assignment", fold, seed, 40.0 + gain)
    (row,) = verdicts(VARIANTS, finished(VARIANTS, tmp_path))
    assert (row["arm"], row["against"], row["kept"]) == ("soft assignment", "SCNet", kept)
    assert row["chosen"]["mean"] == sum(chosen) / 2 and row["confirmed"]["mean"] == sum(confirmed) / 2
    assert row["confirmed"]["pairs"] == 4 and row["confirmed"]["low"] == min(confirmed)


def test_there_is_no_verdict_before_the_end(tmp_path):
    write(tmp_path, VARIANTS, "SCNet", 0, 0, 40.0)
    write(tmp_path, VARIANTS, "soft assignment", 0, 0, 50.0)
    assert verdicts(VARIANTS, finished(VARIANTS, tmp_path)) == []
    assert verdicts(DOSE, finished(DOSE, tmp_path)) == []


def test_doses_are_those_of_compared_arms():
    for study in STUDIES.values():
        assert study.dose is None or study.dose.given.keys() <= study.compared.keys()

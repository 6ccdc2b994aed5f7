"""Rows from cell files, against means and differences worked out by hand; parts of a study included."""

import pytest
from cell_files import write_cell
from evidence.outcomes import errors, finished, gains, missing, scores
from grid.studies import STUDIES

MAIN = STUDIES["main"]
CELLS = MAIN.cells()


def write(results, arm, fold, seed, miou, **options):
    return write_cell(results, CELLS[arm, fold, seed], miou, **options)


@pytest.fixture
def partial(tmp_path):
    """Two pairs of fold 0, one of fold 2, and a baseline without its partner."""
    for seed, baseline, scnet in ((0, 10.0, 11.0), (1, 20.0, 24.0)):
        write(tmp_path, "PFENet", 0, seed, baseline)
        write(tmp_path, "SCNet", 0, seed, scnet)
    write(tmp_path, "PFENet", 2, 0, 30.0)
    write(tmp_path, "SCNet", 2, 0, 27.0)
    write(tmp_path, "PFENet", 3, 0, 50.0)
    return tmp_path


def pick(rows, **wanted):
    (row,) = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return row


def test_scores_are_means_over_seeds_and_then_over_folds(partial):
    rows = scores(MAIN, finished(MAIN, partial))
    assert pick(rows, arm="PFENet", shot="1", measure="miou")["folds"] == {"0": 15.0, "2": 30.0, "3": 50.0}
    assert pick(rows, arm="SCNet", shot="5", measure="fb_iou")["folds"] == {"0": 27.5, "2": 37.0}
    assert all(row["all"] is None for row in rows), "a mean over some folds is no mean over the benchmark"
    for seed, score in ((0, 10.0), (1, 30.0)):
        write(partial, "PFENet", 1, seed, score)
    whole = pick(scores(MAIN, finished(MAIN, partial)), arm="PFENet", shot="1", measure="miou")
    assert whole["all"] == (15 + 20 + 30 + 50) / 4


def test_gains_are_of_pairs_alone(partial):
    row = pick(gains(MAIN, finished(MAIN, partial)), shot="1", measure="miou")
    assert (row["arm"], row["against"]) == ("SCNet", "PFENet") and row["folds"].keys() == {"0", "2"}
    assert row["folds"]["0"] == {"mean": 2.5, "low": 1.0, "high": 4.0, "pairs": 2, "won": 2}
    assert row["folds"]["2"] == {"mean": -3.0, "low": None, "high": None, "pairs": 1, "won": 0}
    assert row["all"] == {"mean": -0.25, "low": None, "high": None, "pairs": 3, "won": 2}


def test_a_gain_is_of_the_shots_that_both_arms_were_evaluated_with(tmp_path):
    longer = STUDIES["longer"]
    arm, reference = "SCNet, 800 steps of two passes", "PFENet, 1600 steps"
    assert longer.compared[arm] == reference
    for name, score in ((arm, 31.0), (reference, 30.0)):
        write_cell(tmp_path, longer.cells()[name, 0, 0], score)
    rows = [row for row in gains(longer, finished(longer, tmp_path)) if row["arm"] == arm]
    assert [(row["shot"], row["all"]["mean"]) for row in rows] == [("1", 1.0), ("1", 1.0)]


def test_what_is_missing_is_said(partial):
    assert missing(MAIN, finished(MAIN, partial)) == {"PFENet": "4 of 20", "SCNet": "3 of 20"}
    for key in CELLS:
        write(partial, *key, 1.0)
    assert missing(MAIN, finished(MAIN, partial)) == {}


def test_cells_of_another_study_count_where_they_are_equal(partial):
    study = STUDIES["table5"]
    found = finished(study, partial)
    assert set(found) == {
        (arm, fold, seed) for arm in ("λ = 0", "λ = 0.5") for fold, seed in ((0, 0), (0, 1), (2, 0))
    } | {("λ = 0", 3, 0)}
    assert missing(study, found)["λ = 1"] == "0 of 8"
    assert {row["arm"] for row in gains(study, found)} == {"λ = 0.5"}


def test_mistakes_by_kind(partial):
    row = pick(errors(MAIN, finished(MAIN, partial)), arm="SCNet", shot="1")
    assert row == {"arm": "SCNet", "shot": "1", "background": 20.0, "base": 50.0, "novel": None, "target": 25.0}


def test_nothing_has_been_run(tmp_path):
    found = finished(MAIN, tmp_path)
    assert found == {} and scores(MAIN, found) == gains(MAIN, found) == errors(MAIN, found) == []
    assert missing(MAIN, found) == {"PFENet": "0 of 20", "SCNet": "0 of 20"}


def test_a_pair_that_saw_other_episodes_is_refused(partial):
    write(partial, "SCNet", 0, 0, 12.0, episodes="others")
    with pytest.raises(ValueError, match="SCNet, fold 0, seed 0: expected the episodes of the arm it is compared with"):
        finished(MAIN, partial)


def test_a_line_counts_for_the_cell_that_it_describes_whichever_file_it_stands_in(partial):
    path = write(partial, "SCNet", 1, 0, 12.0)
    path.rename(path.with_stem("table3"))
    assert finished(MAIN, partial)["SCNet", 1, 0]["evaluations"]["1"]["miou"] == 12.0
    assert ("SCNet", 1, 1) not in finished(MAIN, partial)

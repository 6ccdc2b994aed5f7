"""Cells that were run twice: both scores, the gains of complete pairs, and what the page says of them."""

import pytest
from blocks import repeated_block
from cell_files import write_cell
from repeated import repeated
from studies import STUDIES

MAIN = STUDIES["main"]


def write(folder, arm, fold, miou, seed=0):
    write_cell(folder, MAIN.cells()[arm, fold, seed], miou)


def test_both_scores_and_gains_of_what_was_run_twice(tmp_path):
    results, again = tmp_path / "results", tmp_path / "again"
    for fold, gained in enumerate((1.0, 3.0)):
        write(results, "PFENet", fold, 30.0)
        write(results, "SCNet", fold, 30.0 + gained)
        write(again, "PFENet", fold, 31.0)
    write(again, "SCNet", 0, 34.0)
    write(results, "SCNet", 0, 99.0, seed=1)
    rows = {(row["arm"], row["fold"]): (row["first"], row["again"]) for row in repeated(MAIN, results, again)}
    assert rows == {
        ("PFENet", 0): (30.0, 31.0),
        ("PFENet", 1): (30.0, 31.0),
        ("SCNet", 0): (31.0, 34.0),
        ("SCNet − PFENet", 0): (1.0, 3.0),
    }


def test_the_page_shows_each_cell_and_the_mean_of_each_arm(tmp_path):
    for folder, more in ((tmp_path / "results", 0.0), (tmp_path / "again", 0.5)):
        write(folder, "PFENet", 0, 30.0 + more)
        write(folder, "PFENet", 1, 40.0 - more)
    lines = repeated_block(repeated(MAIN, tmp_path / "results", tmp_path / "again")).splitlines()
    assert lines[2:] == [
        "| PFENet | 0 | 30.0 | 30.5 | 0.5 |",
        "| PFENet | 1 | 40.0 | 39.5 | -0.5 |",
        "| PFENet | mean | 35.0 | 35.0 | 0.0 |",
    ]


def test_nothing_was_run_twice(tmp_path):
    assert repeated_block(repeated(MAIN, tmp_path, tmp_path / "again")) == "not run yet"


def test_photographs_of_the_second_run_are_those_of_the_first(tmp_path):
    write(tmp_path / "results", "PFENet", 0, 30.0)
    write_cell(tmp_path / "again", MAIN.cells()["PFENet", 0, 0], 30.0, episodes="other")
    with pytest.raises(ValueError, match="expected the episodes of the first run"):
        repeated(MAIN, tmp_path / "results", tmp_path / "again")

"""Cells that were run twice: the gains of pairs that both runs have, and what the page says of them."""

import pytest
from cell_files import write_cell
from evidence.page_tables import repeated_block
from evidence.repeated import repeated
from grid.studies import STUDIES

MAIN = STUDIES["main"]
TWO = {name: STUDIES[name] for name in ("main", "table5")}


def write(folder, arm, fold, miou, seed=0):
    write_cell(folder, MAIN.cells()[arm, fold, seed], miou)


@pytest.fixture
def folders(tmp_path):
    """Two pairs in both runs, one pair in the first alone, and a baseline in the second alone."""
    results, again = tmp_path / "results", tmp_path / "again"
    for fold, (first, second) in enumerate(((1.0, 3.0), (3.0, 2.0))):
        write(results, "PFENet", fold, 30.0)
        write(results, "SCNet", fold, 30.0 + first)
        write(again, "PFENet", fold, 31.0)
        write(again, "SCNet", fold, 31.0 + second)
    write(results, "PFENet", 0, 30.0, seed=1)
    write(results, "SCNet", 0, 99.0, seed=1)
    write(again, "PFENet", 2, 99.0)
    return results, again


def test_the_gains_of_pairs_that_were_run_twice(folders):
    (row,) = repeated({"main": MAIN}, *folders)
    # Scores move by 1 and 3 in fold 0, by 1 and 0 in fold 1; gains by 2 and by 1.
    gains = {"pairs": 2, "first": 2.0, "again": 2.5, "pair": 2.0}
    assert row == {"study": "main", "arm": "SCNet", "against": "PFENet", "score": 3.0} | gains


def test_the_same_cells_under_another_name_are_shown_once(folders):
    # The main study's two arms are λ = 0.5 and λ = 0 of Table 5, whose seeds are fewer.
    assert [row["study"] for row in repeated(TWO, *folders)] == ["main"]


def test_the_page_shows_each_comparison(folders):
    lines = repeated_block(repeated({"main": MAIN}, *folders)).splitlines()
    assert lines[2:] == ["| SCNet − PFENet | main | 2 | +2.0 | +2.5 | +0.5 | 2.0 | 3.0 |"]


def test_nothing_was_run_twice(tmp_path):
    assert repeated_block(repeated(TWO, tmp_path, tmp_path / "again")) == "not run yet"


def test_photographs_of_the_second_run_are_those_of_the_first(tmp_path):
    write(tmp_path / "results", "PFENet", 0, 30.0)
    write_cell(tmp_path / "again", MAIN.cells()["PFENet", 0, 0], 30.0, episodes="other")
    with pytest.raises(ValueError, match="expected the episodes of the first run"):
        repeated({"main": MAIN}, tmp_path / "results", tmp_path / "again")

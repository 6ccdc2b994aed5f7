"""The budget against sums worked out by hand."""

import pytest
from grid.budget import ASSUMED, budget, expected_seconds
from grid.studies import STUDIES
from grid.study import BASELINE, cell


def test_seconds_of_a_cell():
    one = cell(0, 0, steps=200, batch=3, episodes={"1": 100, "5": 10})
    by_hand = 600 * ASSUMED["SCNet"] + 100 * ASSUMED["1-shot"] + 10 * ASSUMED["5-shot"]
    assert expected_seconds(one) == pytest.approx(ASSUMED["start"] + by_hand)
    assert expected_seconds(cell(0, 0, **BASELINE)) < expected_seconds(cell(0, 0))


def test_a_cell_is_counted_in_the_first_study_that_has_it():
    rows = {row["study"]: row for row in budget()}
    assert list(rows) == [*STUDIES, "all"]
    assert (rows["main"]["cells"], rows["main"]["new"]) == (40, 40)
    # λ = 0 and 0.5 are cells of the main study.
    assert (rows["table5"]["cells"], rows["table5"]["new"]) == (56, 40)
    assert sum(row["new"] for row in rows.values()) == 2 * rows["all"]["new"]

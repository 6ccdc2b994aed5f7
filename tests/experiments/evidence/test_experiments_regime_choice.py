"""The rule that chooses the regime: reliance of 5 first, then mIoU; and nothing from a part of the study."""

import pytest
from evidence.regime_choice import MIOU, RELIANCE, chosen_regime
from grid.studies import STUDIES


def rows(**arms):
    return [
        {"arm": arm, "measure": name, "all": value}
        for arm, both in arms.items()
        for name, value in zip((MIOU, RELIANCE), both, strict=True)
    ]


@pytest.mark.parametrize(
    ("arms", "expected"),
    [
        ({"a": (50.0, 4.9), "b": (40.0, 5.0), "c": (41.0, 7.0)}, "c"),
        ({"a": (50.0, 4.9), "b": (40.0, 3.0), "c": (41.0, -7.0)}, "a"),
        ({"a": (50.0, 1.0), "b": (40.0, 3.0)}, "b"),
        ({"a": (50.0, 9.0), "b": (None, 3.0)}, None),
        ({}, None),
    ],
)
def test_the_rule(arms, expected):
    assert chosen_regime(rows(**arms)) == expected


def test_other_measures_do_not_count_and_every_arm_needs_both():
    found = rows(a=(50.0, 6.0), b=(40.0, 6.0))
    assert chosen_regime([*found, {"arm": "b", "measure": "mIoU at 0", "all": 90.0}]) == "a"
    assert chosen_regime(found[:-1]) is None


def test_the_question_tells_the_rule():
    question = STUDIES["regime"].question
    assert "support reliance on base classes is at least 5" in question and "highest reliance" in question

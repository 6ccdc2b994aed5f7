import pytest
from data.own.division import choose_validation
from hypothesis import given
from hypothesis import strategies as st

CLASSES = st.lists(st.sets(st.integers(1, 6), min_size=1, max_size=1), min_size=1, max_size=60)


@given(CLASSES, st.floats(0.01, 0.99), st.integers(0, 99))
def test_every_class_is_on_both_sides_where_it_has_two_pictures(classes, share, seed):
    chosen = choose_validation(classes, share, seed)
    for one in range(1, 7):
        sides = [to for to, shown in zip(chosen, classes, strict=True) if one in shown]
        fewest = 0 if len(sides) < 2 else 1 if len(sides) < 4 else 2
        assert min(sum(sides), len(sides) - sum(sides)) >= fewest
    assert choose_validation(classes, share, seed) == chosen


def test_a_single_picture_of_a_class_trains():
    assert choose_validation([{1}], 0.9, seed=0) == [False]


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_the_share_is_that_of_each_class(share):
    classes = [{1}] * 100 + [{2}] * 40
    chosen = choose_validation(classes, share, seed=3)
    assert sum(chosen[:100]) == round(100 * share) and sum(chosen[100:]) == round(40 * share)


def test_pictures_of_several_classes_are_moved_where_a_class_lacks_them():
    # Both pictures of class 1 are placed first; class 2 has no other pictures.
    classes = [{1, 2}, {1, 2}]
    assert sorted(choose_validation(classes, 0.25, seed=0)) == [False, True]
    crowded = [{1, 2}, {1, 3}, {2, 3}, {3}, {3}]
    for seed in range(20):
        chosen = choose_validation(crowded, 0.25, seed)
        assert {chosen[1], chosen[2], chosen[3], chosen[4]} == {False, True}


def test_another_seed_divides_otherwise():
    classes = [{1}] * 20
    assert choose_validation(classes, 0.25, 0) != choose_validation(classes, 0.25, 1)

import numpy as np
import pytest
from data.outlines.class_mask import draw_classes
from data.pictures import Damaged
from download_trees import square

SIZE = (40, 60)
NUMBERS = {3: 1, 9: 2}


def instance(category, x, y, side, **more):
    return {"id": x, "category_id": category, "segmentation": square(x, y, side)} | more


@pytest.mark.parametrize(
    "area", [{}, {"area": None}, {"area": 0}, {"area": float("nan")}, {"area": "25"}, {"area": -1}]
)
def test_small_ones_lie_on_large_ones_also_where_no_area_is_stated(area):
    both = [instance(9, 12, 12, 5, **area), instance(3, 10, 10, 20, **area)]
    for annotations in (both, both[::-1]):
        mask = draw_classes(annotations, NUMBERS, SIZE).mask
        assert (mask == 2).sum() == 25 and (mask == 1).sum() == 375


def test_an_area_of_any_size_is_a_number():
    both = [instance(9, 12, 12, 5), instance(3, 10, 10, 20, area=10**400)]
    assert (draw_classes(both, NUMBERS, SIZE).mask == 2).sum() == 25


def test_a_stated_area_decides_the_order():
    mask = draw_classes([instance(9, 12, 12, 5, area=900), instance(3, 10, 10, 20, area=400)], NUMBERS, SIZE).mask
    assert set(np.unique(mask)) == {0, 1}


@pytest.mark.parametrize(
    ("crowd", "value"), [({}, 1), ({"iscrowd": 0}, 1), ({"iscrowd": None}, 1), ({"iscrowd": 1}, 255)]
)
def test_a_missing_iscrowd_is_none(crowd, value):
    assert set(np.unique(draw_classes([instance(3, 5, 5, 9, **crowd)], NUMBERS, SIZE).mask)) == {0, value}


def test_what_holds_no_outline_is_named_and_the_rest_drawn():
    drawn = draw_classes([instance(3, 5, 5, 9), {"id": 8, "category_id": 3, "bbox": [1, 1, 4, 4]}], NUMBERS, SIZE)
    assert drawn.without_outline == ["annotation 8"] and (drawn.mask == 1).sum() == 81


def test_a_category_of_no_class_is_refused():
    with pytest.raises(Damaged, match=r"^annotation 5: expected a listed category, got 99; "):
        draw_classes([instance(99, 5, 5, 9)], NUMBERS, SIZE)

import itertools

import pytest
from reporting.page.palette import DARK, LEAST_CONTRAST, LIGHT, contrast, series

from selfcontrast.visualize import COLOURS


def rgb(text):
    return tuple(int(text[place : place + 2], 16) for place in (1, 3, 5))


@pytest.mark.parametrize("place", range(8))
def test_every_run_can_be_told_from_both_backgrounds(place):
    look = series(place)
    assert contrast(rgb(look.light), LIGHT) >= LEAST_CONTRAST and contrast(rgb(look.dark), DARK) >= LEAST_CONTRAST


def test_runs_differ_in_colour_and_dash_and_none_has_the_foregrounds_colour():
    looks = [series(place) for place in range(5)]
    for one, other in itertools.combinations(looks, 2):
        assert one.light != other.light and one.dark != other.dark and one.dash != other.dash
    assert COLOURS[0] not in [rgb(look.light) for look in looks]
    assert rgb(looks[0].light) == COLOURS[1], "a colour that is dark enough stays as it is"
    assert series(5).light == looks[0].light and series(5).dash != looks[0].dash


def test_contrast_is_wcags():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)

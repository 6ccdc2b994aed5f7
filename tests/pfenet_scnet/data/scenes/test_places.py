"""The places: each is drawn at any shape, each recurs, and no two are the same."""

import numpy as np
import pytest
from data.scenes.canvas import Canvas
from data.scenes.places import PLACES, draw_place
from data.scenes.sky import DAYLIGHTS


@pytest.mark.parametrize("draw", PLACES)
@pytest.mark.parametrize("size", [(64, 64), (96, 64), (48, 96)])
def test_every_place_fills_the_picture_and_has_ground(draw, size):
    for daylight in DAYLIGHTS:
        canvas = Canvas(size)
        horizon = draw(canvas, daylight, np.random.default_rng(0))
        picture = canvas.finished()
        assert picture.shape == (size[1], size[0], 3) and 25 < horizon < 70
        # What nobody painted is black.
        assert (picture.max(2) > 10).all()


def test_sky_and_ground_differ_and_every_place_recurs():
    places = [draw_place(np.random.default_rng(seed), (64, 64)) for seed in range(60)]
    assert 4 < sum(place.wall for place in places) < 24 and {place.sun for place in places} == {-1, 1}
    for place in places:
        rows = int(place.horizon * 0.64)
        above, below = (part.reshape(-1, 3).mean(0) for part in (place.picture[: rows // 2], place.picture[rows + 8 :]))
        assert np.abs(above - below).max() > 8
    assert len({place.picture.tobytes() for place in places}) == 60

"""The things: all shapes fill as many pixels, and every class has a look of its own."""

import numpy as np
import pytest
from data.scenes.things import class_names, corners, outline, texture


@pytest.mark.parametrize("c", [1, 2, 3, 4, 5])
def test_every_shape_has_the_area_of_a_disc_of_its_size(c):
    for seed in range(5):
        points = 30 * corners(c, np.random.default_rng(seed)) + 64
        covered = np.asarray(outline(points, (128, 128))).sum() / 255
        assert covered == pytest.approx(np.pi * 30**2, rel=0.04)


def test_no_two_classes_have_the_same_name_texture_or_colours():
    assert len(set(class_names())) == 20 and class_names()[5] == "striped square 6"
    colours = [texture(c, (48, 48), 1.0, np.random.default_rng(0)).reshape(-1, 3).mean(0) for c in range(1, 21)]
    apart = [np.abs(one - other).max() for number, one in enumerate(colours) for other in colours[:number]]
    assert min(apart) > 4


def test_a_near_thing_has_a_coarser_texture():
    fine, coarse = (texture(1, (200, 200), by, np.random.default_rng(0))[..., 0] for by in (0.5, 2.0))
    edges = [int((np.diff(picture > picture.mean()) != 0).sum()) for picture in (fine, coarse)]
    assert edges[0] > 3 * edges[1]

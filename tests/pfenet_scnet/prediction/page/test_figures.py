"""What the page shows, read back from its HTML."""

import base64
import re

import cv2
import numpy as np
import pytest
import torch
from prediction.page.figures import SIDE, answer_figures, on_screen, query_figure, support_figures
from prediction.page.side_by_side import Answer, Task
from recipe import Recipe

FIGURE = re.compile(
    r'<figure><img src="data:image/jpeg;base64,([^"]+)" alt="([^"]*)"><figcaption><b>(.*?)</b>(.*?)</figcaption>'
)


def figures(html):
    """Title → pixels, description, caption."""
    found = {}
    for data, description, title, caption in FIGURE.findall(html):
        pixels = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR_RGB)
        found[title] = pixels.astype(int), description, caption
    return found


def grey(height, width):
    return torch.full((3, height, width), 100, dtype=torch.uint8)


def task(regions, held=None, foreground=None):
    regions = torch.tensor(regions)
    nothing = torch.zeros(regions.shape, dtype=torch.bool)
    return Task(regions, regions if held is None else torch.tensor(held), nothing if foreground is None else foreground)


@pytest.fixture
def recipe():
    return Recipe(num_prototypes=2)


def test_predictions_stand_side_by_side_with_their_shares(recipe):
    half = torch.zeros(40, 80, dtype=torch.bool)
    half[:, :40] = True
    answer = Answer(grey(40, 80), {"Baseline": ~half & False, "SCNet": half}, None)
    found = figures(answer_figures("q.jpg", answer, recipe))
    assert list(found) == ["Query", "Baseline", "SCNet"]
    assert found["Query"][2] == "q.jpg, 80 x 40 pixels"
    assert "0.0 %" in found["Baseline"][2] and "50.0 %" in found["SCNet"][2]
    left, right = found["SCNet"][0][20, 10], found["SCNet"][0][20, 70]
    assert left[0] > left[1] + 60 and np.abs(right - 100).max() < 8
    assert np.abs(found["Baseline"][0] - 100).max() < 8


def test_the_grid_covers_the_picture_and_its_padding_is_cut_off(recipe):
    # Of a picture twice as wide as high, the lower half of the grid is padding.
    regions = [[0, 1], [-1, -1]]
    answer = Answer(grey(100, 200), {"SCNet": torch.zeros(100, 200, dtype=torch.bool)}, task(regions))
    pixels, description, caption = figures(answer_figures("q.jpg", answer, recipe))["Regions"]
    assert pixels.shape == (100, 200, 3) and description == "Regions of q.jpg"
    for row in (4, 50, 95):
        blue, yellow = pixels[row, 50], pixels[row, 150]
        assert blue[2] > blue[0] + 60 and yellow[0] > yellow[2] + 60
    assert "Region 1 (blue): 50.0 %" in caption and "Region 2 (yellow): 50.0 %" in caption
    assert "In none: 0.0 %" in caption and "finds no foreground" in caption and "k-means" in caption


def test_the_map_says_which_prototype_the_foreground_got_and_outlines_it(recipe):
    foreground = torch.tensor([[True, False], [False, False]])
    shown = task([[-1, 0], [1, 0]], [[1, 0], [1, 0]], foreground)
    answer = Answer(grey(80, 80), {"SCNet": torch.zeros(80, 80, dtype=torch.bool)}, shown)
    found = figures(answer_figures("q.jpg", answer, recipe))
    pixels, _, caption = found["Prototype map"]
    assert "here that of region 2 (yellow)" in caption and "at random" in caption
    assert pixels[15, 15][0] > pixels[15, 15][2] + 60, "the foreground has the colour of region 2"
    assert np.abs(found["Regions"][0][15, 15] - 100).max() < 12, "the foreground belongs to no region"
    assert "In none: 25.0 %" in found["Regions"][2] and "inside the white line" in found["Regions"][2]
    for name in ("Regions", "Prototype map"):
        bright = found[name][0].min(2) > 180
        assert bright[38:42, 10:30].any(0).all() and not bright[50:, 50:].any()


@pytest.mark.parametrize(
    ("regions", "foreground", "sentence"),
    [
        ([[0, 1]], False, "SCNet finds no foreground, so every pixel is compared with its own region's."),
        ([[-1, -1]], True, "SCNet takes every pixel for foreground, so there is no region and no prototype."),
    ],
)
def test_a_map_without_negatives_or_without_prototypes_says_so(recipe, regions, foreground, sentence):
    shown = task(regions, None, torch.full((1, 2), foreground))
    answer = Answer(grey(40, 80), {"SCNet": torch.full((40, 80), foreground)}, shown)
    assert sentence in figures(answer_figures("q.jpg", answer, recipe))["Prototype map"][2]


def test_a_pyramid_is_called_a_grid(recipe):
    recipe.partition, recipe.num_prototypes = "pyramid", 4
    answer = Answer(grey(40, 40), {"SCNet": torch.zeros(40, 40, dtype=torch.bool)}, task([[0, 1], [2, 3]]))
    caption = figures(answer_figures("q.jpg", answer, recipe))["Regions"][2]
    assert "a grid of equal cells" in caption and "k-means" not in caption and "Region 4 (sky blue): 25.0 %" in caption


def test_names_of_files_are_text_and_never_markup(recipe):
    name = '"><script>alert(1)</script>.jpg'
    answer = Answer(grey(20, 20), {"SCNet": torch.zeros(20, 20, dtype=torch.bool)}, task([[0]]))
    supports = [(grey(20, 20), torch.ones(20, 20))]
    for html in (
        answer_figures(name, answer, recipe),
        query_figure(grey(20, 20), name),
        support_figures(supports, name),
    ):
        assert "<script" not in html and "&lt;script&gt;" in html


def test_a_large_picture_is_shown_smaller_and_its_share_counted_in_full(recipe):
    foreground = torch.zeros(1500, 3000, dtype=torch.bool)
    foreground[0, :450] = True
    found = figures(answer_figures("q.jpg", Answer(grey(1500, 3000), {"SCNet": foreground}, None), recipe))
    assert found["SCNet"][0].shape == (SIDE // 2, SIDE, 3) and "3000 x 1500" in found["Query"][2]
    small = grey(30, 20)
    assert on_screen(small) is small and on_screen(grey(5, 5000)).shape == (3, 1, SIDE)


def test_supports_show_their_object_and_say_what_is_unlabelled():
    mask = np.zeros((20, 40), np.uint8)
    mask[:, :10], mask[:, 39] = 1, 255
    found = figures(support_figures([(grey(20, 40), mask), (grey(20, 40), np.ones((20, 40), np.uint8))], "cat"))
    assert found["Support 1"][2] == "cat: 25.0 % of the picture, and some pixels unlabelled"
    assert found["Support 2"][2] == "cat: 100.0 % of the picture"
    assert found["Support 1"][0][10, 3][0] > 140 and abs(found["Support 1"][0][10, 30][0] - 100) < 8

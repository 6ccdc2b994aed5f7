"""Pictures show what was scored: the same IoU, in the picture's own shape, the line along the mask's rim."""

import numpy as np
import pytest
import torch
from data.image_list import read_list
from evaluation.evaluator import episodes_of, evaluate
from PIL import Image
from recipe import Recipe
from reporting.episode_pictures import SIDE, episode_pictures, outlined, region_pictures
from reporting.pictures import draw_sheet, spread_over_classes
from tiny_backbone import tiny_model
from torch import nn
from voc_tree import mask_with, write_voc


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    masks = [mask_with(1 + i % 5, size=(40, 60) if i % 2 else (70, 50)) for i in range(20)]
    data = write_voc(tmp_path_factory.mktemp("voc"), masks, "val")
    return Recipe(data=str(data), fold=0, size=48, batch=4, episodes=12, min_pixels=100, workers=0, scales=(6, 3))


@pytest.fixture(scope="module")
def images(recipe):
    return read_list(recipe.data, "val", 100)


def model_of(bias):
    model = tiny_model()
    nn.init.constant_(model.cls[3].bias[:1], bias)
    return model


@pytest.mark.parametrize("protocol", ["ours", "hsnet"])
def test_the_iou_is_the_evaluations_and_the_picture_has_no_padding(recipe, images, protocol):
    recipe = Recipe(**vars(recipe) | {"protocol": protocol})
    model = model_of(0.0)
    scored = evaluate(model, recipe, images).by_episode
    episodes = [one.episode for one in scored]
    drawn = episode_pictures({"SCNet": model}, recipe, images, episodes)
    regions = region_pictures(model, recipe, images, episodes)
    for one, parts, (episode, pixels) in zip(drawn, regions, scored, strict=True):
        union = int(pixels.sum() - pixels[0, 0])
        assert one.iou["SCNet"] == pytest.approx(100 * int(pixels[1, 1]) / union)
        with Image.open(images.items[episode.query].image) as picture:
            width, height = picture.size
        for shown in (one.query, one.truth, parts, one.predictions["SCNet"]):
            assert max(shown.shape[1:]) == SIDE and shown.dtype == torch.uint8
            assert shown.shape[2] / shown.shape[1] == pytest.approx(width / height, rel=0.02)


def test_all_foreground_is_coloured_everywhere_and_none_nowhere(recipe, images):
    models = {"none": model_of(1e9), "all": model_of(-1e9)}
    (one,) = episode_pictures(models, recipe, images, episodes_of(recipe, images)[:1])
    line = (one.truth == 255).all(0)
    elsewhere = ~line
    coloured = {name: (picture[0] != picture[2])[elsewhere] for name, picture in one.predictions.items()}
    assert coloured["all"].all() and not coloured["none"].any()
    assert one.iou["none"] == 0 and 0 < one.iou["all"] < 100


def test_the_line_runs_along_the_rim():
    mask = torch.zeros(9, 9, dtype=torch.bool)
    mask[2:7, 2:7] = True
    lined = (outlined(torch.zeros(3, 9, 9, dtype=torch.uint8), mask) == 255).all(0)
    assert not lined[4, 4] and not lined[0, 0] and lined[1:8, 2].all() and lined[2, 1:8].all()
    assert not outlined(torch.zeros(3, 4, 4, dtype=torch.uint8), torch.ones(4, 4)).any(), "no rim at the picture's edge"


def test_a_sheet_spreads_over_the_classes_whatever_was_scored(recipe, images, tmp_path):
    episodes = episodes_of(Recipe(**vars(recipe) | {"episodes": 40}), images)
    shown = spread_over_classes(episodes, 8)
    classes = [one.novel_class for one in shown]
    assert classes == sorted(classes) and set(classes) == {1, 2, 3, 4, 5}
    assert all(one in episodes for one in shown) and len(set(shown)) == 8
    by_class = {c: [one for one in episodes if one.novel_class == c] for c in set(classes)}
    assert all(one in by_class[one.novel_class][: classes.count(one.novel_class)] for one in shown)
    models = {"baseline": model_of(0.0), "SCNet": model_of(0.5)}
    draw_sheet(tmp_path / "sheet.png", models, recipe, images, "a heading")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("L"))
    assert sheet.shape[1] == 1500 and sheet.std() > 20

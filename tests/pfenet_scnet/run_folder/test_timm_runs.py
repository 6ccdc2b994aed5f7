"""A run on a backbone from timm: its folder, its size, its weights, and its cache of features. No network."""

from pathlib import Path

import pytest
import torch
from data.image_list import read_list
from model.backbones import build_backbone
from model.pfenet import PFENet
from recipe import Recipe
from run_folder.weights import load_model
from torch import nn
from training.feature_cache import open_features
from voc_tree import mask_with, write_voc


def recipe(name="timm:test_vit", **options):
    return Recipe(backbone=name, channels=8, scales=(4, 2), size=64, **options)


@pytest.mark.parametrize("name", ["timm:test_vit", "timm:test_convnext"])
def test_a_run_loads_without_pretrained_weights_and_segments_as_before(name, tmp_path, monkeypatch):
    wanted = recipe(name)
    model = wanted.model_on(build_backbone(name, None)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    torch.save({"model": model.state_dict()}, tmp_path / "weights.pth")
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", lambda *_, **__: pytest.fail("the network"))
    loaded = load_model(tmp_path / "weights.pth", wanted)
    query, supports, masks = torch.randn(1, 3, 64, 64), torch.randn(1, 2, 3, 64, 64), torch.ones(1, 2, 64, 64)
    assert torch.equal(loaded(query, supports, masks), model(query, supports, masks))


def test_another_backbones_run_is_refused(tmp_path):
    wanted = recipe()
    torch.save(wanted.model_on(build_backbone("timm:test_vit", None)).state_dict(), tmp_path / "weights.pth")
    with pytest.raises(ValueError, match="name the recipe it was trained with by --recipe, its backbone included"):
        load_model(tmp_path / "weights.pth", recipe("timm:test_vit2"))


def test_pictures_that_no_patches_fill_are_refused_when_the_model_is_built():
    wanted = recipe()
    wanted.size = 100
    with pytest.raises(ValueError, match=r"size: expected a multiple of 16, .* got 100; set --size to 96 or 112$"):
        wanted.model_on(build_backbone(wanted.backbone, None))


def test_the_runs_folder_has_a_name_that_every_system_takes(tmp_path):
    wanted = recipe(data=str(tmp_path)).resolve()
    assert "-timm-test_vit-" in wanted.out and ":" not in Path(wanted.out).as_posix()


def test_an_unknown_name_is_refused_when_the_recipe_is_read():
    with pytest.raises(ValueError, match="did you mean timm:test_vit"):
        recipe("timm:test_vitt")


def test_two_networks_of_the_same_weights_have_two_caches(tmp_path):
    images = read_list(write_voc(tmp_path / "voc", [mask_with(3), mask_with(3)]), "train", 60)
    model = PFENet(build_backbone("timm:test_vit", None), 8, (4, 2))
    first = open_features(tmp_path / "features", model, images, [3], 64)
    assert first.arrays["mid"].shape == (2, 2, 4, 4, 128) and first.arrays["high_level"].shape == (2, 2, 4, 4, 64)
    for block in model.layer4[0]:
        # As OpenAI's CLIP has it; timm lists such pairs of models with the same weights.
        block.mlp.act = nn.ReLU()
    other = open_features(tmp_path / "features", model, images, [3], 64)
    assert first.folder != other.folder
    assert not torch.allclose(first.read("high_level", 0, 3, 0), other.read("high_level", 0, 3, 0))
    assert torch.equal(first.read("mid", 0, 3, 0), other.read("mid", 0, 3, 0))

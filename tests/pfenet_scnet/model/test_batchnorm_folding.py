import copy

import pytest
import torch
from model.backbones import build_backbone
from model.batchnorm_folding import FoldedNormalisation, fold
from torch import nn


def shaken(layer):
    """Weights and statistics as different between channels as those of a trained network."""
    for module in layer.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.5)
            nn.init.normal_(module.running_mean, std=0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return layer


@pytest.fixture
def plain():
    """With a bias and without one, and a normalisation with no convolution before it."""
    torch.manual_seed(0)
    first, second = nn.Conv2d(3, 5, 3, stride=2, padding=1), nn.Conv2d(5, 4, 3, padding=2, dilation=2, bias=False)
    parts = first, nn.BatchNorm2d(5), nn.ReLU(), second, nn.BatchNorm2d(4), nn.ReLU(), nn.BatchNorm2d(4)
    return shaken(nn.Sequential(*parts)).eval().requires_grad_(False)


@pytest.fixture
def folded(plain):
    layer = copy.deepcopy(plain)
    fold(layer)
    return layer


@pytest.fixture
def images():
    return torch.rand(2, 3, 17, 13)


def test_a_folded_layer_gives_what_it_gave(plain, folded, images):
    assert [isinstance(module, FoldedNormalisation) for module in folded] == [
        False,
        True,
        False,
        False,
        True,
        *2 * [False],
    ]
    assert torch.allclose(folded(images), plain(images), atol=1e-5)


def test_state_dicts_load_both_ways_and_count_at_once(plain, folded, images):
    before = folded(images)
    other = shaken(copy.deepcopy(plain))
    folded.load_state_dict(other.state_dict())
    assert not torch.allclose(folded(images), before, atol=1e-2)
    assert torch.allclose(folded(images), other(images), atol=1e-5)
    plain.load_state_dict(folded.state_dict())
    assert torch.equal(plain(images), other(images))


def test_a_copy_has_statistics_of_its_own(folded, images):
    before, twin = folded(images), copy.deepcopy(folded)
    twin[1].running_mean += 1
    assert torch.equal(folded(images), before) and not torch.allclose(twin(images), before, atol=1e-2)


def test_live_statistics_are_the_batch_s_and_move(plain, folded, images):
    assert torch.equal(folded.train()(images), plain.train()(images))
    for name, value in plain.state_dict().items():
        assert torch.equal(folded.state_dict()[name], value), name
    assert torch.allclose(folded.eval()(images), plain.eval()(images), atol=1e-5)


def test_half_precision_stays_half(folded, images):
    with torch.autocast("cpu", torch.bfloat16):
        assert folded[:2](images).dtype == torch.bfloat16


@pytest.mark.parametrize(("name", "norms"), [("resnet50", 55), ("vgg16_bn", 13)])
def test_every_normalisation_of_a_backbone_is_folded(monkeypatch, name, norms):
    with monkeypatch.context() as context:
        context.setattr("model.backbones.fold", lambda _: None)
        unfolded = build_backbone(name, weights=None).layers
    found, maps = build_backbone(name, weights=None).layers, torch.rand(1, 3, 33, 33)
    with torch.no_grad():
        for layer, plain in zip(found, unfolded, strict=True):
            layer.eval().load_state_dict(shaken(plain).eval().state_dict())
            expected = plain(maps)
            assert torch.allclose(layer(maps), expected, rtol=1e-5, atol=1e-5 * expected.abs().max().item())
            maps = expected
    assert sum(isinstance(module, FoldedNormalisation) for layer in found for module in layer.modules()) == norms
    assert not any(type(module) is nn.BatchNorm2d for layer in found for module in layer.modules())

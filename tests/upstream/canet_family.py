"""CANet, and PMMs and RPMMs, which were built on its code."""

import importlib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest import mock

import torch
from patches import importing
from published import Published, Size, episode, freeze
from torch import Tensor
from torch.nn import functional as F

PIXELS = 129


def canet(folder: Path, size: Size) -> Published:
    """CANet; its history mask is an earlier step's prediction of the same query, here a random one."""
    with importing(folder):
        module = importlib.import_module("one_shot_network")
    model = module.Res_Deeplab(num_classes=2)
    freeze(model.conv1, model.layer1, model.layer2, model.layer3)
    model.train()
    given = episode(PIXELS, size)
    history = torch.randn(size.batch, 2, 17, 17).softmax(1)
    arguments = (given.query, given.support[:, 0], given.support_mask.float(), history)

    def main_loss(output: Tensor) -> Tensor:
        logits = F.interpolate(output, size=(PIXELS, PIXELS), mode="bilinear", align_corners=True)
        return F.cross_entropy(logits, given.mask, ignore_index=255)

    return Published("canet", model, arguments, {}, given.mask, main_loss)


def pmms(folder: Path, size: Size) -> Published:
    """PMMs, the one-shot network `FPMMs`."""
    with importing(folder):
        module = importlib.import_module("networks.FPMMs")
    return _as_pmms_trains("pmms", module, size)


def rpmms(folder: Path, size: Size) -> Published:
    """RPMMs, the one-shot network `FRPMMs`."""
    with importing(folder):
        module = importlib.import_module("networks.FRPMMs")
    return _as_pmms_trains("rpmms", module, size)


def _as_pmms_trains(name: str, module: ModuleType, size: Size) -> Published:
    # It fills the backbone from torchvision's weights and returns it.
    with mock.patch.object(module.resnet, "load_resnet50_param", lambda network, **_: network):
        model = module.OneModel(SimpleNamespace(batch_size=size.batch))
    model.train()
    given = episode(PIXELS, size, unlabelled=False)
    arguments = (given.query, given.support[:, 0], given.support_mask.float())

    def main_loss(output: tuple[object, ...]) -> Tensor:
        return model.get_loss(output, given.mask.unsqueeze(1), None)[0]

    return Published(name, model, arguments, {}, given.mask, main_loss)

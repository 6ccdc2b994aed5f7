"""Models with no prototype to replace, for the refusals and for `probe`.

HSNet, PATNet and FECANet correlate the pixels of support and query; CAPL trains a classifier without a support.
"""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from patches import importing, untrained
from published import Published, Size, episode
from torch import Tensor
from torchvision.models import resnet

# The learners' convolutions need three grids that halve exactly.
PIXELS = 128
CAPL_PIXELS = 129


def hsnet(folder: Path, size: Size) -> Published:
    """HSNet, ResNet-50; it calls its backbone's parts with `.forward(...)`, past every hook."""
    with importing(folder):
        module = importlib.import_module("model.hsnet")
    with untrained(resnet, "resnet50"):
        model = module.HypercorrSqueezeNetwork("resnet50", use_original_imgsize=False)
    return _as_hsnet_trains("hsnet", model, size)


def patnet(folder: Path, size: Size) -> Published:
    """PATNet, ResNet-50: prototypes turn its features towards anchors, before it correlates them as HSNet does."""
    with importing(folder):
        module = importlib.import_module("model.patnet")
    with untrained(resnet, "resnet50"):
        model = module.PATNetwork("resnet50")
    return _as_hsnet_trains("patnet", model, size)


def fecanet(folder: Path, size: Size) -> Published:
    """FECANet, ResNet-50; its history mask is an earlier step's prediction, of zeros at first."""
    with importing(folder):
        module = importlib.import_module("model.FECANet")
    # It makes and calls three of its modules only where it counts one GPU, and fills zeros that a GPU's copy would be.
    vars(module)["torch"] = SimpleNamespace(**vars(torch) | {"cuda": SimpleNamespace(device_count=lambda: 1)})
    vars(sys.modules["model.base.CRM"])["torch"] = SimpleNamespace(**vars(torch) | {"zeros": _zeros})
    with untrained(resnet, "resnet50"):
        model = module.FECANet("resnet50", use_original_imgsize=False)
    return _as_hsnet_trains("fecanet", model, size, torch.zeros(size.batch, 2, PIXELS // 4, PIXELS // 4))


def capl(folder: Path, size: Size) -> Published:
    """CAPL, ResNet-50: batches of labelled images, some of whose classes are taken for new ones."""
    with importing(folder):
        module = importlib.import_module("model.capl")
    model = module.PSPNet(layers=50, classes=16, pretrained=False, bins=(1, 2, 3, 6))
    model.train()
    given = episode(CAPL_PIXELS, size)

    def main_loss(output: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        return output[1] + 0.4 * output[2]

    return Published("capl", model, (), {"x": given.query, "y": given.mask, "iter": 0}, given.mask, main_loss)


def _as_hsnet_trains(name: str, model: Any, size: Size, *history: Tensor) -> Published:
    model.train_mode()
    given = episode(PIXELS, size, unlabelled=False)

    def main_loss(output: Tensor) -> Tensor:
        return model.compute_objective(output, given.mask)

    arguments = (given.query, given.support[:, 0], given.support_mask[:, 0], *history)
    return Published(name, model, arguments, {}, given.mask, main_loss)


def _zeros(*arguments: Any, requires_grad: bool, **keywords: Any) -> Tensor:
    return torch.zeros(*arguments, **keywords)

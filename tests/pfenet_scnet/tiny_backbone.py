"""A backbone that runs in milliseconds, with the shapes of a published one, and PFENet on it."""

import torch
from model.backbones import Backbone
from model.pfenet import PFENet
from torch import nn


def tiny_backbone():
    """Five layers small enough to reason about; layer3 halves the grid of layer2, as in VGG."""
    channels, layers = [3, 4, 6, 8, 10, 12], []
    for i, stride in enumerate([2, 2, 1, 2, 1]):
        convolution = nn.Conv2d(channels[i], channels[i + 1], 3, stride, 1)
        layers.append(nn.Sequential(convolution, nn.BatchNorm2d(channels[i + 1]), nn.ReLU()))
    return Backbone(tuple(layers), 8 + 10)


def tiny_model(seed=0):
    """An untrained PFENet in eval mode, whose weights are large enough for its answers to differ."""
    torch.manual_seed(seed)
    model = PFENet(tiny_backbone(), channels=16, scales=(6, 3)).eval()
    for convolution in (module for module in model.modules() if isinstance(module, nn.Conv2d)):
        nn.init.kaiming_normal_(convolution.weight)
    return model

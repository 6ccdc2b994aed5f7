"""What the small models share: layers, pooling, prior masks and losses, in a few lines each.

Axes: B episodes, K shots, C = 8 channels of the features, h x w = 8 x 8 their grid, H x W = 32 x 32 the images.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

C = 8
GRID = 8
CounterPrior = Callable[[Tensor], Tensor]


def block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    layers = [nn.Conv2d(inputs, outputs, stride, stride, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


def head(inputs: int = C, dropout: float = 0.1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, C, 1), nn.ReLU(), nn.Dropout2d(dropout), nn.Conv2d(C, 2, 1))


def reduce(inputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, C, 1), nn.ReLU(), nn.Dropout2d(0.5))


def pool(features: Tensor, mask: Tensor) -> Tensor:
    """(B, C, 1, 1): the mean over the foreground of a mask (B, H, W) or (B, 1, H, W)."""
    weight = F.interpolate(mask.reshape(len(mask), 1, *mask.shape[-2:]).float(), features.shape[2:])
    return (features * weight).sum((2, 3), keepdim=True) / (weight.sum((2, 3), keepdim=True) + 5e-4)


def prior_mask(query: Tensor, support: Tensor) -> Tensor:
    """(B, 1, h, w) in 0..1: each query pixel's best cosine with a support pixel, stretched over the image's range."""
    one, other = F.normalize(query.flatten(2), dim=1), F.normalize(support.flatten(2), dim=1)
    best = torch.einsum("bci,bcj->bij", one, other).amax(2)
    low, high = best.amin(1, keepdim=True), best.amax(1, keepdim=True)
    return ((best - low) / (high - low + 1e-7)).view(len(query), 1, *query.shape[2:])


def nearest(prototype: Tensor, size: tuple[int, int]) -> Tensor:
    """A prototype (B, C, 1, 1) on every pixel, or a map of them at another size, without mixing any."""
    return F.interpolate(prototype, size, mode="nearest-exact")


def bilinear(tensor: Tensor, size: tuple[int, int], align_corners: bool = True) -> Tensor:
    return F.interpolate(tensor, size, mode="bilinear", align_corners=align_corners)


def judged(logits: Tensor, mask: Tensor, align_corners: bool = True) -> Tensor:
    """Cross-entropy at the mask's size."""
    size = (mask.shape[-2], mask.shape[-1])
    return F.cross_entropy(bilinear(logits, size, align_corners), mask, ignore_index=255)


def one_loss(logits: tuple[Tensor, ...], mask: Tensor) -> Tensor:
    return judged(logits[0], mask)


class Dice(nn.Module):
    """A loss that is no cross-entropy: a host's criterion is a submodule of any kind."""

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        foreground, known = logits.softmax(1)[:, 1], mask != 255
        overlap = (foreground * (mask == 1))[known].sum()
        return 1 - 2 * overlap / (foreground[known].sum() + (mask == 1).sum() + 1)


class Backbone(nn.Module):
    """Attributes layer0 to layer4 on the model itself, frozen, its BatchNorm live as in the published scripts."""

    def __init__(self, deep: int = 16) -> None:
        super().__init__()
        self.layer0, self.layer1 = block(3, C, 2), block(C, C, 2)
        self.layer2, self.layer3, self.layer4 = block(C, C), block(C, C), block(C, deep)
        for layer in (self.layer0, self.layer1, self.layer2, self.layer3, self.layer4):
            layer.requires_grad_(False)

    @torch.no_grad()
    def middle(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Features of layers 2 and 3 side by side, and those of layer 3."""
        second = self.layer2(self.layer1(self.layer0(image)))
        third = self.layer3(second)
        return torch.cat([third, second], 1), third

"""One host for each mechanism, and its blended loss written out without an attachment.

Axes: B = 2 episodes, 16 x 16 pixels, C = 8 channels, 4 x 4 the grid.
"""

from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import selfcontrast

MECHANISMS = ("fold", "replay", "exchange")
every_mechanism = pytest.mark.parametrize("mechanism", MECHANISMS)
Episode = tuple[Tensor, Tensor, Tensor]


def episode(seed: int = 0) -> Episode:
    """Query (B, 3, H, W), support (B, 3, H, W), and the query's mask (B, H, W) of 0, 1 and 255."""
    images = torch.randn(2, 2, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
    mask = torch.zeros(2, 16, 16, dtype=torch.long)
    mask[:, 4:12, 3:11], mask[:, -2:] = 1, 255
    return images[0], images[1], mask


class Small(nn.Module):
    """Encoder and deep features, with a part that torch.utils.checkpoint may compute again.

    Args:
        saved: "encoder", "comparison", or one of the comparison's modules; "" for none.
        reentrant: the kind of checkpoint.
    """

    def __init__(self, saved: str = "", reentrant: bool = False) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 8, 4, 4, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 1)
        )
        self.deep = nn.Conv2d(8, 16, 1)
        self.saved, self.reentrant = saved, reentrant

    def part(self, name: str, run: Any, *inputs: Tensor) -> Tensor:
        return checkpoint(run, *inputs, use_reentrant=self.reentrant) if name == self.saved else run(*inputs)

    def encode(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features (B, C, h, w), and prototypes (B, C, 1, 1) of the support's left and right half."""
        features, own = self.part("encoder", self.encoder, query), self.encoder(support)
        return features, own[..., :2].mean((2, 3), keepdim=True), own[..., 2:].mean((2, 3), keepdim=True)

    def compare(self, features: Tensor, foreground: Tensor, background: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        features, foreground, background = self.encode(query, support)
        self.deep(features)
        return self.part("comparison", self.compare, features, foreground, background)


class Learned(Small):
    """A comparison of convolutions, with live batch normalisation in it."""

    def __init__(self, saved: str = "", reentrant: bool = False) -> None:
        super().__init__(saved, reentrant)
        self.merge, self.head = nn.Conv2d(16, 8, 1), nn.Conv2d(8, 2, 1)
        self.body = nn.Sequential(nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())

    def compare(self, features: Tensor, foreground: Tensor, background: Tensor) -> Tensor:
        merged = self.merge(torch.cat([features, foreground.expand_as(features)], 1))
        return self.head(self.part("body", self.body, merged))

    def contrast(self, features: Tensor, prototype_map: Tensor, foreground: Tensor) -> Tensor:
        return self.compare(features, prototype_map, foreground)


class Cosine(Small):
    """A comparison by cosine similarity, with a learned scale behind it."""

    def __init__(self, saved: str = "", reentrant: bool = False) -> None:
        super().__init__(saved, reentrant)
        self.scale = nn.Parameter(torch.tensor(10.0))

    def compare(self, features: Tensor, foreground: Tensor, background: Tensor) -> Tensor:
        scores = [torch.cosine_similarity(features, prototype, dim=1) for prototype in (background, foreground)]
        return self.scale * torch.stack(scores, 1)

    def contrast(self, features: Tensor, prototype_map: Tensor, foreground: Tensor) -> Tensor:
        return self.compare(features, prototype_map, foreground)


def build(mechanism: str, saved: str = "", reentrant: bool = False) -> Small:
    """The same weights each time."""
    torch.manual_seed(0)
    return (Cosine if mechanism == "exchange" else Learned)(saved, reentrant)


def attach(model: nn.Module, mechanism: str, package: ModuleType = selfcontrast) -> Any:
    """The task, which draws the same numbers each time."""
    auxiliary = package.SelfContrastiveAuxiliary(generator=torch.Generator().manual_seed(0))
    if mechanism == "exchange":
        host = package.CosineHost("encoder#0", "deep", foreground=1, background=0, output="", mask="mask")
    else:
        entries, exits = (package.Entry("merge"),), (package.Exit("head"),)
        host = package.Host("encoder#0", "deep", entries, exits, mask="mask", mechanism=mechanism)
    return auxiliary.attach(model, host)


def judged(logits: Tensor, mask: Tensor) -> Tensor:
    large = F.interpolate(logits.float(), mask.shape[1:], mode="bilinear", align_corners=True)
    return F.cross_entropy(large, mask, ignore_index=255)


def blended(called: nn.Module, attachment: Any, images: Episode) -> Tensor:
    """A training step's loss, as a script forms it. The first image asks for a gradient, for reentrant checkpoints."""
    query = images[0].clone().requires_grad_()
    return attachment.blend(judged(called(query, *images[1:]), images[2]))


def written_out(model: Small, images: Episode) -> Tensor:
    """The same loss without an attachment: the comparison given to the task as a function."""
    query, support, mask = images
    auxiliary = selfcontrast.SelfContrastiveAuxiliary(generator=torch.Generator().manual_seed(0))
    features, foreground, background = model.encode(query, support)
    deep = model.deep(features).detach()
    main_loss = judged(model.compare(features, foreground, background), mask)

    def compare(features: Tensor, prototype_map: Tensor) -> Tensor:
        return model.contrast(features, prototype_map, foreground)

    return auxiliary(main_loss, features, deep, mask, compare)


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}


def assert_alike(found: dict[str, Tensor], expected: dict[str, Tensor], relative: float = 1e-5) -> None:
    """Every tensor differs by at most this share of its own largest value, or of a tenth of the largest of all."""
    assert found.keys() == expected.keys() and expected
    largest = max(float(one.abs().max()) for one in expected.values())
    for name, one in expected.items():
        bound = relative * max(float(one.abs().max()), 0.1 * largest)
        assert float((found[name] - one).abs().max()) <= bound, name

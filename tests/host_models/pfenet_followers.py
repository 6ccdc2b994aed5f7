"""Small models of what followed PFENet: MIANet, MSANet, PFENet++ and QGNet."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from host_models.parts import GRID, C, bilinear, block, judged, nearest, pool, prior_mask, reduce
from host_models.pfenet_family import BAM, BINS, Encoded, PFENet

CLASSES, WORD = 5, 6


def merges(inputs: int) -> nn.ModuleList:
    return nn.ModuleList(nn.Sequential(nn.Conv2d(inputs, C, 1), nn.ReLU()) for _ in BINS)


class MIANet(PFENet):
    """A word vector and the support's prototype make the one that is compared; deep layers go by two names."""

    def __init__(self) -> None:
        super().__init__()
        del self.down_query, self.down_supp
        self.down_features = reduce(2 * C)
        self.general = nn.Sequential(nn.Linear(WORD + C, C), nn.ReLU(), nn.Dropout(0.3), nn.Linear(C, C))
        self.base = nn.ModuleDict({"layer3": self.layer3, "layer4": self.layer4})

    def reduced(self, middle: Tensor, support: bool) -> Tensor:
        return self.down_features(middle)

    def generals(self, prototype: Tensor) -> Tensor:
        """A prototype of each class, (B, classes, C)."""
        words = torch.linspace(-1, 1, CLASSES * WORD, device=prototype.device).view(1, CLASSES, WORD)
        own = prototype.flatten(1)[:, None].expand(-1, CLASSES, -1)
        return self.general(torch.cat([words.expand(len(own), -1, -1), own], 2))

    def forward(  # type: ignore[override]
        self, x: Tensor, s_x: Tensor, s_y: Tensor, y: Tensor | None = None, class_chosen: Any = None
    ) -> Any:
        encoded = self.encode(x, s_x, s_y)
        anchors = self.generals(encoded.prototypes[0])
        anchor = anchors[list(range(len(x))), class_chosen]
        logits = self.compare(encoded._replace(prototypes=[anchor[:, :, None, None]]))
        out = bilinear(logits[0], x.shape[2:])
        if not self.training:
            return out
        support, mask = self.down_features(self.middle(s_x[:, 0])[0]), s_y[:, 0] == 1
        inside, outside = pool(support, mask).flatten(1), pool(support, ~mask).flatten(1)
        scales = torch.stack([judged(one, y) for one in logits[1:]]).mean()
        # As published: not a scalar.
        triplet = F.triplet_margin_loss(anchor, inside, outside, 0.5).view(1)
        return out.max(1)[1], self.criterion(out, y), scales, triplet


class PFENetPlus(PFENet):
    """Two prior masks, and both are learned."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Sequential(nn.Conv2d(C, C, 1), nn.BatchNorm2d(C))
        self.init_merge = merges(2 * C + 2)

    def encode(self, x: Tensor, s_x: Tensor, s_y: Tensor) -> Encoded:
        found = super().encode(x, s_x, s_y)
        own = self.theta(found.features)
        prototype = nearest(found.prototypes[0], (GRID, GRID))
        priors = [prior_mask(one, prototype) for one in (own, F.avg_pool2d(own, 3, 1, 1))]
        return found._replace(prior=torch.cat(priors, 1))


class Guided(NamedTuple):
    """As `Encoded`, and a comparison of the query with itself, (B, 1, h, w)."""

    features: Tensor
    prototypes: list[Tensor]
    prior: Tensor
    guide: Tensor


class QGNet(PFENet):
    """Two backbones see the query; how alike what they see is stands behind the prior mask."""

    def __init__(self) -> None:
        super().__init__()
        self.unsupervised = block(3, 16, 4)
        self.down_learn_super, self.down_learn_unsuper = reduce(16), reduce(16)
        self.init_merge = merges(2 * C + 2)

    def encode(self, x: Tensor, s_x: Tensor, s_y: Tensor) -> Guided:  # type: ignore[override]
        with torch.no_grad():
            supervised, unsupervised = self.deep(self.middle(x)[1]), self.unsupervised(x)
        guide = prior_mask(self.down_learn_super(supervised), self.down_learn_unsuper(unsupervised))
        return Guided(*super().encode(x, s_x, s_y), guide)

    def merged(self, encoded: Guided, size: tuple[int, int] = (GRID, GRID)) -> Tensor:  # type: ignore[override]
        return torch.cat([super().merged(encoded, size), bilinear(encoded.guide, size)], 1)


class Attended(NamedTuple):
    """As `Encoded`, with features of correlations, (B, 64, h, w), and the attended support, (B, C, h, w)."""

    features: Tensor
    prototypes: list[Tensor]
    prior: Tensor
    correlations: Tensor
    attended: Tensor


class Block(nn.Module):
    """A residual block whose layers are called from outside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()


class MSANet(BAM):
    """Correlations and attended support stand beside the prior mask; no hook sees the deep features."""

    def __init__(self) -> None:
        super().__init__()
        self.widen = block(C, 16)
        self.layer4 = nn.Sequential(Block(16), Block(16), Block(16))
        for layer in (self.widen, self.layer4):
            layer.requires_grad_(False)
        self.hyper_final = nn.Sequential(nn.Conv2d(3, 64, 1), nn.BatchNorm2d(64), nn.ReLU())
        self.gate = nn.Sequential(nn.Conv2d(C, C, 1), nn.Dropout(0.5), nn.Sigmoid())
        self.init_merge = nn.Sequential(nn.Conv2d(3 * C + 65, C, 1), nn.ReLU())

    def deep(self, third: Tensor) -> Tensor:
        found = self.widen(third)
        for one in self.layer4:
            inside = one.relu.forward(one.bn.forward(one.conv.forward(found)))
            inside = one.relu.forward(one.conv.forward(inside))
            found = one.relu.forward(found + one.bn.forward(inside))
        return found

    def encode(self, x: Tensor, s_x: Tensor, s_y: Tensor) -> Attended:  # type: ignore[override]
        found = super().encode(x, s_x, s_y)
        own, mask = self.middle(x)[0], s_y[:, 0] == 1
        support = self.middle(s_x[:, 0])[0]
        alike = F.cosine_similarity(own, pool(support, mask), dim=1).clamp(0)[:, None]
        correlations = self.hyper_final(torch.cat([alike, alike**2, alike**3], 1))
        reduced = self.down_supp(support)
        shown = F.interpolate(mask[:, None].float(), reduced.shape[2:])
        gate = self.gate(F.adaptive_avg_pool2d(reduced * shown, 1))
        return Attended(*found, correlations, gate * reduced)

    def merged(self, encoded: Attended, size: tuple[int, int] = (GRID, GRID)) -> Tensor:  # type: ignore[override]
        prototype = nearest(encoded.prototypes[0], size)
        return torch.cat([encoded.features, prototype, encoded.correlations, encoded.prior, encoded.attended], 1)

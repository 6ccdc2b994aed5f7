"""FWB, CRNet and SimPropNet, of which no usable code exists: small models that follow their papers."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from host_models.parts import Backbone, C, CounterPrior, judged, nearest, pool, reduce


class Weighting(nn.Module):
    """Weighs channels by how well they tell the support's foreground from its background."""

    def forward(self, features: Tensor, relevance: Tensor) -> Tensor:
        return features * relevance


class FWB(Backbone):
    """Feature weighting: the cosine of weighted features with the weighted prototype guides a decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.reduction, self.weighting, self.similarity = reduce(2 * C), Weighting(), nn.CosineSimilarity()
        self.decoder = nn.Sequential(nn.Conv2d(C + 1, C, 3, padding=1), nn.ReLU(), nn.Conv2d(C, 2, 1))

    def encode(self, query: Tensor, support: Tensor, support_mask: Tensor) -> tuple[Tensor, Tensor]:
        features, shown = self.reduction(self.middle(query)[0]), self.reduction(self.middle(support)[0])
        prototype = pool(shown, support_mask)
        relevance = F.normalize((prototype - pool(shown, 1 - support_mask)).abs(), dim=1)
        return self.weighting(features, relevance), prototype * relevance

    def forward(self, query: Tensor, support: Tensor, support_mask: Tensor) -> Tensor:
        weighted, prototype = self.encode(query, support, support_mask)
        return self.decoder(torch.cat([weighted, self.similarity(weighted, prototype)[:, None]], 1))

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, *episode: Tensor) -> tuple[Tensor, ...]:
        weighted, _ = self.encode(*episode)
        scores = F.cosine_similarity(weighted, prototype_map)
        return (self.decoder(torch.cat([weighted, scores[:, None]], 1)),)


class CRNet(Backbone):
    """Cross-reference: each image gates the other's channels; the prototype conditions the query, thrice refined."""

    def __init__(self) -> None:
        super().__init__()
        self.reduction, self.gate = reduce(2 * C), nn.Sequential(nn.Conv2d(C, C, 1), nn.Sigmoid())
        self.reinforced, self.co_head = nn.Identity(), nn.Conv2d(C, 2, 1)
        self.condition = nn.Sequential(nn.Conv2d(2 * C, C, 1), nn.ReLU())
        self.refine, self.head = nn.Sequential(nn.Conv2d(C + 2, C, 1), nn.ReLU()), nn.Conv2d(C, 2, 1)

    def encode(self, query: Tensor, support: Tensor, support_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        one, other = self.reduction(self.middle(query)[0]), self.reduction(self.middle(support)[0])
        gates = self.gate(F.adaptive_avg_pool2d(one, 1)) * self.gate(F.adaptive_avg_pool2d(other, 1))
        return self.reinforced(one * gates), pool(other * gates, support_mask), other * gates

    def compare(self, features: Tensor, prototype: Tensor) -> tuple[Tensor, ...]:
        conditioned = self.condition(torch.cat([features, nearest(prototype, features.shape[2:])], 1))
        history = conditioned.new_zeros(len(conditioned), 2, *conditioned.shape[2:])
        rounds = []
        for _ in range(3):
            rounds.append(self.head(conditioned + self.refine(torch.cat([conditioned, history], 1))))
            history = rounds[-1].softmax(1)
        return tuple(rounds)

    def forward(self, query: Tensor, support: Tensor, support_mask: Tensor) -> Any:
        features, prototype, shown = self.encode(query, support, support_mask)
        rounds = self.compare(features, prototype)
        return (*rounds, self.co_head(features), self.co_head(shown)) if self.training else rounds[-1]

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, *episode: Tensor) -> tuple[Tensor, ...]:
        return self.compare(self.encode(*episode)[0], prototype_map)


class SimPropNet(Backbone):
    """Similarity propagation: the prototype beside maps of how near each pixel is to the support's two parts.

    In training the support is segmented too, by the same comparison, after the query.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reduction, self.fusion = reduce(2 * C), nn.Sequential(nn.Conv2d(2 * C + 2, C, 1), nn.ReLU())
        self.decoder = nn.Sequential(nn.Conv2d(C, C, 3, padding=1), nn.ReLU(), nn.Conv2d(C, 2, 1))

    def encode(self, one: Tensor, other: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features, shown = self.reduction(self.middle(one)[0]), self.reduction(self.middle(other)[0])
        parts = pool(shown, mask), pool(shown, 1 - mask)
        near = torch.stack([F.cosine_similarity(features, part) for part in parts], 1)
        return features, parts[0], (near + 1) / 2

    def compare(self, features: Tensor, prototype: Tensor, near: Tensor) -> Tensor:
        return self.decoder(self.fusion(torch.cat([features, nearest(prototype, features.shape[2:]), near], 1)))

    def forward(self, query: Tensor, support: Tensor, support_mask: Tensor) -> Any:
        logits = self.compare(*self.encode(query, support, support_mask))
        return (logits, self.compare(*self.encode(support, support, support_mask))) if self.training else logits

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, *episode: Tensor) -> tuple[Tensor, ...]:
        features, _, near = self.encode(*episode)
        return (self.compare(features, prototype_map, counter(near)),)


def rounds_loss(logits: tuple[Tensor, ...], mask: Tensor) -> Tensor:
    """The rounds' losses, averaged."""
    return torch.stack([judged(one, mask) for one in logits]).mean()

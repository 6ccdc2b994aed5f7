"""Hosts that probe has never seen, each with one thing that is hard to find; 32 pixels, 8 x 8 features."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH = 8


def images(batch: int = 2) -> tuple[Tensor, Tensor]:
    """Query and support."""
    torch.manual_seed(0)
    return torch.rand(batch, 3, 32, 32), torch.rand(batch, 3, 32, 32)


def mask(batch: int = 2) -> Tensor:
    square = torch.zeros(batch, 32, 32, dtype=torch.long)
    square[:, 8:24, 8:24] = 1
    return square


def pooled(features: Tensor, support_mask: Tensor, of: int = 1) -> Tensor:
    """The mean of the cells whose mask is `of`."""
    inside = F.adaptive_avg_pool2d((support_mask == of)[:, None].float(), features.shape[2:])
    return (features * inside).sum((2, 3), keepdim=True) / inside.sum((2, 3), keepdim=True)


class Merging(nn.Module):
    """`parts(features, prototype, support features)` are set side by side and go into `head`."""

    def __init__(
        self, parts: Callable[[Tensor, Tensor, Tensor], list[Tensor]], channels: int, classes: int = 2
    ) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.parts = parts
        self.encoder, self.deep = nn.Conv2d(3, WIDTH, 4, 4), nn.Conv2d(WIDTH, 16, 1)
        self.head = nn.Conv2d(channels, classes, 1)

    def forward(self, query: Tensor, support: Tensor) -> Tensor:
        return self.head(self.merged(query, support))

    def merged(self, query: Tensor, support: Tensor) -> Tensor:
        features = self.encoder(query)
        self.deep(features)
        others = self.encoder(support)
        prototype = others.mean((2, 3), keepdim=True).expand_as(features)
        return torch.cat(self.parts(features, prototype, others), 1)


def prior_of(features: Tensor, prototype: Tensor) -> Tensor:
    return torch.sigmoid((features * prototype).sum(1, True))


def stretched(one: Tensor) -> Tensor:
    """From 0 to 1 in each image."""
    low, high = one.amin((2, 3), keepdim=True), one.amax((2, 3), keepdim=True)
    return (one - low) / (high - low)


class TwoBranches(nn.Module):
    """Heads of one channel for background and foreground, joined by cat for the criterion alone (DCP, R2Net)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.encoder, self.deep = nn.Conv2d(3, WIDTH, 4, 4), nn.Conv2d(WIDTH, 16, 1)
        self.one, self.two = nn.Conv2d(2 * WIDTH, 1, 1), nn.Conv2d(2 * WIDTH + 1, 1, 1)
        self.criterion = nn.CrossEntropyLoss()

    def prototypes(self, features: Tensor, support: Tensor, support_mask: Tensor) -> tuple[Tensor, Tensor]:
        others = self.encoder(support)
        found = [pooled(others, support_mask, of).expand_as(features) for of in (0, 1)]
        return found[0], found[1]

    def forward(self, query: Tensor, support: Tensor, support_mask: Tensor, y: Tensor) -> Tensor:
        features = self.encoder(query)
        self.deep(features)
        background, foreground = self.prototypes(features, support, support_mask)
        prior = prior_of(features, foreground)
        joined = [
            self.one(torch.cat([background, features], 1)),
            self.two(torch.cat([prior, features, foreground], 1)),
        ]
        logits = torch.cat(joined, 1)
        return self.criterion(F.interpolate(logits, y.shape[1:], mode="bilinear", align_corners=True), y)


class NearestOfSeveral(TwoBranches):
    """Each pixel has the prototype that is nearest to it (R2Net)."""

    def prototypes(self, features: Tensor, support: Tensor, support_mask: Tensor) -> tuple[Tensor, Tensor]:
        others = self.encoder(support)
        corners = [others[:, :, :4], others[:, :, 4:]]
        return self._nearest(features, corners, support_mask, 0), self._nearest(features, corners, support_mask, 1)

    def _nearest(self, features: Tensor, parts: list[Tensor], support_mask: Tensor, of: int) -> Tensor:
        halves = support_mask.chunk(2, 1)
        several = torch.stack([pooled(part, half, of) for part, half in zip(parts, halves, strict=True)], 1)
        distance = (features[:, None] - several).square().sum(2, True)
        first = distance.argmin(1, True) == 0
        return torch.where(first[:, 0], several[:, 0], several[:, 1])


class NearestAndMean(NearestOfSeveral):
    """The foreground's prototype is the nearest one, and comes first; the background's is the same for all pixels."""

    def forward(self, query: Tensor, support: Tensor, support_mask: Tensor, y: Tensor) -> Tensor:
        features = self.encoder(query)
        self.deep(features)
        background, _ = TwoBranches.prototypes(self, features, support, support_mask)
        _, foreground = self.prototypes(features, support, support_mask)
        prior = prior_of(features, foreground)
        last = self.two(torch.cat([prior, features, foreground], 1))
        logits = torch.cat([self.one(torch.cat([background, features], 1)), last], 1)
        return self.criterion(F.interpolate(logits, y.shape[1:], mode="bilinear", align_corners=True), y)


class OneEntry(TwoBranches):
    """Features and both prototypes stand in one input."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3 * WIDTH, 2, 1)

    def forward(self, query: Tensor, support: Tensor, support_mask: Tensor, y: Tensor) -> Tensor:
        features = self.encoder(query)
        self.deep(features)
        background, foreground = self.prototypes(features, support, support_mask)
        return self.head(torch.cat([background, features, foreground], 1))


class WideFields(OneEntry):
    """Cells of the support see their neighbours, so that each prototype follows both sides of the mask."""

    def prototypes(self, features: Tensor, support: Tensor, support_mask: Tensor) -> tuple[Tensor, Tensor]:
        others = F.avg_pool2d(self.encoder(support), 3, 1, 1)
        background, foreground = (pooled(others, support_mask, of).expand_as(features) for of in (0, 1))
        return background, foreground


class OwnFeatures(NearestOfSeveral):
    """The second of two modules compares features of its own, beside those of the first."""

    def __init__(self) -> None:
        super().__init__()
        self.own, self.head = nn.Conv2d(WIDTH, WIDTH, 1), nn.Conv2d(WIDTH, 2, 1)
        self.one, self.two = nn.Conv2d(2 * WIDTH, WIDTH, 1), nn.Conv2d(3 * WIDTH, WIDTH, 1)

    def forward(self, query: Tensor, support: Tensor, support_mask: Tensor, y: Tensor) -> Tensor:
        features, others = self.encoder(query), self.encoder(support)
        self.deep(features)
        own = self.own(features)
        first, second = (
            self._nearest(one, [*support.chunk(2, 2)], support_mask, 1)
            for one, support in ((features, others), (own, self.own(others)))
        )
        return self.head(self.one(torch.cat([features, first], 1)) + self.two(torch.cat([features, own, second], 1)))


class ScaledFeatures(nn.Module):
    """Each scale compares features of its own (NTRENet)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.encoder = nn.Conv2d(3, WIDTH, 4, 4)
        self.reduce = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 1) for _ in range(2))
        self.merge = nn.ModuleList(nn.Conv2d(2 * WIDTH, WIDTH, 1) for _ in range(2))
        self.head = nn.Conv2d(WIDTH, 2, 1)

    def forward(self, query: Tensor, support: Tensor) -> Tensor:
        features = self.encoder(query)
        prototype = self.encoder(support).mean((2, 3), keepdim=True)
        total = features
        for size, reduce, merge in zip((8, 4), self.reduce, self.merge, strict=True):
            own = reduce(F.adaptive_avg_pool2d(features, size))
            merged = merge(torch.cat([own, prototype.expand_as(own)], 1))
            total = total + F.interpolate(merged, features.shape[2:])
        return self.head(total)


class SeveralMasks(Merging):
    """A padding mask that changes the logits, the mask of a learner of base classes, and the query's mask."""

    def __init__(self) -> None:
        super().__init__(lambda features, prototype, others: [features, prototype], 2 * WIDTH)
        self.base = nn.Conv2d(WIDTH, 2, 1)

    def forward(self, query: Tensor, support: Tensor, padding: Tensor, y_b: Tensor, y_m: Tensor) -> tuple[Tensor, ...]:
        logits = self.head(self.merged(query, support)) * F.adaptive_avg_pool2d(1 - padding[:, None].float(), 8)
        base = self.base(self.encoder(query))
        return logits, self._loss(base, y_b), self._loss(logits, y_m)

    def _loss(self, logits: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(F.interpolate(logits, target.shape[1:]), target)


class Comparing(nn.Module):
    """Support and query pass one encoder, in lists of ways of shots; background, then foreground (PANet)."""

    def __init__(self, product: bool = False) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.encoder, self.product = nn.Conv2d(3, WIDTH, 4, 4), product

    def forward(self, supports: list[Any], masks: list[Any], queries: list[Tensor]) -> tuple[Tensor, Tensor]:
        shots, (query,) = supports[0], queries
        both = self.encoder(torch.cat([*shots, query]))
        others, features = both[: -len(query)].chunk(len(shots)), both[-len(query) :]
        pairs = list(zip(others, masks[0], strict=True))
        found = [torch.stack([pooled(one, own, of) for one, own in pairs]).mean(0) for of in (0, 1)]
        logits = 20 * torch.stack([self.similarity(features, prototype) for prototype in found], 1)
        own = pooled(features, logits.argmax(1))
        return F.interpolate(logits, query.shape[2:], mode="bilinear"), self.similarity(others[0], own).mean()

    def similarity(self, features: Tensor, prototype: Tensor) -> Tensor:
        if not self.product:
            return F.cosine_similarity(features, prototype, dim=1)
        unit = F.normalize(prototype.flatten(1), dim=1)
        return torch.einsum("bchw,bc->bhw", F.normalize(features, dim=1), unit)


class Threshold(nn.Module):
    """One prototype and a learned threshold; returns probabilities (Q-Net)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.encoder, self.t = nn.Conv2d(3, WIDTH, 4, 4), nn.Parameter(torch.zeros(()))

    def forward(self, query: Tensor, support: Tensor) -> dict[str, Tensor]:
        prototype = self.encoder(support).mean((2, 3), keepdim=True)
        cosine = F.cosine_similarity(self.encoder(query), prototype, dim=1)
        foreground = torch.sigmoid(10 * cosine + self.t)
        return {"probable": torch.stack([1 - foreground, foreground], 1)}


class Guided(Comparing):
    """What is compared first guides a second prototype, and the query's mask makes a third (SSP)."""

    def forward(self, support: Tensor, support_mask: Tensor, query: Tensor, mask_q: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        others, features = self.encoder(support), self.encoder(query)
        first = self._logits(features, [pooled(others, support_mask, of) for of in (0, 1)])
        again = [(features * first.softmax(1)[:, [of]]).mean((2, 3), keepdim=True) for of in (0, 1)]
        logits = self._logits(features, again)
        return logits, self._logits(features, [pooled(features, mask_q, of) for of in (0, 1)])

    def _logits(self, features: Tensor, prototypes: list[Tensor]) -> Tensor:
        return torch.stack([10 * self.similarity(features, prototype) for prototype in prototypes], 1)

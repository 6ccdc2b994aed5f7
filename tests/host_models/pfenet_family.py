"""PFENet and what is built on it: HPA's baseline, BAM and SCL."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from host_models.parts import (
    GRID,
    Backbone,
    C,
    CounterPrior,
    bilinear,
    block,
    head,
    judged,
    nearest,
    pool,
    prior_mask,
    reduce,
)

BINS = (8, 4, 3, 2)


class Encoded(NamedTuple):
    """What a comparison starts from: features, prototypes (B, C, 1, 1) or maps of them, the prior mask."""

    features: Tensor
    prototypes: list[Tensor]
    prior: Tensor


class Family(Backbone):
    """A backbone, one reduction for the query, another for the support, and a prior mask."""

    def __init__(self) -> None:
        super().__init__()
        self.down_query, self.down_supp = reduce(2 * C), reduce(2 * C)
        self.criterion = nn.CrossEntropyLoss(ignore_index=255)

    def reduced(self, middle: Tensor, support: bool) -> Tensor:
        return self.down_supp(middle) if support else self.down_query(middle)

    def deep(self, third: Tensor) -> Tensor:
        return self.layer4(third)

    def encode(self, x: Tensor, s_x: Tensor, s_y: Tensor) -> Encoded:
        middle, third = self.middle(x)
        features = self.reduced(middle, support=False)
        with torch.no_grad():
            high = self.deep(third)
        prototypes, priors = [], []
        for shot in range(s_x.shape[1]):
            own, mask = self.middle(s_x[:, shot]), (s_y[:, shot] == 1)
            with torch.no_grad():
                shown = F.interpolate(mask[:, None].float(), own[1].shape[2:])
                priors.append(prior_mask(high, self.deep(own[1] * shown)))
            prototypes.append(pool(self.reduced(own[0], support=True), mask))
        return Encoded(features, [torch.stack(prototypes).mean(0)], torch.stack(priors).mean(0))

    def merged(self, encoded: Encoded, size: tuple[int, int] = (GRID, GRID)) -> Tensor:
        spread = [nearest(prototype, size) for prototype in encoded.prototypes]
        return torch.cat([F.adaptive_avg_pool2d(encoded.features, size), *spread, bilinear(encoded.prior, size)], 1)

    def compare(self, encoded: Encoded) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, **episode: Any) -> tuple[Tensor, ...]:
        """The second comparison, written out: the same features, the map for each prototype, the counter-prior."""
        found = self.encode(episode["x"], episode["s_x"], episode["s_y"])
        return self.compare(
            found._replace(prototypes=[prototype_map] * len(found.prototypes), prior=counter(found.prior))
        )


class Pyramid(nn.Module):
    """The heads of four scales, each of which sees the coarser step of the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha_conv = nn.ModuleList(nn.Sequential(nn.Conv2d(2 * C, C, 1), nn.ReLU()) for _ in BINS[1:])
        self.beta_conv = nn.ModuleList(nn.Sequential(nn.Conv2d(C, C, 3, padding=1), nn.ReLU()) for _ in BINS)
        self.inner_cls = nn.ModuleList(head() for _ in BINS)
        self.res1, self.cls = nn.Sequential(nn.Conv2d(4 * C, C, 1), nn.ReLU()), head()

    def scales(self, merges: nn.ModuleList, merged: list[Tensor]) -> tuple[Tensor, ...]:
        inner, finished = [], []
        for place, (merge, one) in enumerate(zip(merges, merged, strict=True)):
            one = merge(one)
            if place > 0:
                coarser = bilinear(finished[-1], one.shape[2:])
                one = self.alpha_conv[place - 1](torch.cat([one, coarser], 1)) + one
            one = self.beta_conv[place](one) + one
            inner.append(self.inner_cls[place](one))
            finished.append(bilinear(one, (GRID, GRID)))
        return self.cls(self.res1(torch.cat(finished, 1))), *inner


def whole_loss(logits: tuple[Tensor, ...], mask: Tensor) -> Tensor:
    """The main cross-entropy plus the mean of those of the scales."""
    return judged(logits[0], mask) + torch.stack([judged(one, mask) for one in logits[1:]]).mean()


class PFENet(Family, Pyramid):
    """Deep supervision at four pooled scales."""

    def __init__(self) -> None:
        super().__init__()
        self.init_merge = nn.ModuleList(nn.Sequential(nn.Conv2d(2 * C + 1, C, 1), nn.ReLU()) for _ in BINS)

    def compare(self, encoded: Encoded) -> tuple[Tensor, ...]:
        return self.scales(self.init_merge, [self.merged(encoded, (size, size)) for size in BINS])

    def forward(self, x: Tensor, s_x: Tensor, s_y: Tensor, y: Tensor | None = None) -> Any:
        logits = self.compare(self.encode(x, s_x, s_y))
        out = bilinear(logits[0], x.shape[2:])
        if not self.training:
            return out
        scales = [self.criterion(bilinear(one, x.shape[2:]), y) for one in logits[1:]]
        return out.max(1)[1], self.criterion(out, y), torch.stack(scales).mean()


class SCL(PFENet):
    """Two prototypes side by side; in training the support passes the same heads twice before the query does."""

    def __init__(self) -> None:
        super().__init__()
        self.init_merge = nn.ModuleList(nn.Sequential(nn.Conv2d(3 * C + 1, C, 1), nn.ReLU()) for _ in BINS)
        self.supp_init_merge = nn.ModuleList(nn.Sequential(nn.Conv2d(3 * C, C, 1), nn.ReLU()) for _ in BINS)

    def encode(self, x: Tensor, s_x: Tensor, s_y: Tensor) -> Encoded:
        found = super().encode(x, s_x, s_y)
        return found._replace(prototypes=[found.prototypes[0], found.prototypes[0].square()])

    def support_pass(self, features: Tensor, prototypes: list[Tensor]) -> tuple[Tensor, ...]:
        sizes = [(size, size) for size in BINS]
        merged = [
            torch.cat([F.adaptive_avg_pool2d(features, size), *(nearest(one, size) for one in prototypes)], 1)
            for size in sizes
        ]
        return self.scales(self.supp_init_merge, merged)

    def forward(self, x: Tensor, s_x: Tensor, s_y: Tensor, y: Tensor | None = None) -> Any:
        encoded = self.encode(x, s_x, s_y)
        support = self.down_supp(self.middle(s_x[:, 0])[0])
        passes = [self.support_pass(support, encoded.prototypes) for _ in range(2 if self.training else 1)]
        logits = self.compare(encoded)
        if not self.training:
            return bilinear(logits[0], x.shape[2:])
        losses = [[judged(one, s_y[:, 0]) for one in several] for several in passes]
        inner = torch.stack([judged(one, y) for one in logits[1:]]).mean()
        auxiliary = inner + sum(torch.stack(own[1:]).mean() for own in losses)
        out = bilinear(logits[0], x.shape[2:])
        return out.max(1)[1], self.criterion(out, y) + sum(own[0] for own in losses), auxiliary


class HPA(Family):
    """One scale, one loss; the auxiliary loss it returns is a constant 0."""

    def __init__(self) -> None:
        super().__init__()
        self.init_merge = nn.Sequential(nn.Conv2d(2 * C + 1, C, 1), nn.ReLU())
        self.ASPP_meta, self.cls = nn.Conv2d(2 * C, C, 1), head()

    def compare(self, encoded: Encoded) -> tuple[Tensor, ...]:
        merged = self.init_merge(self.merged(encoded))
        pooled = F.adaptive_avg_pool2d(merged, 1).expand_as(merged)
        return (self.cls(self.ASPP_meta(torch.cat([merged, pooled], 1))),)

    def forward(self, x: Tensor, s_x: Tensor, s_y: Tensor, y: Tensor, cat_idx: Any = None) -> Any:
        out = bilinear(self.compare(self.encode(x, s_x, s_y))[0], x.shape[2:])
        return (out.max(1)[1], self.criterion(out, y), torch.tensor(0.0)) if self.training else out


class BAM(Family):
    """A base learner of single-batch size runs between entry and exit, and an ensemble behind the exit."""

    def __init__(self) -> None:
        super().__init__()
        self.init_merge = nn.Sequential(nn.Conv2d(2 * C + 1, C, 1), nn.ReLU())
        self.learner_base = nn.Sequential(block(16, C), nn.Dropout2d(0.1), nn.Conv2d(C, 3, 1))
        self.cls_meta = head()
        self.gram_merge, self.cls_merge = nn.Conv2d(2, 1, 1, bias=False), nn.Conv2d(2, 1, 1, bias=False)

    def compare(self, encoded: Encoded) -> tuple[Tensor, ...]:
        return (self.cls_meta(self.init_merge(self.merged(encoded))),)

    def forward(self, x: Tensor, y_m: Tensor, y_b: Tensor, s_x: Tensor, s_y: Tensor, cat_idx: Any = None) -> Any:
        encoded = self.encode(x, s_x, s_y)
        merged = self.init_merge(self.merged(encoded))
        with torch.no_grad():
            high = self.deep(self.middle(x)[1])
        base = self.learner_base(high)
        meta = self.cls_meta(merged)
        shares, other = meta.softmax(1), base.softmax(1)[:, 1:].amax(1, keepdim=True)
        estimate = torch.cat([shares[:, :1], prior_mask(high, high)], 1)
        background = self.cls_merge(torch.cat([self.gram_merge(estimate), other], 1))
        final = bilinear(torch.cat([background, shares[:, 1:]], 1), x.shape[2:])
        meta, base = bilinear(meta, x.shape[2:]), bilinear(base, x.shape[2:])
        if not self.training:
            return final, meta, base
        return final.max(1)[1], self.criterion(final, y_m), self.criterion(meta, y_m), self.criterion(base, y_b)

"""DCP, R2Net and NTRENet: beside the foreground's comparison stands one with a background."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from host_models.parts import GRID, C, CounterPrior, bilinear, head, judged, nearest, pool
from host_models.pfenet_family import BINS, Encoded, Family, Pyramid

CLASSES = 3


def one_channel() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(C, C, 3, padding=1), nn.ReLU(), nn.Dropout2d(0.1), nn.Conv2d(C, 1, 1))


def likeness(features: Tensor, prototypes: list[Tensor]) -> Tensor:
    """(B, P, h, w): each pixel's cosine with each prototype (B, C, 1, 1)."""
    return torch.stack([F.cosine_similarity(features, one) for one in prototypes], 1)


class Parts(NamedTuple):
    """Features; prototypes (B, C, 1, 1) of the object, the background, and parts of each; the prior mask."""

    features: Tensor
    foreground: list[Tensor]
    background: list[Tensor]
    prior: Tensor
    guess: Tensor


class DCP(Family):
    """A head of one channel for each class; similarities with parts of both, found by a guess at the support."""

    def __init__(self) -> None:
        super().__init__()
        self.init_merge = nn.Sequential(nn.Conv2d(2 * C + 4, C, 1), nn.ReLU())
        self.init_merge_bg = nn.Sequential(nn.Conv2d(2 * C + 3, C, 1), nn.ReLU())
        self.cls, self.cls_bg, self.cls_simple = one_channel(), one_channel(), nn.Conv2d(16, 2, 1)

    def parts(self, x: Tensor, s_x: Tensor, s_y: Tensor) -> Parts:
        found = self.encode(x, s_x, s_y)
        foreground, background = [], []
        for shot in range(s_x.shape[1]):
            middle, third = self.middle(s_x[:, shot])
            shown, mask = self.down_supp(middle), nearest((s_y[:, shot, None] == 1).float(), (GRID, GRID))
            guess = self.cls_simple(self.layer4(third)).argmax(1, keepdim=True)
            foreground.append([pool(shown, one) for one in (mask, mask * guess, mask * (1 - guess))])
            rest = 1 - mask
            background.append([pool(shown, one) for one in (rest, rest * guess, rest * (1 - guess))])
        both = ([torch.stack(one).mean(0) for one in zip(*shots, strict=True)] for shots in (foreground, background))
        return Parts(found.features, *both, found.prior, self.cls_simple(self.layer4(self.middle(x)[1])))

    def compare(self, found: Parts, foreground: Tensor, background: Tensor, counter: CounterPrior) -> Tensor:
        extras = torch.cat([found.prior, likeness(found.features, found.foreground)], 1)
        other = likeness(found.features, found.background)
        size = found.features.shape[2:]
        merged = self.init_merge(torch.cat([found.features, nearest(foreground, size), counter(extras)], 1))
        rest = self.init_merge_bg(torch.cat([found.features, nearest(background, size), counter(other)], 1))
        return torch.cat([self.cls_bg(rest), self.cls(merged)], 1)

    def forward(self, x: Tensor, s_x: Tensor, s_y: Tensor, y: Tensor, cat_idx: Any = None) -> Any:
        found = self.parts(x, s_x, s_y)
        logits = self.compare(found, found.foreground[0], found.background[0], lambda prior: prior)
        out = bilinear(logits, x.shape[2:])
        if not self.training:
            return out
        return out.max(1)[1], self.criterion(out, y), self.criterion(bilinear(found.guess, x.shape[2:]), y)

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, **episode: Any) -> tuple[Tensor, ...]:
        """As published, but the foreground's prototype stands where the background's did."""
        found = self.parts(episode["x"], episode["s_x"], episode["s_y"])
        logits = self.compare(found, prototype_map, found.foreground[0], counter)
        return (bilinear(logits, episode["x"].shape[2:]),)


def most_similar(features: Tensor, prototypes: Tensor) -> Tensor:
    """(B, C, h, w): at each pixel the prototypes, (B, P, C), that are most similar to it, softly mixed."""
    alike = F.cosine_similarity(prototypes[:, :, :, None, None], features[:, None], dim=2)
    return torch.einsum("bphw,bpc->bchw", (10 * alike).softmax(1), prototypes)


class R2Net(Family):
    """Maps of prototypes for both classes, one decoder for both; a base learner's map behind the entry."""

    def __init__(self) -> None:
        super().__init__()
        self.init_merge = nn.Sequential(nn.Conv2d(2 * C + 1, C, 1), nn.ReLU())
        self.init_merge_bg = nn.Sequential(nn.Conv2d(2 * C, C, 1), nn.ReLU())
        self.base_layer, self.decode = nn.Conv2d(16, CLASSES, 1).requires_grad_(False), one_channel()
        self.beta = nn.Parameter(torch.rand(CLASSES, 1))
        # No parameter and no buffer, as published.
        self.pro_global = torch.rand(CLASSES, C)

    def prototypes(self, s_x: Tensor, s_y: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """(B, P, C) of the foreground and of the background, the base classes' among them; shots beside each other."""
        foreground, background = [], []
        for shot in range(s_x.shape[1]):
            middle, third = self.middle(s_x[:, shot])
            shown, mask = self.down_supp(middle), (s_y[:, shot, None] == 1).float()
            shares = self.base_layer(self.layer4(third)).softmax(1)
            local = torch.stack([pool(shown, share[:, None]).flatten(1) for share in shares.unbind(1)], 1)
            local = self.pro_global + self.beta * local
            rows = torch.arange(len(classes))
            others = torch.stack([local[rows, (classes + step) % CLASSES] for step in range(1, CLASSES)], 1)
            foreground += [pool(shown, mask).flatten(1)[:, None], local[rows, classes][:, None]]
            background += [pool(shown, 1 - mask).flatten(1)[:, None], others]
        return torch.cat(foreground, 1), torch.cat(background, 1)

    def compare(self, found: Encoded, foreground: Tensor, background: Tensor, alone: Tensor) -> Tensor:
        merged = self.init_merge(torch.cat([found.features, foreground, found.prior], 1)) * alone
        rest = self.init_merge_bg(torch.cat([found.features, background], 1))
        return torch.cat([self.decode(rest), self.decode(merged)], 1)

    def maps(self, x: Tensor, s_x: Tensor, s_y: Tensor, cat_idx: Any) -> tuple[Encoded, Tensor, Tensor, Tensor]:
        found, classes = self.encode(x, s_x, s_y), cat_idx[0].long() + 1
        shares = self.base_layer(self.layer4(self.middle(x)[1])).softmax(1)
        alone = (shares[:, 0] + shares[torch.arange(len(x)), classes])[:, None]
        both = (most_similar(found.features, one) for one in self.prototypes(s_x, s_y, classes))
        return found, *both, alone

    def forward(self, x: Tensor, s_x: Tensor, s_y: Tensor, y: Tensor, cat_idx: Any) -> Any:
        out = bilinear(self.compare(*self.maps(x, s_x, s_y, cat_idx)), x.shape[2:])
        if not self.training:
            return out
        share = out.softmax(1)[:, 1].mean((1, 2))
        return out.max(1)[1], self.criterion(out, y), -torch.log(share).mean(), self.beta.square().mean()

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, **episode: Any) -> tuple[Tensor, ...]:
        found, foreground, _, alone = self.maps(*(episode[name] for name in ("x", "s_x", "s_y", "cat_idx")))
        found = found._replace(prior=counter(found.prior))
        return (bilinear(self.compare(found, prototype_map, foreground, alone), episode["x"].shape[2:]),)


class NTRENet(Family, Pyramid):
    """A learned background prototype meets the features first; a queue of earlier prototypes is an argument."""

    def __init__(self) -> None:
        super().__init__()
        self.init_merge1 = nn.ModuleList(nn.Conv2d(2 * C, C, 1) for _ in BINS)
        self.init_merge2 = nn.ModuleList(nn.Sequential(nn.Conv2d(2 * C + 1, C, 1), nn.ReLU()) for _ in BINS)
        self.init_merge3 = nn.ModuleList(nn.Sequential(nn.Conv2d(2 * C, C, 1), nn.ReLU()) for _ in BINS)
        self.inital_inner_cls, self.bg_cls = nn.ModuleList(head() for _ in BINS), head(2 * C)
        self.bg_prototype = nn.Parameter(torch.randn(1, C, 1, 1))

    def ground(self, features: Tensor) -> Tensor:
        """(B, 2, h, w): logits of what the learned prototype finds, 1 for the background."""
        return self.bg_cls(torch.cat([features, self.bg_prototype.expand_as(features)], 1))

    def compare(self, encoded: Encoded) -> tuple[Tensor, ...]:
        ground, merged, first = self.ground(encoded.features), [], []
        for place, bin in enumerate(BINS):
            pooled, prototype, prior = self.merged(encoded, (bin, bin)).split([C, C, 1], 1)
            own = self.init_merge1[place](torch.cat([pooled, self.bg_prototype.expand_as(pooled)], 1))
            own = self.init_merge2[place](torch.cat([own, prototype, prior], 1))
            first.append(self.inital_inner_cls[place](own))
            found = bilinear(ground, (bin, bin)).argmax(1, keepdim=True) + first[-1].argmax(1, keepdim=True)
            neither = (F.relu(1.0 - found) * pooled).mean((2, 3), keepdim=True)
            merged.append(torch.cat([own, neither.expand_as(own)], 1))
        return *self.scales(self.init_merge3, merged), *first

    def forward(
        self, s_x: Tensor, s_y: Tensor, x: Tensor, y: Tensor, classes: Any, prototype_neg_dict: Any = None
    ) -> Any:
        encoded = self.encode(x, s_x, s_y)
        logits = self.compare(encoded)
        out = bilinear(logits[0], x.shape[2:])
        if not self.training:
            return out
        several = [
            torch.stack([self.criterion(bilinear(one, x.shape[2:]), y) for one in logits[place : place + 4]])
            for place in (1, 5)
        ]
        ground = self.criterion(bilinear(self.ground(encoded.features), x.shape[2:]), torch.ones_like(y))
        contrast = self.contrast(encoded, logits[0], torch.cat(classes), prototype_neg_dict)
        auxiliary = ground + 0.4 * several[0].mean() + 0.6 * several[1].mean() + 0.01 * contrast
        return out.max(1)[1], self.criterion(out, y), auxiliary, prototype_neg_dict

    def contrast(self, encoded: Encoded, logits: Tensor, classes: Tensor, queue: dict[int, Tensor]) -> Tensor:
        """Predicted prototypes lie near the support's and far from all that their class left in the queue."""
        found = pool(encoded.features, logits.argmax(1)).flatten(1)
        losses = []
        for one, other, name in zip(found, encoded.prototypes[0].flatten(1), classes.tolist(), strict=True):
            rows = [one.detach()[None] + 1, *([queue[name]] if name in queue else [])]
            queue[name] = torch.cat(rows)
            near, far = F.cosine_similarity(one, other, dim=0).exp(), F.cosine_similarity(one, queue[name]).exp().sum()
            losses.append(-torch.log(near / far + 1e-8))
        return torch.stack(losses).mean()


def three_kinds(logits: tuple[Tensor, ...], mask: Tensor) -> Tensor:
    """The main loss, 0.4 of the mean of the scales' and 0.6 of that of their first guesses."""
    one, *several = (judged(one, mask) for one in logits)
    return one + 0.4 * torch.stack(several[:4]).mean() + 0.6 * torch.stack(several[4:]).mean()

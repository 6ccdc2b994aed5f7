"""ASGNet with both of its heads: one encoder for query and support, and a prototype of its own for every pixel."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from host_models.parts import GRID, Backbone, C, CounterPrior, bilinear, head, judged, nearest, pool
from host_models.pfenet_family import BINS, Pyramid


class Family(Backbone):
    """The prototype map holds for each pixel the nearer of two support prototypes; layer4 is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.down_conv = nn.Sequential(nn.Conv2d(2 * C, C, 1), nn.Dropout2d(0.5))
        self.criterion = nn.CrossEntropyLoss(ignore_index=255)

    def guide(self, x: Tensor, s_x: Tensor, s_y: Tensor, s_seed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features, each pixel's prototype, and the summed similarities."""
        features = self.down_conv(self.middle(x)[0])
        support = self.down_conv(self.middle(s_x[:, 0])[0])
        with torch.no_grad():
            mask = (s_y[:, 0] == 1).float()
            upper = (torch.arange(mask.shape[1]) < mask.shape[1] // 2)[:, None]
            several = torch.stack([pool(support, mask * upper), pool(support, mask * ~upper)], 1)
            scores = F.cosine_similarity(features[:, None], several, dim=2)
            nearer = scores.argmax(1, keepdim=True)
            prototypes = torch.where(nearer == 0, several[:, 0], several[:, 1])
            return features, prototypes, scores.sum(1, keepdim=True)


class ASGNetPyramid(Family, Pyramid):
    """Features and prototypes are pooled together."""

    def __init__(self) -> None:
        super().__init__()
        self.corr_conv = nn.ModuleList(nn.Sequential(nn.Conv2d(2 * C + 1, C, 1), nn.ReLU()) for _ in BINS)

    def forward(self, x: Tensor, s_x: Tensor, s_y: Tensor, s_seed: Tensor, y: Tensor | None = None) -> Any:
        found = torch.cat(self.guide(x, s_x, s_y, s_seed), 1)
        logits = self.scales(self.corr_conv, [F.adaptive_avg_pool2d(found, size) for size in BINS])
        out = bilinear(logits[0], x.shape[2:])
        if not self.training:
            return out
        scales = [self.criterion(bilinear(one, x.shape[2:]), y) for one in logits[1:]]
        return out.max(1)[1], self.criterion(out, y), torch.stack(scales).mean()

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, **episode: Any) -> tuple[Tensor, ...]:
        features, _, prior = self.guide(episode["x"], episode["s_x"], episode["s_y"], episode["s_seed"])
        several = [
            torch.cat(
                [
                    F.adaptive_avg_pool2d(features, size),
                    nearest(prototype_map, (size, size)),
                    counter(F.adaptive_avg_pool2d(prior, size)),
                ],
                1,
            )
            for size in BINS
        ]
        return self.scales(self.corr_conv, several)


class Decoder(nn.Module):
    """Twice the grid, with the query's fine features beside; BatchNorm on both."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(C, 4, 1, bias=False), nn.BatchNorm2d(4)
        self.last_conv = nn.Sequential(nn.Conv2d(C + 4, C, 1), nn.BatchNorm2d(C), nn.ReLU(), nn.Dropout(0.5))

    def forward(self, x: Tensor, low: Tensor) -> Tensor:
        low = F.relu(self.bn1(self.conv1(low)))
        return self.last_conv(torch.cat([bilinear(x, low.shape[2:]), low], 1))


class ASGNetASPP(Family):
    """A decoder that gets fine features beside the comparison; an in-place ReLU stands behind the entry."""

    def __init__(self) -> None:
        super().__init__()
        self.corr_conv = nn.Sequential(nn.Conv2d(2 * C + 1, C, 1), nn.ReLU(), nn.Dropout2d(0.5))
        self.skip1 = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(C, C, 1))
        self.decoder, self.cls, self.cls_aux = Decoder(), head(), head()

    def fine(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return bilinear(self.layer1(self.layer0(x)), (2 * GRID, 2 * GRID))

    def compare(self, merged: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        coarse = self.skip1(self.corr_conv(merged))
        return self.cls(self.decoder(coarse, fine)), self.cls_aux(coarse)

    def forward(self, x: Tensor, s_x: Tensor, s_y: Tensor, s_seed: Tensor, y: Tensor | None = None) -> Any:
        guide = self.guide(x, s_x, s_y, s_seed)
        coarse = self.skip1(self.corr_conv(torch.cat(guide, 1)))
        out = bilinear(self.cls(self.decoder(coarse, self.fine(x))), x.shape[2:])
        if not self.training:
            return out
        main_loss = self.criterion(out, y)
        return out.max(1)[1], main_loss, self.criterion(bilinear(self.cls_aux(coarse), x.shape[2:]), y)

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, **episode: Any) -> tuple[Tensor, ...]:
        features, _, prior = self.guide(episode["x"], episode["s_x"], episode["s_y"], episode["s_seed"])
        return self.compare(torch.cat([features, prototype_map, counter(prior)], 1), self.fine(episode["x"]))


def both_heads(logits: tuple[Tensor, ...], mask: Tensor) -> Tensor:
    """The sum of the losses of both heads."""
    return judged(logits[0], mask) + judged(logits[1], mask)

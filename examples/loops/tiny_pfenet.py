"""A model of PFENet's pattern in a thousandth of its size: names, forward and losses are such that the preset fits.

Axes: B episodes, K shots, H x W the images, h x w = H/4 x W/4 the features.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS, SCALES = 16, (8, 4)


def bilinear(tensor: Tensor, beside: Tensor) -> Tensor:
    return F.interpolate(tensor, beside.shape[2:], mode="bilinear", align_corners=True)


class TinyPFENet(nn.Module):
    """In training (prediction, main loss, auxiliary loss), else the logits (B, 2, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.layer3 = nn.Sequential(nn.Conv2d(3, 32, 4, stride=4), nn.ReLU())
        self.layer4 = nn.Sequential(nn.Conv2d(32, 64, 1), nn.ReLU()).requires_grad_(False)
        self.down_query, self.down_supp = nn.Conv2d(32, CHANNELS, 1), nn.Conv2d(32, CHANNELS, 1)
        merges = (nn.Sequential(nn.Conv2d(2 * CHANNELS + 1, CHANNELS, 1), nn.ReLU()) for _ in SCALES)
        self.init_merge = nn.ModuleList(merges)
        self.inner_cls = nn.ModuleList(nn.Conv2d(CHANNELS, 2, 1) for _ in SCALES)
        self.cls = nn.Conv2d(CHANNELS * len(SCALES), 2, 1)
        self.criterion = nn.CrossEntropyLoss(ignore_index=255)

    def prior(self, query: Tensor, support: Tensor) -> Tensor:
        """(B, 1, h, w) in 0..1: how like the query's deep features are to the most similar ones of the support."""
        with torch.no_grad():
            one, other = (F.normalize(self.layer4(part).flatten(2), dim=1) for part in (query, support))
            return (one.transpose(1, 2) @ other).amax(2).clamp(0, 1).view(len(query), 1, *query.shape[2:])

    def forward(self, x: Tensor, s_x: Tensor, s_y: Tensor, y: Tensor | None = None) -> Tensor | tuple[Tensor, ...]:
        """Query (B, 3, H, W), support (B, K, 3, H, W) and its masks (B, K, H, W); in training the query's mask too."""
        shots = s_x.shape[1]
        query, support = self.layer3(x), self.layer3(s_x.flatten(0, 1))
        inside = F.interpolate((s_y == 1).float().flatten(0, 1)[:, None], support.shape[2:])
        pooled = (self.down_supp(support) * inside).sum((2, 3)) / inside.sum((2, 3)).clamp(min=1)
        prototype = pooled.unflatten(0, (-1, shots)).mean(1)[..., None, None]
        shown = (support * inside).unflatten(0, (-1, shots))[:, 0]
        features, prior = self.down_query(query), self.prior(query, shown)
        merged = [
            merge(torch.cat([small, prototype.expand_as(small), bilinear(prior, small)], 1))
            for merge, scale in zip(self.init_merge, SCALES, strict=True)
            for small in [F.adaptive_avg_pool2d(features, scale)]
        ]
        out = bilinear(self.cls(torch.cat([bilinear(one, features) for one in merged], 1)), x)
        if not self.training:
            return out
        scales = [self.criterion(bilinear(head(one), x), y) for head, one in zip(self.inner_cls, merged, strict=True)]
        return out.argmax(1), self.criterion(out, y), torch.stack(scales).mean()

"""Q-Net and RPT: one prototype, that of the foreground, and a threshold that a query's own features give.

Axes: B episodes, K shots, P parts of a support, C channels, h x w the feature grid, H x W the images.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from host_models.parts import C, bilinear, block, pool
from selfcontrast.contrast import SelfContrast

Shots = list[list[Tensor]]
PARTS = 5


class ThresholdEncoder(nn.Module):
    """Features of two depths, and a threshold of each image (B, 1) that is read off the deepest."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.ModuleDict({"layer3": block(3, C, 4), "layer4": block(C, 16, 2)})
        self.reduce1, self.reduce2 = nn.Conv2d(C, C, 1, bias=False), nn.Conv2d(16, C, 1, bias=False)
        self.reduce1d = nn.Linear(16, 1)

    def forward(self, images: Tensor) -> tuple[Any, Tensor]:
        third = self.backbone["layer3"](images)
        fourth = self.backbone["layer4"](third)
        return self.returned(self.reduce1(third), self.reduce2(fourth)), self.reduce1d(fourth.mean((2, 3)))

    def returned(self, shallow: Tensor, deep: Tensor) -> Any:
        return {"down2": shallow, "down3": deep}


class OneScaleEncoder(ThresholdEncoder):
    """The same with the features of one depth."""

    def returned(self, shallow: Tensor, deep: Tensor) -> Any:
        return shallow


class Threshold(nn.Module):
    """A prototype of the foreground alone: a pixel belongs to it where its cosine passes the query's threshold."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def probability(self, features: Tensor, prototype: Tensor, threshold: Tensor) -> Tensor:
        """(1, h, w), of features (1, C, h, w) and a prototype (1, C), a map of them or one of several."""
        cosine = F.cosine_similarity(
            features, prototype.reshape(*prototype.shape[:2], *(prototype.shape[2:] or (1, 1)))
        )
        return 1.0 - torch.sigmoid(0.5 * (-20.0 * cosine - threshold))

    def both(self, foreground: Tensor) -> Tensor:
        return torch.stack([1.0 - foreground, foreground], 1)

    def align(
        self, query: list[Tensor], supports: list[Tensor], probabilities: Tensor, masks: Tensor, t: Tensor
    ) -> Any:
        """The support (K, C, h, w) at each scale, segmented by the query's prediction where it has a foreground."""
        chosen = probabilities.argmax(1) == 1
        if not chosen.any():
            return torch.zeros(1)
        found = [
            torch.cat([self.probability(shot, pool(own, chosen)[:, :, 0, 0], t) for shot in scale.split(1)])
            for own, scale in zip(query, supports, strict=True)
        ]
        return torch.stack([self.judge(one, masks) for one in found]).mean(0, keepdim=True)

    def judge(self, foreground: Tensor, mask: Tensor) -> Tensor:
        """A loss of probabilities (K, h, w)."""
        enlarged = bilinear(foreground[:, None], mask.shape[-2:])[:, 0]
        return F.nll_loss(self.both(enlarged).clamp(1e-6, 1.0).log(), mask.long(), ignore_index=255)


class QNet(Threshold):
    """Two scales of features, each with its own prototype; their probabilities are mixed and returned."""

    shares = 0.9, 0.1

    def __init__(self) -> None:
        super().__init__(ThresholdEncoder())

    def encode(self, supp_imgs: Shots, qry_imgs: list[Tensor]) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Support (K, B, C, h, w) and query (B, C, h, w) at each scale, and the query's thresholds (B, 1)."""
        shots, batch = len(supp_imgs[0]), len(qry_imgs[0])
        found, thresholds = self.encoder(torch.cat([*supp_imgs[0], *qry_imgs]))
        supports = [one[: shots * batch].view(shots, batch, *one.shape[1:]) for one in found.values()]
        return supports, [one[shots * batch :] for one in found.values()], thresholds[shots * batch :]

    def mixed(self, scales: list[Tensor], size: Any) -> Tensor:
        """(1, 2, H, W) probabilities, of those of the foreground (1, h, w) at each scale."""
        shares = [share * bilinear(one[None], size)[0] for share, one in zip(self.shares, scales, strict=True)]
        return self.both(shares[0] + shares[1])

    def forward(self, supp_imgs: Shots, supp_mask: Shots, qry_imgs: list[Tensor], train: bool = False) -> Any:
        supports, query, thresholds = self.encode(supp_imgs, qry_imgs)
        masks, size = torch.stack(supp_mask[0]), qry_imgs[0].shape[2:]
        outputs, alignment = [], torch.zeros(1)
        for epi in range(len(qry_imgs[0])):
            pooled = [pool(scale[:, epi], masks[:, epi]).mean(0)[None, :, 0, 0] for scale in supports]
            own, t = [scale[epi : epi + 1] for scale in query], thresholds[epi]
            scores = [self.probability(one, p, t) for one, p in zip(own, pooled, strict=True)]
            outputs.append(self.mixed(scores, size))
            if train:
                shown = [scale[:, epi] for scale in supports]
                alignment = alignment + self.align(own, shown, outputs[-1], masks[:, epi], t)
        return torch.cat(outputs), alignment / len(outputs)

    def explicit(
        self, contrast: SelfContrast, supp_imgs: Shots, supp_mask: Shots, qry_imgs: list[Tensor], train: bool = False
    ) -> Tensor:
        """Logits of the pass: a map of the same regions, drawn once, at each scale."""
        _, query, thresholds = self.encode(supp_imgs, qry_imgs)
        maps = contrast.prototype_map, self.other_map(contrast, query[1])
        rows = []
        for epi, t in enumerate(thresholds):
            scores = [
                self.probability(one[epi : epi + 1], its_map[epi : epi + 1], t)
                for one, its_map in zip(query, maps, strict=True)
            ]
            rows.append(self.mixed(scores, qry_imgs[0].shape[2:]))
        return torch.cat(rows).log()

    def other_map(self, contrast: SelfContrast, features: Tensor) -> Tensor:
        """(B, C, h, w) of other features: each cell holds the prototype of the region that it holds at the first scale.

        A cell of the coarser grid is that under its centre, as in resizing by nearest-exact.
        """
        exact: Any = {"size": features.shape[2:], "mode": "nearest-exact"}
        regions = F.interpolate(contrast.regions.float(), **exact)
        pooled = (regions[:, :, None] * features[:, None]).sum((3, 4)) / regions.sum((2, 3)).clamp(min=1.0)[:, :, None]
        distance = contrast.prototype_map[:, None] - contrast.prototypes[..., None, None]
        held = F.interpolate(distance.abs().sum(2).argmin(1)[:, None].float(), **exact)[:, 0].long()
        return torch.stack([prototypes[cells].movedim(2, 0) for prototypes, cells in zip(pooled, held, strict=True)])


class RPT(Threshold):
    """Prototypes of parts of the support learn from the query, round by round; the last comparison is returned.

    A generator of its own, an attribute that every forward moves on, draws the parts. The query's mask is an argument.
    """

    def __init__(self) -> None:
        super().__init__(OneScaleEncoder())
        self.fg_sampler = np.random.RandomState(1289)
        self.norm, self.MLP = nn.LayerNorm(C), nn.Sequential(nn.Linear(C, C), nn.GELU(), nn.Dropout(0.1))

    def encode(self, supp_imgs: Shots, qry_imgs: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features and thresholds of the support (B, C, h, w), (B, 1), and of the query."""
        found, thresholds = self.encoder(torch.cat([*supp_imgs[0], *qry_imgs]))
        return *found.chunk(2), *thresholds.chunk(2)

    def parts(self, support: Tensor, mask: Tensor) -> Tensor:
        """(P, C): pixels of the object at random."""
        inside = F.interpolate(mask[:, None], support.shape[2:])[0, 0].bool()
        pixels = support[0][:, inside].t()
        return pixels[self.fg_sampler.choice(len(pixels), PARTS)]

    def refined(self, parts: Tensor, coarse: Tensor) -> Tensor:
        attention = (parts @ coarse.t()).softmax(0)
        return self.MLP(self.norm(attention @ coarse + parts))

    def coarse(self, query: Tensor, foreground: Tensor) -> Tensor:
        """(1, C): the query's mean, weighted by a prediction (1, h, w)."""
        return (query * foreground[:, None]).sum((2, 3)) / foreground.sum((1, 2))

    def forward(
        self, supp_imgs: Shots, supp_mask: Shots, qry_imgs: list[Tensor], qry_mask: Tensor, train: bool = False
    ) -> Any:
        supports, query, t_supports, t_query = self.encode(supp_imgs, qry_imgs)
        outputs, losses = [], torch.zeros(1)
        for epi in range(len(query)):
            one = slice(epi, epi + 1)
            own, support, mask, t = query[one], supports[one], supp_mask[0][0][one], t_query[epi]
            parts, mean = self.parts(support, mask), pool(support, mask)[:, :, 0, 0]
            on_support = self.probability(support, mean, t_supports[epi])
            coarse = self.coarse(own, self.probability(own, mean, t))
            prototype = mean
            for _ in range(3):
                parts = self.refined(parts, coarse)
                prototype = parts.mean(0, keepdim=True) + mean
                coarse = self.coarse(own, self.probability(own, prototype, t))
            found = bilinear(self.probability(own, prototype, t)[None], qry_mask.shape[1:])[0]
            outputs.append(self.both(found))
            if train:
                itself = self.probability(own, pool(own, qry_mask[one] == 1)[:, :, 0, 0], t)
                losses = losses + self.align([own], [support], outputs[-1], mask, t)
                losses = losses + self.judge(on_support, mask) + self.judge(itself, qry_mask[one])
        return torch.cat(outputs), losses / len(query)

    def explicit(
        self, contrast: SelfContrast, supp_imgs: Shots, supp_mask: Shots, qry_imgs: Any, qry_mask: Tensor, **_: Any
    ) -> Tensor:
        """Logits of the pass: one comparison, with the map."""
        _, query, _, thresholds = self.encode(supp_imgs, qry_imgs)
        scores = self.probability(query, contrast.prototype_map, thresholds[:, :, None])
        return self.both(bilinear(scores[None], qry_mask.shape[1:])[0]).log()

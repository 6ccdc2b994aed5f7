"""PANet, PPNet, MLC and SSP: their comparison is a cosine with prototypes, in which nothing is learned."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from host_models.parts import Backbone, C, bilinear, block, pool


class PANet(nn.Module):
    """Support and query pass the encoder together; episodes are compared one by one, background first.

    In training the support is segmented from the query's prediction, which a way without foreground skips.
    """

    scale, align_corners = 20.0, False

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, C, 4, 4), nn.ReLU(), nn.Conv2d(C, C, 1))

    def encode(self, images: Tensor) -> Tensor:
        return self.encoder(images)

    def query_features(self, supp_imgs: Any, fore_mask: Any, back_mask: Any, qry_imgs: Any) -> Tensor:
        return self.encode(torch.cat([*supp_imgs[0], *qry_imgs]))[-sum(map(len, qry_imgs)) :]

    def prototypes(self, features: Tensor, masks: Tensor) -> Tensor:
        """(1, C, 1, 1), from features (K, C, h, w) and masks (K, H, W)."""
        return pool(features, masks).mean(0, keepdim=True)

    def distance(self, features: Tensor, prototype: Tensor) -> Tensor:
        return self.scale * F.cosine_similarity(features, prototype, dim=1)

    def forward(
        self, supp_imgs: list[list[Tensor]], fore_mask: list[list[Tensor]], back_mask: list[list[Tensor]], qry_imgs: Any
    ) -> Any:
        shots, queries, batch = len(supp_imgs[0]), len(qry_imgs), len(qry_imgs[0])
        found = self.encode(torch.cat([*supp_imgs[0], *qry_imgs]))
        supports = found[: shots * batch].view(shots, batch, *found.shape[1:])
        query = found[shots * batch :].view(queries, batch, *found.shape[1:])
        fore, back, size = torch.stack(fore_mask[0]), torch.stack(back_mask[0]), qry_imgs[0].shape[2:]
        outputs, alignment = [], torch.zeros(())
        for episode in range(batch):
            both = [self.prototypes(supports[:, episode], mask[:, episode]) for mask in (back, fore)]
            logits = torch.stack([self.distance(query[:, episode], one) for one in both], 1)
            outputs.append(bilinear(logits, size, self.align_corners))
            if self.training:
                alignment = alignment + self.align(query[:, episode], logits, supports[:, episode], fore[:, episode])
        joined = torch.stack(outputs, 1)
        return joined.view(-1, *joined.shape[2:]), alignment / batch

    def align(self, query: Tensor, logits: Tensor, supports: Tensor, masks: Tensor) -> Tensor:
        chosen = logits.argmax(1)
        if not (chosen == 1).any():
            return torch.zeros(())
        both = [self.prototypes(query, chosen == label) for label in (0, 1)]
        losses = []
        for shot in range(len(supports)):
            back = torch.stack([self.distance(supports[shot : shot + 1], one) for one in both], 1)
            losses.append(F.cross_entropy(bilinear(back, masks.shape[1:]), masks[shot : shot + 1].long()))
        return torch.stack(losses).mean()


class PPNet(PANet):
    """Each prototype in three parts, by a clustering that draws its start from numpy; the encoder returns a pair."""

    align_corners = True

    def __init__(self) -> None:
        super().__init__()
        self.encoder = PairEncoder()

    def encode(self, images: Tensor) -> Tensor:
        return self.encoder(images)[0]

    def prototypes(self, features: Tensor, masks: Tensor) -> Tensor:
        """(1, 3, C, 1, 1): the mean, pulled towards three pixels at random."""
        mean = pool(features, masks).mean(0)
        pixels = features.transpose(0, 1).flatten(1)
        picked = pixels[:, np.random.choice(pixels.shape[1], 3)].t()
        return (mean[None] + 0.3 * picked[:, :, None, None])[None]

    def distance(self, features: Tensor, prototype: Tensor) -> Tensor:
        return self.scale * F.cosine_similarity(features[:, None], prototype, dim=2).max(1)[0]


class PairEncoder(nn.Module):
    """Features, and logits of a semantic branch."""

    def __init__(self) -> None:
        super().__init__()
        self.layers, self.semantic = nn.Sequential(block(3, C, 4), nn.Conv2d(C, C, 1)), nn.Conv2d(C, 5, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.layers(images)
        return features, self.semantic(features)


class Method(Backbone):
    """A backbone that is called by a method of its own, so that hooks on it never fire."""

    def base_forward(self, image: Tensor) -> Tensor:
        return self.layer3(self.layer2(self.layer1(self.layer0(image))))


class MLC(nn.Module):
    """Support before query, in any number of shots; foreground before background."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Method()
        self.backbone.layer3 = nn.Conv2d(C, C, 1)

    def query_features(self, img_s_list: list[Tensor], mask_s_list: list[Tensor], img_q: Tensor) -> Tensor:
        return self.backbone.base_forward(img_q)

    def forward(self, img_s_list: list[Tensor], mask_s_list: list[Tensor], img_q: Tensor) -> Tensor:
        supports = [self.backbone.base_forward(image) for image in img_s_list]
        query = self.backbone.base_forward(img_q)
        fore = torch.stack([pool(one, mask == 1) for one, mask in zip(supports, mask_s_list, strict=True)]).mean(0)
        back = torch.stack([pool(one, mask == 0) for one, mask in zip(supports, mask_s_list, strict=True)]).mean(0)
        scores = F.cosine_similarity(query, fore, dim=1), F.cosine_similarity(query, back, dim=1)
        return bilinear(torch.stack(scores[::-1], 1) * 10.0, img_q.shape[2:])


class SSP(Backbone):
    """Segments the support by itself, then the query, then the query by prototypes of its own prediction."""

    def __init__(self) -> None:
        super().__init__()
        self.layer3 = nn.Conv2d(C, C, 1)

    def encode(self, image: Tensor) -> Tensor:
        with torch.no_grad():
            second = self.layer2(self.layer1(self.layer0(image)))
        return self.layer3(second)

    def query_features(
        self, img_s_list: list[Tensor], mask_s_list: list[Tensor], img_q: Tensor, mask_q: Tensor
    ) -> Tensor:
        return self.encode(img_q)

    def similarity(self, features: Tensor, fore: Tensor, back: Tensor) -> Tensor:
        fore_scores, back_scores = (
            F.cosine_similarity(features, fore, dim=1),
            F.cosine_similarity(features, back, dim=1),
        )
        return torch.stack([back_scores, fore_scores], 1) * 10.0

    def forward(self, img_s_list: list[Tensor], mask_s_list: list[Tensor], img_q: Tensor, mask_q: Tensor) -> Any:
        supports = [self.encode(image) for image in img_s_list]
        query, size = self.encode(img_q), img_q.shape[2:]
        pairs = [[pool(one, mask == v) for v in (1, 0)] for one, mask in zip(supports, mask_s_list, strict=True)]
        shown = (
            [self.similarity(one, *pair) for one, pair in zip(supports, pairs, strict=True)] if self.training else []
        )
        fore, back = (torch.stack([pair[place] for pair in pairs]).mean(0) for place in (0, 1))
        first = self.similarity(query, fore, back).softmax(1)
        own_fore = (query * first[:, 1:]).sum((2, 3), keepdim=True) / first[:, 1:].sum((2, 3), keepdim=True)
        own_back = query * first[:, :1]
        second = bilinear(self.similarity(query, 0.5 * fore + 0.5 * own_fore, back + own_back), size)
        if not self.training:
            return [second]
        itself = self.similarity(query, pool(query, mask_q == 1), pool(query, mask_q == 0))
        return [second, bilinear(itself, size), torch.cat([bilinear(one, size) for one in shown])]


def explicit(features: Tensor, foreground: Tensor, prototype_map: Tensor, scale: float) -> Tensor:
    """The second comparison, written out: the foreground prototype scores the background, the map the foreground.

    Features (B, C, h, w), foreground prototypes (B, C, 1, 1) or, of several parts, (B, P, C, 1, 1).
    """
    unit = F.normalize(features)
    parts = foreground if foreground.dim() == 5 else foreground[:, None]
    scores = (F.normalize(parts, dim=2) * unit[:, None]).sum(2).amax(1)
    mapped = (unit * F.normalize(prototype_map)).sum(1)
    return scale * torch.stack([scores, mapped], 1)

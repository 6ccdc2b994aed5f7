"""CyCTR, SCCAN and HDMNet: a transformer between entry and exit gets the support beside the merged features."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from host_models.parts import Backbone, C, CounterPrior, Dice, bilinear, head, nearest, pool, prior_mask, reduce


class Levels(Backbone):
    """Returns its maps in a dictionary of strings."""

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            second = self.layer2(self.layer1(self.layer0(image)))
            third = self.layer3(second)
            return {"1": second, "2": third, "3": self.layer4(third)}


def attend(query: Tensor, support: Tensor, bias: Tensor) -> Tensor:
    """Softmax attention from query pixels (B, C, n) to support pixels (B, C, m), with a bias (B, m)."""
    weights = (torch.einsum("bcn,bcm->bnm", query, support) + bias[:, None]).softmax(2)
    return torch.einsum("bnm,bcm->bcn", weights, support)


class CycleTransformer(nn.Module):
    """Attention to support pixels of the mask; padded ones of both images are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(C, C, 1)

    def forward(self, query: Tensor, padding: Tensor, support: Tensor, s_y: Tensor, s_padding: Tensor) -> Tensor:
        grid = query.shape[2:]
        shown = nearest((s_y == 1).float(), grid).flatten(1) - 9 * nearest(s_padding.float(), grid).flatten(1)
        out = attend(query.flatten(2), support.flatten(2), shown).view_as(query)
        return self.proj(query + out * (1 - nearest(padding[:, None].float(), grid)))


class CyCTR(nn.Module):
    """The prediction's features meet single-batch ones again behind the exit."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Levels()
        self.adjust_feature_qry, self.adjust_feature_supp = reduce(2 * C), reduce(2 * C)
        self.qry_merge_feat = nn.Sequential(nn.Conv2d(2 * C + 1, C, 1), nn.ReLU())
        self.transformer, self.cls, self.pred_supp_qry_proj = CycleTransformer(), head(), nn.Conv2d(C, C, 1)
        self.criterion = Dice()

    def encode(self, x: Tensor, s_x: Tensor, s_y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        query, support = self.backbone(x), self.backbone(s_x[:, 0])
        features = self.adjust_feature_qry(torch.cat([query["2"], query["1"]], 1))
        shown = self.adjust_feature_supp(torch.cat([support["2"], support["1"]], 1))
        return features, pool(shown, s_y[:, 0] == 1), prior_mask(query["3"], support["3"]), shown

    def merge(self, features: Tensor, prototype: Tensor, prior: Tensor) -> Tensor:
        return self.qry_merge_feat(torch.cat([features, nearest(prototype, features.shape[2:]), prior], 1))

    def forward(
        self, x: Tensor, s_x: Tensor, s_y: Tensor, y: Tensor, padding_mask: Tensor, s_padding_mask: Tensor
    ) -> Any:
        features, prototype, prior, shown = self.encode(x, s_x, s_y)
        fused = self.transformer(self.merge(features, prototype, prior), padding_mask, shown, s_y, s_padding_mask)
        out = bilinear(self.cls(fused), x.shape[2:])
        self.cls[0](fused)
        if not self.training:
            return out
        again = self.pred_supp_qry_proj(fused) + features
        back = F.cosine_similarity(shown, pool(again, y == 1))[:, None]
        auxiliary = self.criterion(bilinear(torch.cat([-back, back], 1), s_y.shape[2:]), s_y[:, 0])
        return out.max(1)[1], self.criterion(out, y), auxiliary

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, **episode: Any) -> tuple[Tensor, ...]:
        features, _, prior, shown = self.encode(episode["x"], episode["s_x"], episode["s_y"])
        merged = self.merge(features, prototype_map, counter(prior))
        rest = episode["padding_mask"], shown, episode["s_y"], episode["s_padding_mask"]
        return (self.cls(self.transformer(merged, *rest)),)


class CrossTransformer(nn.Module):
    """Attention to the support's features inside its mask."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(C, C, 1)

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        bias = bilinear(mask, support.shape[2:]).flatten(1)
        return self.proj(query + attend(query.flatten(2), support.flatten(2), bias).view_as(query))


class SCCAN(nn.Module):
    """Features are resized on their way from F to the entry."""

    grid = (12, 12)

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Levels()
        self.down_query, self.down_supp = reduce(2 * C), reduce(2 * C)
        self.init_merge_query = nn.Sequential(nn.Conv2d(2 * C + 1, C, 1), nn.ReLU())
        self.init_merge_supp = nn.Sequential(nn.Conv2d(2 * C, C, 1), nn.ReLU())
        self.transformer, self.cls_meta, self.criterion_dice = CrossTransformer(), head(), Dice()

    def encode(self, x: Tensor, s_x: Tensor, s_y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        query, support = self.backbone(x), self.backbone(s_x[:, 0])
        features = bilinear(self.down_query(torch.cat([query["2"], query["1"]], 1)), self.grid)
        shown = bilinear(self.down_supp(torch.cat([support["2"], support["1"]], 1)), self.grid)
        mask = bilinear((s_y == 1).float(), self.grid)
        prototype = pool(shown, s_y[:, 0] == 1)
        merged = self.init_merge_supp(torch.cat([shown, nearest(prototype, self.grid)], 1))
        prior = bilinear(prior_mask(query["3"], support["3"]), self.grid)
        return features, prototype, prior, merged, mask

    def compare(self, features: Tensor, prototype: Tensor, prior: Tensor, shown: Tensor, mask: Tensor) -> Tensor:
        merged = self.init_merge_query(torch.cat([features, nearest(prototype, self.grid), prior], 1))
        return self.cls_meta(self.transformer(merged, shown, mask))

    def forward(self, x: Tensor, s_x: Tensor, s_y: Tensor, y_m: Tensor, cat_idx: Any = None) -> Any:
        out = bilinear(self.compare(*self.encode(x, s_x, s_y)), x.shape[2:])
        if not self.training:
            return out
        return out.max(1)[1], self.criterion_dice(out, y_m), torch.zeros(1), torch.zeros(1)

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, **episode: Any) -> tuple[Tensor, ...]:
        features, _, prior, shown, mask = self.encode(episode["x"], episode["s_x"], episode["s_y"])
        return (self.compare(features, prototype_map, counter(prior), shown, mask),)


class Distilled(nn.Module):
    """Returns logits, and attention maps of two sizes; BatchNorm inside."""

    def __init__(self) -> None:
        super().__init__()
        self.bn, self.cls = nn.BatchNorm2d(C), head()

    def forward(self, query: Tensor, support: Tensor, mask: Tensor, similarity: Tensor) -> tuple[Tensor, list[Tensor]]:
        bias = bilinear(mask, support.shape[2:]).flatten(1)
        out = self.bn(query + attend(query.flatten(2), support.flatten(2), bias).view_as(query))
        maps = [F.adaptive_avg_pool2d(out.mean(1, keepdim=True) * similarity[:, :1], size) for size in (4, 8)]
        return self.cls(out + similarity.mean(1, keepdim=True)), maps


class HDMNet(Backbone):
    """Two similarities are extras of the entry, ten times as large, and an argument of the transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.down_query, self.down_supp = reduce(2 * C), reduce(2 * C)
        self.query_merge = nn.Conv2d(2 * C + 2, C, 1)
        self.supp_merge, self.transformer = nn.Sequential(nn.Conv2d(2 * C, C, 1)), Distilled()
        self.learner_base, self.criterion = nn.Conv2d(16, 3, 1), nn.CrossEntropyLoss(ignore_index=255)

    def encode(self, x: Tensor, s_x: Tensor, s_y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        (both, third), (other, deep) = self.middle(x), self.middle(s_x[:, 0])
        features, shown = self.down_query(both), self.down_supp(other)
        with torch.no_grad():
            prior = prior_mask(self.layer4(third), self.layer4(deep))
        prototype = pool(shown, s_y[:, 0] == 1)
        merged = self.supp_merge(torch.cat([shown, nearest(prototype, shown.shape[2:])], 1))
        return features, prototype, torch.cat([prior, prior.square()], 1), merged, (s_y == 1).float()

    def compare(
        self, features: Tensor, prototype: Tensor, similarity: Tensor, shown: Tensor, mask: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        merged = torch.cat([features, nearest(prototype, features.shape[2:]), similarity * 10], 1)
        return self.transformer(self.query_merge(merged), shown, mask, similarity)

    def forward(self, x: Tensor, y_m: Tensor, y_b: Tensor, s_x: Tensor, s_y: Tensor, cat_idx: Any = None) -> Any:
        out, maps = self.compare(*self.encode(x, s_x, s_y))
        meta, base = (
            bilinear(out, x.shape[2:]),
            bilinear(self.learner_base(self.layer4(self.middle(x)[1])), x.shape[2:]),
        )
        if not self.training:
            return meta, base
        truth = (y_m == 1).float()[:, None]
        distilled = torch.stack([F.mse_loss(one.sigmoid(), nearest(truth, one.shape[2:])) for one in maps])
        return meta.max(1)[1], self.criterion(meta, y_m), distilled.mean(), self.criterion(base, y_b)

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, **episode: Any) -> tuple[Tensor, ...]:
        features, _, similarity, shown, mask = self.encode(episode["x"], episode["s_x"], episode["s_y"])
        return (self.compare(features, prototype_map, counter(similarity), shown, mask)[0],)


def dice(logits: tuple[Tensor, ...], mask: Tensor) -> Tensor:
    """One dice loss of resized logits."""
    return Dice()(bilinear(logits[0], mask.shape[1:]), mask)

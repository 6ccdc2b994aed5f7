"""IPMT, and AENet in HDMNet, SCCAN and CyCTR: attention to the support, with prototypes of the transformer's own."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from host_models.attention_family import CycleTransformer, Distilled, HDMNet, Levels, attend
from host_models.parts import GRID, Backbone, C, CounterPrior, Dice, bilinear, head, nearest, pool, prior_mask, reduce


class Prototypes(nn.Module):
    """A learned query finds a prototype in the support's object, then in where the query was first predicted."""

    def __init__(self) -> None:
        super().__init__()
        self.prototype, self.update = nn.Parameter(torch.randn(1, C, 1)), nn.Conv2d(2 * C, C, 1)

    def forward(
        self, query: Tensor, y: Tensor, support: Tensor, s_y: Tensor, first: Tensor
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        # As published: image by image, over the rows of the query.
        known = torch.stack([nearest(y[row][None, None], query.shape[2:])[0] != 255 for row in range(len(query))])
        query = query * known
        inside = -9 * (1 - nearest(s_y, support.shape[2:]).flatten(1))
        start = self.prototype.expand(len(query), -1, -1)
        found = attend(start, support.flatten(2), inside)
        own = found + attend(found, query.flatten(2), -9.0 * (1 - first.flatten(1).float()))
        masks = [torch.einsum("bcq,bchw->bqhw", own, one) for one in (query, support)]
        query = query + self.update(torch.cat([query, own[..., None].expand_as(query)], 1))
        return [query], masks[:1], masks[1:]


class IPMT(nn.Module):
    """Its first prediction is an exit, and says where its transformer looks."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Levels()
        self.adjust_feature_qry, self.adjust_feature_supp = reduce(2 * C), reduce(2 * C)
        self.qry_merge_feat = nn.Sequential(nn.Conv2d(2 * C + 1, C, 1), nn.ReLU())
        self.transformer, self.ini_cls, self.cls = Prototypes(), head(), head()
        self.criterion, self.aux_loss = Dice(), nn.BCEWithLogitsLoss()

    def encode(self, x: Tensor, s_x: Tensor, s_y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        query, support = self.backbone(x), self.backbone(s_x[:, 0])
        features = self.adjust_feature_qry(torch.cat([query["2"], query["1"]], 1))
        shown = self.adjust_feature_supp(torch.cat([support["2"], support["1"]], 1))
        return features, pool(shown, s_y[:, 0] == 1), prior_mask(query["3"], support["3"]), shown

    def compare(
        self, features: Tensor, prototype: Tensor, prior: Tensor, shown: Tensor, y: Tensor, s_y: Tensor
    ) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
        merged = self.qry_merge_feat(torch.cat([features, nearest(prototype, features.shape[2:]), prior], 1))
        first = self.ini_cls(merged)
        found, masks, shown_masks = self.transformer(merged, y.float(), shown, s_y.float(), first.argmax(1))
        return self.cls(torch.cat(found, 1)), first, masks, shown_masks

    def forward(self, x: Tensor, s_x: Tensor, s_y: Tensor, y: Tensor) -> Any:
        logits, first, masks, shown_masks = self.compare(*self.encode(x, s_x, s_y), y, s_y)
        out = bilinear(logits, x.shape[2:])
        if not self.training:
            return out
        main = 0.7 * self.criterion(out, y) + 0.3 * self.criterion(bilinear(first, x.shape[2:]), y)
        pairs = [(masks[0], y[:, None]), (shown_masks[0], s_y)]
        auxiliary = [self.aux_loss(one, nearest((truth == 1).float(), one.shape[2:])) for one, truth in pairs]
        return out.max(1)[1], main, 0.3 * auxiliary[0] + 0.7 * auxiliary[1]

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, **episode: Any) -> tuple[Tensor, ...]:
        features, _, prior, shown = self.encode(episode["x"], episode["s_x"], episode["s_y"])
        return self.compare(features, prototype_map, counter(prior), shown, episode["y"], episode["s_y"])[:2]


def both_predictions(logits: tuple[Tensor, ...], mask: Tensor) -> Tensor:
    """Dice losses of the last prediction and the first."""
    last, first = (Dice()(bilinear(one, mask.shape[1:]), mask) for one in logits)
    return 0.7 * last + 0.3 * first


def unambiguous(query: Tensor, support: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """A query with a prototype of where it is more like the support's object than its background, and this place.

    (B, C, h, w) and (B, 1, h, w).
    """
    inside, outside = (F.cosine_similarity(query, pool(support, one)) for one in (mask, 1 - mask))
    scores = inside - outside
    prototype = torch.einsum("bn,bcn->bc", scores.flatten(1).softmax(1), query.flatten(2))
    return query + prototype[:, :, None, None], scores[:, None]


class Eliminating(Distilled):
    """HDMNet's transformer behind the ambiguity eliminator."""

    def forward(self, query: Tensor, support: Tensor, mask: Tensor, similarity: Tensor) -> Any:
        query, place = unambiguous(query, support, mask)
        return *super().forward(query, support, mask, similarity), [place]


class AENetHDMNet(HDMNet):
    """HDMNet; its transformer gives a third output."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = Eliminating()

    def forward(self, x: Tensor, y_m: Tensor, y_b: Tensor, s_x: Tensor, s_y: Tensor, cat_idx: Any = None) -> Any:
        out, maps, places = self.compare(*self.encode(x, s_x, s_y))
        meta = bilinear(out, x.shape[2:])
        base = bilinear(self.learner_base(self.layer4(self.middle(x)[1])), x.shape[2:])
        if not self.training:
            return meta, base
        truth = (y_m == 1).float()[:, None]
        distilled = torch.stack([F.mse_loss(one.sigmoid(), nearest(truth, one.shape[2:])) for one in maps])
        found = F.binary_cross_entropy_with_logits(places[0], nearest(truth, places[0].shape[2:]))
        return meta.max(1)[1], self.criterion(meta, y_m), distilled.mean(), self.criterion(base, y_b) + found


class Merged(NamedTuple):
    """What the two comparisons below start from: features, prototype, two priors; and the support's side."""

    features: Tensor
    prototype: Tensor
    priors: Tensor
    shown: Tensor
    mask: Tensor


class AENet(Backbone):
    """Two priors; a module judges what the transformer gives beside the query; an ensemble behind the exit."""

    grid = (GRID, GRID)

    def __init__(self) -> None:
        super().__init__()
        self.down_query, self.down_supp = reduce(2 * C), reduce(2 * C)
        self.init_merge_query = nn.Sequential(nn.Conv2d(2 * C + 2, C, 1))
        self.init_merge_supp = nn.Sequential(nn.Conv2d(2 * C, C, 1), nn.ReLU())
        self.cls_meta, self.base_learner = head(), nn.Conv2d(16, 3, 1)
        self.criterion_ce, self.criterion_dice = nn.CrossEntropyLoss(ignore_index=255), Dice()
        self.criterion_bce = nn.BCEWithLogitsLoss()

    def encode(self, x: Tensor, s_x: Tensor, s_y: Tensor) -> Merged:
        (both, third), (other, deep) = self.middle(x), self.middle(s_x[:, 0])
        features, shown = bilinear(self.down_query(both), self.grid), bilinear(self.down_supp(other), self.grid)
        prior = bilinear(prior_mask(self.layer4(third), self.layer4(deep)), self.grid)
        mask = bilinear((s_y == 1).float(), self.grid)
        prototype = pool(shown, mask)
        merged = self.init_merge_supp(torch.cat([shown, nearest(prototype, self.grid)], 1))
        return Merged(features, prototype, torch.cat([prior, prior.square()], 1), merged, mask)

    def merge(self, found: Merged) -> Tensor:
        return self.init_merge_query(torch.cat([found.features, nearest(found.prototype, self.grid), found.priors], 1))

    def losses(self, x: Tensor, y_m: Tensor, meta: Tensor, place: Tensor) -> tuple[Tensor, ...]:
        shares, base = meta.softmax(1), self.base_learner(self.layer4(self.middle(x)[1])).softmax(1)
        final = torch.cat([shares[:, :1] + bilinear(base, self.grid)[:, 1:].sum(1, True), shares[:, 1:]], 1)
        final, meta = bilinear(final, x.shape[2:]), bilinear(meta, x.shape[2:])
        if not self.training:
            return (final,)
        truth = nearest((y_m == 1).float()[:, None], place.shape[2:])
        return (
            final.max(1)[1],
            self.criterion_ce(final, y_m),
            self.criterion_dice(meta, y_m),
            self.criterion_bce(place, truth),
        )


class Crossing(nn.Module):
    """Attention to the support inside its mask, behind the ambiguity eliminator."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(C, C, 1)

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        query, place = unambiguous(query, support, mask)
        out = attend(query.flatten(2), support.flatten(2), mask.flatten(1)).view_as(query)
        return [self.proj(query + out)], [place]


class AENetSCCAN(AENet):
    """Features are resized on their way from F to the entry."""

    grid = (12, 12)

    def __init__(self) -> None:
        super().__init__()
        self.transformer = Crossing()

    def compare(self, found: Merged) -> tuple[Tensor, Tensor]:
        fused, places = self.transformer(self.merge(found), found.shown, found.mask)
        return self.cls_meta(torch.cat(fused, 1)), places[0]

    def forward(self, x: Tensor, s_x: Tensor, s_y: Tensor, y_m: Tensor, cat_idx: Any = None) -> Any:
        return self.losses(x, y_m, *self.compare(self.encode(x, s_x, s_y)))

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, **episode: Any) -> tuple[Tensor, ...]:
        found = self.encode(episode["x"], episode["s_x"], episode["s_y"])
        return self.compare(found._replace(prototype=prototype_map, priors=counter(found.priors)))[:1]


class Cycling(CycleTransformer):
    """CyCTR's transformer behind the ambiguity eliminator."""

    def forward(self, query: Tensor, padding: Tensor, support: Tensor, s_y: Tensor, s_padding: Tensor) -> Any:
        query, place = unambiguous(query, support, (s_y == 1).float())
        return [super().forward(query, padding, support, s_y, s_padding)], [place]


class AENetCyCTR(AENet):
    """The prediction's features meet single-batch ones again behind the exit."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer, self.pred_supp_qry_proj = Cycling(), nn.Conv2d(C, C, 1)

    def compare(self, found: Merged, paddings: tuple[Tensor, Tensor], s_y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fused, places = self.transformer(self.merge(found), paddings[0], found.shown, s_y, paddings[1])
        return self.cls_meta(fused[0]), places[0], fused[0]

    def forward(
        self,
        x: Tensor,
        s_x: Tensor,
        s_y: Tensor,
        y_m: Tensor,
        padding_mask: Tensor,
        s_padding_mask: Tensor,
        cat_idx: Any = None,
    ) -> Any:
        found = self.encode(x, s_x, s_y)
        meta, place, fused = self.compare(found, (padding_mask, s_padding_mask), s_y)
        losses = self.losses(x, y_m, meta, place)
        if not self.training:
            return losses[0]
        again = pool(self.pred_supp_qry_proj(fused) + found.features, y_m == 1)
        back = F.cosine_similarity(found.shown, again)[:, None]
        support = self.criterion_dice(bilinear(torch.cat([-back, back], 1), s_y.shape[2:]), s_y[:, 0])
        return *losses[:3], losses[3] + support

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, **episode: Any) -> tuple[Tensor, ...]:
        found = self.encode(episode["x"], episode["s_x"], episode["s_y"])
        found = found._replace(prototype=prototype_map, priors=counter(found.priors))
        return self.compare(found, (episode["padding_mask"], episode["s_padding_mask"]), episode["s_y"])[:1]

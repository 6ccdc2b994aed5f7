"""Hosts on a frozen vision transformer in the pattern of DINOv2: a class token, four registers, and patch tokens.

Axes: B episodes, K shots, N = h x w patch tokens of 4 x 4 pixels, C = 8 channels, D = 16 of the backbone.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from host_models.parts import C, CounterPrior, bilinear, head, judged, pool, prior_mask
from selfcontrast import CosineHost, Entry, Exit, Host

D, PATCH, OTHERS = 16, 4, 5
CONVOLVED = Host(
    features="down_query#0",
    high_level="backbone.norm#0",
    entries=(Entry("merge", "C:2C", prior="2C:"),),
    exits=(Exit("cls"),),
    mask="y",
    channels_last=("features", "high_level"),
)
LINEAR = Host(
    features="down#0",
    high_level="backbone.norm#0",
    entries=(Entry("merge", "C:2C", prior="2C:"),),
    exits=(Exit("cls"),),
    mask="y",
    channels_last=("features", "high_level", "entries", "exits"),
)
COSINE = CosineHost(
    features="down#0",
    high_level="backbone.norm#0",
    foreground=1,
    background=0,
    output="[0]",
    mask="y",
    channels_last=("features", "high_level"),
)


class Attention(nn.Module):
    """Two heads over tokens (B, N, C), and a perceptron behind them; each adds to what it gets."""

    def __init__(self, channels: int = D) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.qkv, self.proj = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.mlp = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = self.qkv(self.norm1(tokens)).unflatten(2, (3, 2, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        tokens = tokens + self.proj(mixed)
        return tokens + self.mlp(self.norm2(tokens))


class Transformer(nn.Module):
    """Random and frozen; `forward_features` gives a dictionary, which no hook sees: `norm` is what hooks see."""

    def __init__(self, size: tuple[int, int] = (8, 8)) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, D, PATCH, PATCH)
        self.cls_token = nn.Parameter(torch.randn(1, 1, D))
        self.register_tokens = nn.Parameter(torch.randn(1, OTHERS - 1, D))
        self.pos_embed = nn.Parameter(torch.randn(1, D, *size))
        self.blocks, self.norm = nn.Sequential(Attention(), Attention()), nn.LayerNorm(D)
        self.requires_grad_(False)

    @torch.no_grad()
    def forward_features(self, image: Tensor) -> dict[str, Tensor]:
        patches = self.patch_embed(image)
        patches = (patches + bilinear(self.pos_embed, patches.shape[2:])).flatten(2).transpose(1, 2)
        others = torch.cat([self.cls_token, self.register_tokens], 1).expand(len(image), -1, -1)
        tokens = self.norm(self.blocks(torch.cat([others, patches], 1)))
        return {"x_norm": tokens, "x_norm_clstoken": tokens[:, 0], "x_norm_patchtokens": tokens[:, OTHERS:]}


def as_map(tokens: Tensor, image: Tensor) -> Tensor:
    return tokens.transpose(1, 2).unflatten(2, (image.shape[-2] // PATCH, image.shape[-1] // PATCH))


def as_tokens(feature_map: Tensor) -> Tensor:
    return feature_map.flatten(2).transpose(1, 2)


class OnTokens(nn.Module):
    """What the hosts share: the backbone, and features, prototype and prior mask of an episode as maps."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Transformer()

    def patches(self, image: Tensor) -> Tensor:
        return self.backbone.forward_features(image)["x_norm_patchtokens"]

    def reduce_query(self, patches: Tensor) -> Tensor:
        raise NotImplementedError

    def reduce_support(self, patches: Tensor) -> Tensor:
        raise NotImplementedError

    def compare(self, features: Tensor, prototype: Tensor, prior: Tensor) -> Tensor:
        """Logits (B, 2, h, w) of features (B, C, h, w), an expanded prototype and a prior mask (B, 1, h, w)."""
        raise NotImplementedError

    def encode(self, x: Tensor, s_x: Tensor, s_y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        patches = self.patches(x)
        features, deep = as_map(self.reduce_query(patches), x), as_map(patches, x)
        prototypes, priors = [], []
        for shot in range(s_x.shape[1]):
            own, mask = self.patches(s_x[:, shot]), (s_y[:, shot] == 1)
            prototypes.append(pool(as_map(self.reduce_support(own), x), mask))
            priors.append(prior_mask(deep, as_map(own, x)))
        return features, torch.stack(prototypes).mean(0), torch.stack(priors).mean(0)

    def forward(self, x: Tensor, s_x: Tensor, s_y: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        features, prototype, prior = self.encode(x, s_x, s_y)
        logits = self.compare(features, prototype.expand_as(features), prior)
        return logits.argmax(1), judged(logits, y)

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, **episode: Any) -> tuple[Tensor, ...]:
        """The second comparison, written out: the same features, the map for the prototype, the counter-prior."""
        features, _, prior = self.encode(episode["x"], episode["s_x"], episode["s_y"])
        return (self.compare(features, prototype_map, counter(prior)),)


class Convolved(OnTokens):
    """A comparison of convolutions over tokens made a map; its features come from a linear layer on tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.down_query, self.down_supp = (
            nn.Sequential(nn.Linear(D, C), nn.ReLU(), nn.Dropout(0.5)) for _ in ("query", "support")
        )
        self.merge = nn.Sequential(nn.Conv2d(2 * C + 1, C, 1), nn.ReLU())
        self.body, self.cls = nn.Sequential(nn.Conv2d(C, C, 3, padding=1), nn.ReLU()), head()

    def reduce_query(self, patches: Tensor) -> Tensor:
        return self.down_query(patches)

    def reduce_support(self, patches: Tensor) -> Tensor:
        return self.down_supp(patches)

    def compare(self, features: Tensor, prototype: Tensor, prior: Tensor) -> Tensor:
        merged = self.merge(torch.cat([features, prototype, prior], 1))
        return self.cls(self.body(merged) + merged)


class Linear(OnTokens):
    """A comparison that stays among tokens (B, N, C): a linear layer, attention over all of them, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.merge, self.cls = nn.Linear(D, C), nn.Linear(2 * C + 1, C), nn.Linear(C, 2)
        self.body = Attention(C)

    def reduce_query(self, patches: Tensor) -> Tensor:
        return self.down(patches)

    def reduce_support(self, patches: Tensor) -> Tensor:
        return self.down(patches)

    def compare(self, features: Tensor, prototype: Tensor, prior: Tensor) -> Tensor:
        tokens = self.cls(self.body(self.merge(as_tokens(torch.cat([features, prototype, prior], 1)))))
        return tokens.transpose(1, 2).unflatten(2, features.shape[2:])


class Grid(Linear):
    """The same with tokens as a grid (B, h, w, C), as Swin and SAM hold them."""

    def patches(self, image: Tensor) -> Tensor:
        return as_map(super().patches(image), image).permute(0, 2, 3, 1)

    def encode(self, x: Tensor, s_x: Tensor, s_y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        patches = self.patches(x)
        features, deep = self.down(patches).permute(0, 3, 1, 2), patches.permute(0, 3, 1, 2)
        own, masks = self.patches(s_x.flatten(0, 1)), s_y.flatten(0, 1) == 1
        pooled = pool(self.down(own).permute(0, 3, 1, 2), masks).unflatten(0, s_x.shape[:2]).mean(1)
        prior = prior_mask(deep.repeat_interleave(s_x.shape[1], 0), own.permute(0, 3, 1, 2))
        return features, pooled, prior.unflatten(0, s_x.shape[:2]).mean(1)

    def compare(self, features: Tensor, prototype: Tensor, prior: Tensor) -> Tensor:
        merged = self.merge(torch.cat([features, prototype, prior], 1).permute(0, 2, 3, 1))
        return self.cls(self.body(merged.flatten(1, 2)).unflatten(1, merged.shape[1:3])).permute(0, 3, 1, 2)


class Cosine(nn.Module):
    """A product of normalised tokens with normalised prototypes; class token and registers go before it is made."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.down = Transformer(), nn.Linear(D, C)
        self.scale = nn.Parameter(torch.tensor(10.0))

    def encode(self, image: Tensor) -> Tensor:
        return self.down(self.backbone.forward_features(image)["x_norm"])[:, OTHERS:]

    def prototypes(self, s_x: Tensor, s_y: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 1, C) each: background and foreground."""
        maps = [as_map(self.encode(one), one) for one in s_x.unbind(1)]
        both = [
            torch.stack([pool(own, mask == place) for own, mask in zip(maps, s_y.unbind(1), strict=True)]).mean(0)
            for place in (0, 1)
        ]
        return as_tokens(both[0]), as_tokens(both[1])

    def compare(self, tokens: Tensor, background: Tensor, foreground: Tensor) -> Tensor:
        """(B, 2, N), each prototype alone or one for each token."""
        tokens = F.normalize(tokens, dim=2)
        scores = [(tokens @ F.normalize(one, dim=2).transpose(1, 2)).squeeze(2) for one in (background, foreground)]
        return self.scale * torch.stack(scores, 1)

    def forward(self, x: Tensor, s_x: Tensor, s_y: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        scores = self.compare(self.encode(x), *self.prototypes(s_x, s_y))
        logits = bilinear(scores.unflatten(2, (x.shape[-2] // PATCH, x.shape[-1] // PATCH)), y.shape[1:])
        return logits, judged(logits, y)

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, **episode: Any) -> tuple[Tensor, ...]:
        """The second comparison, written out: the map for the foreground's prototype, this one for the background's."""
        x, foreground = episode["x"], self.prototypes(episode["s_x"], episode["s_y"])[1]
        tokens = self.encode(x)
        to_map = torch.cosine_similarity(tokens, as_tokens(prototype_map), dim=2)
        to_foreground = torch.cosine_similarity(tokens, foreground, dim=2)
        scores = self.scale * torch.stack([to_foreground, to_map], 1)
        return (bilinear(scores.unflatten(2, prototype_map.shape[2:]), x.shape[2:]),)

"""PFENet (Tian et al., TPAMI 2020), whose comparison takes a prototype map, so that SCNet can give it one.

Parameter names and arithmetic are those of the published model: state_dicts load both ways.
Axes: B episodes, S shots, H x W images, h x w the feature grid, D the compared features' channels.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from backbones import Backbone
from torch import Tensor, nn

Logits = tuple[Tensor, ...]


class Encoded(NamedTuple):
    """What the comparison needs of an episode: F and F̄ of the query, the foreground prototype's map, the prior mask."""

    features: Tensor
    high_level: Tensor
    prototype_map: Tensor
    prior: Tensor


class PFENet(nn.Module):
    """A frozen backbone, the prior mask and the multi-scale feature enrichment.

    Args:
        backbone: what `build_backbone` returned.
        channels: D; the published model has 256.
        scales: sides of the pooled grids, largest first; the published model has 60, 30, 15, 8.
        live_statistics: leave the frozen backbone's batch normalisation in training mode, as the published code does.

    >>> from backbones import build_backbone
    >>> model = PFENet(build_backbone("efficientnet_lite0"), channels=32, scales=(8, 4)).eval()
    >>> query, supports = torch.rand(1, 3, 64, 64), torch.rand(1, 5, 3, 64, 64)
    >>> model(query, supports, torch.ones(1, 5, 64, 64)).shape
    torch.Size([1, 2, 64, 64])
    """

    def __init__(
        self,
        backbone: Backbone,
        channels: int = 256,
        scales: tuple[int, ...] = (60, 30, 15, 8),
        live_statistics: bool = False,
    ) -> None:
        super().__init__()
        self.scales = scales
        self.live_statistics = live_statistics
        self.layer0, self.layer1, self.layer2, self.layer3, self.layer4 = backbone.layers
        for layer in self.backbone_layers():
            layer.requires_grad_(False)
        self.down_query = _reduce(backbone.mid_channels, channels)
        self.down_supp = _reduce(backbone.mid_channels, channels)
        merged = 2 * channels + 1
        self.init_merge = nn.ModuleList(_pointwise(merged, channels) for _ in scales)
        self.beta_conv = nn.ModuleList(_two_convolutions(channels) for _ in scales)
        self.inner_cls = nn.ModuleList(_classifier(channels) for _ in scales)
        self.alpha_conv = nn.ModuleList(_pointwise(2 * channels, channels) for _ in scales[1:])
        self.res1 = _pointwise(channels * len(scales), channels)
        self.res2 = _two_convolutions(channels)
        self.cls = _classifier(channels)

    def backbone_layers(self) -> list[nn.Module]:
        return [self.layer0, self.layer1, self.layer2, self.layer3, self.layer4]

    def train(self, mode: bool = True) -> "PFENet":
        super().train(mode)
        if not self.live_statistics:
            for layer in self.backbone_layers():
                layer.eval()
        return self

    def forward(self, query: Tensor, supports: Tensor, support_masks: Tensor) -> Tensor:
        """Logits (B, 2, H, W) of query (B, 3, H, W), given supports (B, S, 3, H, W) and masks (B, S, H, W).

        Only mask value 1 is foreground: 255 counts as background of the support.
        """
        encoded = self.encode(query, supports, support_masks)
        logits = self.compare(encoded.features, encoded.prototype_map, encoded.prior)[0]
        return _resize(logits, query.shape[2:])

    def encode(self, query: Tensor, supports: Tensor, support_masks: Tensor) -> Encoded:
        """Query and support through the backbone, down to the two things that are compared."""
        mid, high_level = self._query_features(query)
        features = self.down_query(mid)
        shots = [
            self._support(*shot, high_level) for shot in zip(supports.unbind(1), support_masks.unbind(1), strict=True)
        ]
        prototype = torch.stack([prototype for prototype, _ in shots]).mean(0)
        prior = torch.stack([prior for _, prior in shots]).mean(0)
        size = features.shape[2:]
        return Encoded(features, high_level, prototype.expand(-1, -1, *size), _resize(prior, size))

    def compare(self, features: Tensor, prototype_map: Tensor, prior: Tensor) -> Logits:
        """Match features (B, D, h, w) with the prototype at their own place, over all scales.

        Returns:
            Logits (B, 2, h, w), then those of each scale, (B, 2, s, s).
        """
        enriched: list[Tensor] = []
        scale_logits: list[Tensor] = []
        for index, scale in enumerate(self.scales):
            pooled = F.adaptive_avg_pool2d(features, scale)
            # Nearest, not pooled: a cell is compared with one prototype, never with a mixture of two.
            prototypes = F.interpolate(prototype_map, (scale, scale), mode="nearest-exact")
            merged = self.init_merge[index](torch.cat([pooled, prototypes, _resize(prior, (scale, scale))], 1))
            if index > 0:
                coarser = _resize(enriched[-1], (scale, scale))
                merged = self.alpha_conv[index - 1](torch.cat([merged, coarser], 1)) + merged
            merged = self.beta_conv[index](merged) + merged
            scale_logits.append(self.inner_cls[index](merged))
            enriched.append(_resize(merged, features.shape[2:]))
        joined = self.res1(torch.cat(enriched, 1))
        return self.cls(self.res2(joined) + joined), *scale_logits

    @staticmethod
    def loss(logits: Logits, mask: Tensor) -> Tensor:
        """PFENet's whole loss: cross-entropy of the final logits plus the mean over the scales, 255 ignored."""
        losses = [F.cross_entropy(_resize(one, mask.shape[1:]), mask, ignore_index=255) for one in logits]
        return losses[0] + torch.stack(losses[1:]).mean()

    def _query_features(self, image: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            layer2 = self.layer2(self.layer1(self.layer0(image)))
            layer3 = self.layer3(layer2)
            return _join(layer2, layer3), self.layer4(layer3)

    def _support(self, image: Tensor, mask: Tensor, query_high_level: Tensor) -> tuple[Tensor, Tensor]:
        """Prototype (B, D, 1, 1) and prior mask of one shot."""
        foreground = (mask == 1).float()[:, None]
        with torch.no_grad():
            layer2 = self.layer2(self.layer1(self.layer0(image)))
            layer3 = self.layer3(layer2)
            at_grid = _resize(foreground, layer3.shape[2:])
            high_level = self.layer4(layer3 * at_grid)
            high_level = high_level * _resize(foreground, high_level.shape[2:])
            prior = _prior_mask(query_high_level, high_level)
        features = self.down_supp(_join(layer2, layer3))
        area = at_grid.sum((2, 3), keepdim=True) + 0.0005
        return (features * at_grid).sum((2, 3), keepdim=True) / area, prior


def _join(layer2: Tensor, layer3: Tensor) -> Tensor:
    """The mid-level features; a layer2 on a finer grid comes down to layer3's."""
    return torch.cat([layer3, _resize(layer2, layer3.shape[2:])], 1)


def _prior_mask(query: Tensor, support: Tensor) -> Tensor:
    """Each query pixel's best cosine with the support's foreground, spread over 0..1 within the image."""
    cosines = F.normalize(support.flatten(2), dim=1).transpose(1, 2) @ F.normalize(query.flatten(2), dim=1)
    best = cosines.max(1).values
    low, high = best.amin(1, keepdim=True), best.amax(1, keepdim=True)
    return ((best - low) / (high - low + 1e-7)).view(-1, 1, *query.shape[2:])


def _resize(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    return F.interpolate(maps, tuple(size), mode="bilinear", align_corners=True)


def _pointwise(incoming: int, outgoing: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(incoming, outgoing, 1, bias=False), nn.ReLU(inplace=True))


def _reduce(incoming: int, outgoing: int) -> nn.Sequential:
    return _pointwise(incoming, outgoing).append(nn.Dropout2d(0.5))


def _two_convolutions(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        nn.ReLU(inplace=True),
    )


def _classifier(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        nn.ReLU(inplace=True),
        nn.Dropout2d(0.1),
        nn.Conv2d(channels, 2, 1),
    )

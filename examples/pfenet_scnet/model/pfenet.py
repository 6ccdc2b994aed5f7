"""PFENet (Tian et al., TPAMI 2020) with a comparison that takes a prototype map, so that SCNet can give it one.

Parameter names and arithmetic are those of the published model: state_dicts load both ways.
Axes: B episodes, S shots, H x W images, h x w the feature grid, D the compared features' channels.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.backbone import Backbone
from model.token_grid import maps_of

Logits = tuple[Tensor, ...]


class Extracted(NamedTuple):
    """The frozen backbone's features of an episode. No trained weight comes before them, so they can be cached.

    Shapes: mid (B, C, h, w) and high_level (B, C̄, h̄, w̄) of the query; support_mid (B, S, C, h, w);
    support_high_level (B, S, C̄, h̄, w̄), of the masked supports; support_masks (B, S, H, W).
    """

    mid: Tensor
    high_level: Tensor
    support_mid: Tensor
    support_high_level: Tensor
    support_masks: Tensor


class Encoded(NamedTuple):
    """Input of the comparison: F and F̄ of the query, the foreground prototype's map, and the prior mask."""

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

    >>> from model.backbones import build_backbone
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
        if not isinstance(backbone, Backbone):
            raise ValueError(f"backbone: expected a Backbone, got {backbone!r}; build it with build_backbone(name)")
        if not isinstance(scales, Sequence):
            raise ValueError(f"scales: expected sides of grids, got {scales}; write a tuple, such as (60, 30, 15, 8)")
        self.scales = scales
        self.live_statistics = live_statistics
        self.layer0, self.layer1, self.layer2, self.layer3, self.layer4 = backbone.layers
        for layer in self.backbone_layers():
            layer.requires_grad_(False).to(memory_format=torch.channels_last)
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
        return self.segment(self.extract(query, supports, support_masks), query.shape[2:])

    def segment(self, extracted: Extracted, size: tuple[int, ...]) -> Tensor:
        """Logits (B, 2, *size) of the query."""
        if len(size) != 2:
            raise ValueError(f"size: expected (H, W), got {tuple(size)}; pass the query's, as in query.shape[-2:]")
        encoded = self.reduce(extracted)
        return upsample(self.compare(encoded.features, encoded.prototype_map, encoded.prior)[0], size)

    def encode(self, query: Tensor, supports: Tensor, support_masks: Tensor) -> Encoded:
        """Query and supports through the backbone, down to the features and prototypes that are compared."""
        return self.reduce(self.extract(query, supports, support_masks))

    @torch.no_grad()
    def extract(self, query: Tensor, supports: Tensor, support_masks: Tensor) -> Extracted:
        """Query and supports through the frozen backbone."""
        _check_episode(query, supports, support_masks)
        mid, layer3 = self.mid_level(query)
        high_level = self.layer4(layer3)
        support_mid, layer3 = self.mid_level(supports.flatten(0, 1))
        support_high_level = self.masked_high_level(layer3, support_masks.flatten(0, 1))
        shots = supports.shape[:2]
        return Extracted(
            mid, high_level, support_mid.unflatten(0, shots), support_high_level.unflatten(0, shots), support_masks
        )

    def reduce(self, extracted: Extracted) -> Encoded:
        """Reduce backbone features to what is compared; here are the first trained weights."""
        # Channels last is faster in the backbone. From here on it is slower: the gradients of 3 x 3 weights cost more.
        features = self.down_query(extracted.mid).contiguous()
        size = features.shape[2:]
        at_grid = _foreground(extracted.support_masks.flatten(0, 1), extracted.support_mid.shape[3:])
        supports = self.down_supp(extracted.support_mid.flatten(0, 1)) * at_grid
        prototypes = supports.sum((2, 3), keepdim=True) / (at_grid.sum((2, 3), keepdim=True) + 0.0005)
        prototype = prototypes.unflatten(0, extracted.support_mid.shape[:2]).mean(1)
        with torch.no_grad():
            priors = [_prior_mask(extracted.high_level, shot) for shot in extracted.support_high_level.unbind(1)]
            prior = _resize(torch.stack(priors).mean(0), size)
        return Encoded(features, extracted.high_level, prototype.expand(-1, -1, *size), prior)

    def compare(self, features: Tensor, prototype_map: Tensor, prior: Tensor) -> Logits:
        """Compare features (B, D, h, w) with the prototype at the same place, at all scales.

        Returns:
            Logits (B, 2, h, w), then those of each scale, (B, 2, s, s).
        """
        enriched: list[Tensor] = []
        scale_logits: list[Tensor] = []
        for index, scale in enumerate(self.scales):
            pooled = _pool(features, scale)
            # Nearest, not pooled: a cell is compared with one prototype and never with a mixture of two.
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
        """PFENet's whole loss: cross-entropy of the final logits plus the mean over the scales, 255 ignored.

        Without a labelled pixel it is 0.
        """
        _check_shape("mask", mask, "(B, H, W)", 3)
        # The cross-entropy of two classes needs only their difference, which halves the work at full resolution.
        target, labelled = (mask == 1).float(), (mask != 255).float()
        margins = [upsample(one[:, 1:] - one[:, :1], mask.shape[1:])[:, 0] for one in logits]
        sums = (_cross_entropy(torch.stack(margins), target) * labelled).sum((1, 2, 3))
        return (sums[0] + sums[1:].mean()) / labelled.sum().clamp(min=1)

    def mid_level(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The joined mid-level features of images (N, 3, H, W), and the features of layer3 alone."""
        _check_shape("images", images, "(N, 3, H, W)", 4)
        if not images.is_floating_point():
            raise ValueError(f"images: expected normalised floats, got {images.dtype}; pass normalise(images)")
        layer2 = self.layer2(self.layer1(self.layer0(images)))
        layer3 = self.layer3(layer2)
        return _join(maps_of(layer2), maps_of(layer3)), layer3

    def masked_high_level(self, layer3: Tensor, masks: Tensor) -> Tensor:
        """High-level features of the foreground alone, masked before and after layer4; masks (N, H, W)."""
        high_level = self.layer4(layer3 * _foreground(masks, layer3.shape[2:]))
        return high_level * _foreground(masks, high_level.shape[2:])


def _check_episode(query: Tensor, supports: Tensor, support_masks: Tensor) -> None:
    """Refuse parts of an episode without their batch or shots, and parts in another order."""
    _check_shape("query", query, "(B, 3, H, W)", 4)
    _check_shape("supports", supports, "(B, S, 3, H, W)", 5)
    _check_shape("support_masks", support_masks, "(B, S, H, W)", 4)


def _check_shape(argument: str, tensor: Tensor, shape: str, axes: int) -> None:
    if tensor.dim() != axes:
        fix = "add what is missing with [None], and look at the arguments' order"
        raise ValueError(f"{argument}: expected the shape {shape}, got {tuple(tensor.shape)}; {fix}")


def upsample(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """Upsample bilinearly with aligned corners in float32.

    Two matrix products are several times faster on a CPU than torch's loop.
    """
    with torch.autocast(maps.device.type, enabled=False):
        rows, columns = (_upsampling(old, new, maps.device) for old, new in zip(maps.shape[2:], size, strict=True))
        return rows @ maps.float() @ columns.T


@lru_cache(maxsize=32)
def _upsampling(old: int, new: int, device: torch.device) -> Tensor:
    """The matrix (new, old) that upsamples a column; the same few are asked for in every step."""
    # A matrix made in inference mode could not serve a gradient later.
    with torch.inference_mode(False):
        return _resize(torch.eye(old, device=device)[None, None], (new, old))[0, 0]


def _cross_entropy(margins: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of two classes, from the margin of the second class's logit; target in 0..1."""
    # torch's own uses log1p, which takes a CPU longer than all of this.
    sizes = margins.abs()
    return margins * (0.5 - target) + sizes / 2 - sizes.sigmoid().log()


def _foreground(masks: Tensor, size: tuple[int, ...]) -> Tensor:
    """Masks (N, H, W) on a feature grid, (N, 1, h, w) within 0..1."""
    return _resize((masks == 1).float()[:, None], size)


def _join(layer2: Tensor, layer3: Tensor) -> Tensor:
    """The mid-level features; a finer layer2 is resized to layer3's grid."""
    return torch.cat([layer3, _resize(layer2, layer3.shape[2:])], 1)


def _prior_mask(query: Tensor, support: Tensor) -> Tensor:
    """Each query pixel's best cosine with the support's foreground, spread over 0..1 within the image."""
    pixels = support.flatten(2).transpose(1, 2)
    lengths = torch.linalg.vector_norm(pixels, dim=2)
    # Masked pixels are zeros with a cosine of 0, so one of them is enough. On a GPU, reading the count would block.
    kept = lengths.shape[1] if lengths.is_cuda else min(int((lengths > 0).sum(1).max()) + 1, lengths.shape[1])
    places = lengths.topk(kept).indices
    foreground = pixels.gather(1, places[..., None].expand(-1, -1, pixels.shape[2]))
    best = (F.normalize(foreground, dim=2) @ F.normalize(query.flatten(2), dim=1)).max(1).values
    low, high = best.amin(1, keepdim=True), best.amax(1, keepdim=True)
    return ((best - low) / (high - low + 1e-7)).view(-1, 1, *query.shape[2:])


def _pool(maps: Tensor, scale: int) -> Tensor:
    """Means over a grid of `scale` cells a side. MPS has those of sizes that divide, a CPU all."""
    if maps.device.type == "mps" and any(side % scale for side in maps.shape[2:]):
        return F.adaptive_avg_pool2d(maps.cpu(), scale).to(maps.device)
    return F.adaptive_avg_pool2d(maps, scale)


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

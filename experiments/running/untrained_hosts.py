"""Hosts without a trained weight: what a trained head has to beat. No cell of theirs is trained, only read."""

import torch
import torch.nn.functional as F
from model.backbone import Backbone
from model.pfenet import Encoded, Extracted, Logits, PFENet
from torch import Tensor

# Cosines lie closer together than logits do. Chosen once, on base classes of held-out images, so that `OFFSETS` span
# all that is of use; each fold's base classes then choose the offset, as for a trained host.
SHARPNESS, MIDDLE = 20.0, 0.28


class UntrainedCosine(PFENet):
    """The cosine of each mid-level feature with the masked average over the supports: 20 (cos − 0.28) is the margin."""

    def __init__(self, backbone: Backbone, channels: int, scales: tuple[int, ...], live_statistics: bool) -> None:
        super().__init__(backbone, channels, scales, live_statistics)
        del self.down_query, self.down_supp
        del self.init_merge, self.beta_conv, self.inner_cls, self.alpha_conv, self.res1, self.res2, self.cls

    def reduce(self, extracted: Extracted) -> Encoded:
        features = extracted.mid.contiguous()
        masks = _at_grid(extracted.support_masks == 1, extracted.support_mid)
        prototype = _masked_average(extracted.support_mid, masks)[:, :, None, None]
        unused = features.new_zeros(len(features), 1, *features.shape[2:])
        return Encoded(features, extracted.high_level, prototype.expand_as(features), unused)

    def compare(self, features: Tensor, prototype_map: Tensor, prior: Tensor) -> Logits:
        cosine = F.cosine_similarity(features, prototype_map, dim=1) - MIDDLE
        return (SHARPNESS * torch.stack([torch.zeros_like(cosine), cosine], 1),)


class UntrainedCosines(UntrainedCosine):
    """The cosine with the foreground's masked average less the one with the background's: 20 times that is the margin.

    The prototype map is the foreground's beside the background's, on 2C channels.
    """

    def reduce(self, extracted: Extracted) -> Encoded:
        encoded = super().reduce(extracted)
        masks = _at_grid(extracted.support_masks == 0, extracted.support_mid)
        background = _masked_average(extracted.support_mid, masks)[:, :, None, None].expand_as(encoded.features)
        return encoded._replace(prototype_map=torch.cat([encoded.prototype_map, background], 1))

    def compare(self, features: Tensor, prototype_map: Tensor, prior: Tensor) -> Logits:
        foreground, background = prototype_map.chunk(2, 1)
        cosines = [F.cosine_similarity(features, one, dim=1) for one in (background, foreground)]
        return (SHARPNESS * torch.stack(cosines, 1),)


def _at_grid(masks: Tensor, maps: Tensor) -> Tensor:
    """Masks (B, S, H, W) on the grid of the maps, (B, S, 1, h, w) within 0..1."""
    resized = F.interpolate(masks.flatten(0, 1).float()[:, None], maps.shape[3:], mode="bilinear", align_corners=True)
    return resized.unflatten(0, maps.shape[:2])


def _masked_average(maps: Tensor, masks: Tensor) -> Tensor:
    """The mean over the supports of each one's masked average, (B, C); zeros where a mask is empty, as in PFENet."""
    return ((maps * masks).sum((3, 4)) / (masks.sum((3, 4)) + 0.0005)).mean(1)

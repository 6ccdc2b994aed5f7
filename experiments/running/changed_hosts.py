"""PFENet changed in one point each: candidates of the study `regime`, and what CELP's form needs."""

import torch.nn.functional as F
from model.backbone import Backbone
from model.pfenet import Encoded, Extracted, PFENet


class SharedReducer(PFENet):
    """One reducer for the query and its supports, each with its own dropout."""

    def __init__(self, backbone: Backbone, channels: int, scales: tuple[int, ...], live_statistics: bool) -> None:
        super().__init__(backbone, channels, scales, live_statistics)
        self.down_supp = self.down_query


class MidLevelPrior(PFENet):
    """The prior mask comes from the mid-level features, which the comparison sees too, and not from the last layer's.

    The regions of the self-contrastive task still come from the last layer's.
    """

    def reduce(self, extracted: Extracted) -> Encoded:
        maps = extracted.support_mid
        masks = (extracted.support_masks.flatten(0, 1) == 1).float()[:, None]
        masks = F.interpolate(masks, maps.shape[3:], mode="bilinear", align_corners=True).unflatten(0, maps.shape[:2])
        encoded = super().reduce(extracted._replace(high_level=extracted.mid, support_high_level=maps * masks))
        return encoded._replace(high_level=extracted.high_level)

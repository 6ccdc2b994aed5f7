"""Small hosts of other kinds than PFENet, on the same backbone and features."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from data.episodes import Episode
from data.image_list import ImageList
from grid.study import TWO_CLASSES
from model.backbones import Backbone, build_backbone
from model.pfenet import Encoded, Extracted, Logits, PFENet
from recipe import Recipe
from torch import Tensor, nn
from training.episode_loss import EpisodeLoss

from running.changed_hosts import MidLevelPrior, SharedReducer
from running.draws import with_two_classes
from running.untrained_hosts import UntrainedCosine, UntrainedCosines

# Cosines are too close together for a softmax; PANet multiplies them by this.
SHARPNESS = 20.0


class OneScale(PFENet):
    """Concatenation at one scale, without a prior mask, as CANet and SG-One begin."""

    def __init__(self, backbone: Backbone, channels: int, scales: tuple[int, ...], live_statistics: bool) -> None:
        super().__init__(backbone, channels, scales[:1], live_statistics)
        del self.init_merge, self.beta_conv, self.inner_cls, self.alpha_conv
        self.res1 = nn.Sequential(nn.Conv2d(2 * channels, channels, 1, bias=False), nn.ReLU(inplace=True))

    def compare(self, features: Tensor, prototype_map: Tensor, prior: Tensor) -> Logits:
        joined = self.res1(torch.cat([features, prototype_map], 1))
        return (self.cls(self.res2(joined) + joined),)

    @staticmethod
    def loss(logits: Logits, mask: Tensor) -> Tensor:
        # The published loss adds the mean over the scales: here that of the only logits, once more.
        return PFENet.loss((logits[0], logits[0]), mask) / 2


class Cosine(PFENet):
    """Nearest prototype by cosine, nothing learned behind the features, as PANet.

    The prototype map is the foreground's beside the other one, on 2C channels: the support's background.
    """

    def __init__(self, backbone: Backbone, channels: int, scales: tuple[int, ...], live_statistics: bool) -> None:
        super().__init__(backbone, channels, scales[:1], live_statistics)
        del self.init_merge, self.beta_conv, self.inner_cls, self.alpha_conv, self.res1, self.res2, self.cls
        # No ReLU: features without negative values would leave cosines between 0 and 1. One encoder for both images.
        self.down_query = nn.Sequential(nn.Conv2d(backbone.mid_channels, channels, 1, bias=False), nn.Dropout2d(0.1))
        self.down_supp = self.down_query

    def reduce(self, extracted: Extracted) -> Encoded:
        encoded = super().reduce(extracted)
        inverted = extracted._replace(support_masks=1 - (extracted.support_masks == 1).long())
        background = super().reduce(inverted).prototype_map
        return encoded._replace(prototype_map=torch.cat([encoded.prototype_map, background], 1))

    def compare(self, features: Tensor, prototype_map: Tensor, prior: Tensor) -> Logits:
        foreground, other = prototype_map.chunk(2, 1)
        cosines = [F.cosine_similarity(features, one, dim=1) for one in (other, foreground)]
        return (SHARPNESS * torch.stack(cosines, 1),)

    loss = staticmethod(OneScale.loss)


class CosineLoss(EpisodeLoss):
    """In the second pass the foreground's prototype takes the background's place, as `CosineHost` has it."""

    def second_comparison(self, encoded: Encoded) -> Callable[..., Logits]:
        foreground = encoded.prototype_map.chunk(2, 1)[0]

        def compare(features: Tensor, prototype_map: Tensor, prior: Tensor) -> Logits:
            return self.model.compare(features, torch.cat([prototype_map, foreground], 1), prior)

        return compare


HOSTS: dict[str, type[PFENet]] = {
    "PFENet": PFENet,
    "OneScale": OneScale,
    "Cosine": Cosine,
    "SharedReducer": SharedReducer,
    "MidLevelPrior": MidLevelPrior,
    "Untrained cosine": UntrainedCosine,
    "Untrained cosine, two prototypes": UntrainedCosines,
}


@dataclass
class HostRecipe(Recipe):
    """A recipe for any of `HOSTS`, and for any of `DRAWS` beside the recipe's own."""

    host: str = "PFENet"
    further_draw: str | None = None

    def build_model(self) -> PFENet:
        backbone = build_backbone(self.backbone, self.backbone_weights)
        return HOSTS[self.host](backbone, self.channels, tuple(self.scales), self.live_statistics)

    def training_episodes(self, images: ImageList) -> Sequence[Episode]:
        episodes = super().training_episodes(images)
        if self.further_draw != TWO_CLASSES:
            return episodes
        return with_two_classes(images, images.base_classes(self.fold), episodes, self.seed)

"""Pairs of a pixel and a prototype that do not follow from what the pixel shows."""

import torch
from jaxtyping import Bool, Float, Int
from model.pfenet import Encoded, Extracted
from torch import Tensor

from running.objectives.further_task import FurtherTask
from running.objectives.own_regions import own_regions
from selfcontrast.contrast import Prepared
from selfcontrast.sampling import uniforms

# About the share of foreground that the host's own loss sees: a half makes it call too much foreground.
OWN_SHARE = 0.2


class BalancedPairs(FurtherTask):
    """A fifth of the cells hold their own region's prototype, target 1; the others another region's, target 0.

    Each cell draws by itself. The object is among the regions, so both targets are met on background and on the object.
    Prototypes come through `down_supp`.
    """

    def prepare(self, extracted: Extracted, encoded: Encoded, mask: Tensor) -> Prepared:
        found = own_regions(self.auxiliary, self.slot_features(extracted), encoded.high_level, mask)
        own, other = uniforms((2, *found.labels.shape), found.prototypes, self.auxiliary.generator)
        return found.task(torch.where(own < OWN_SHARE, found.labels, another(found.labels, found.exists, other)))


def another(
    labels: Int[Tensor, "B h w"], exists: Bool[Tensor, "B K"], uniform: Float[Tensor, "B h w"]
) -> Int[Tensor, "B h w"]:
    """For each cell a region that exists and is not its own, all equally likely; its own where there is none.

    >>> another(torch.tensor([[[0, 2]]]), torch.tensor([[True, False, True]]), torch.tensor([[[0.9, 0.1]]]))
    tensor([[[2, 0]]])
    """
    cells, count = labels.flatten(1), exists.shape[1]
    there = exists[:, None] & (torch.arange(count, device=labels.device) != cells[..., None])
    places = there.cumsum(2)
    wanted = (uniform.flatten(1)[..., None] * places[..., -1:]).floor() + 1
    # The first region with so many candidates up to and with itself.
    drawn = ((places == wanted) & there).long().argmax(2)
    return torch.where(places[..., -1] > 0, drawn, cells).view(labels.shape)

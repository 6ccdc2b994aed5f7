"""PANet's alignment (Wang et al., ICCV 2019): the query's prediction segments the support."""

import torch
from model.pfenet import Encoded, Extracted, Logits
from torch import Tensor

from running.objectives.further_task import FurtherTask
from selfcontrast import masked_average_pool
from selfcontrast.contrast import SelfContrast


class Alignment(FurtherTask):
    """L2 is the host's loss of the same episode with query and support exchanged.

    The prototype is pooled from `down_supp` of the query where the prediction is foreground, and compared with
    `down_query` of the support. The prediction itself has no gradient, as in PANet; the prior says nothing. An image
    whose prediction is all background has no prototype, and adds nothing. Training is 1-shot.
    """

    def second_pass(self, extracted: Extracted, encoded: Encoded, mask: Tensor, logits: Logits) -> SelfContrast:
        region = (logits[0][:, 1:] > logits[0][:, :1]).detach()
        prototypes = masked_average_pool(self.slot_features(extracted), region)
        support = self.model.down_query(extracted.support_mid[:, 0]).contiguous()
        prototype_map = prototypes[:, 0, :, None, None].expand_as(support)
        there = region.flatten(1).any(1)[:, None, None]
        target = torch.where(there, extracted.support_masks[:, 0].long(), 255)
        answer = self.model.compare(support, prototype_map, torch.full_like(encoded.prior, 0.5))
        held = torch.zeros_like(region[:, 0], dtype=torch.long)
        return SelfContrast(answer, target, region, prototypes, prototype_map, held, held)

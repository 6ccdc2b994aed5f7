"""From backbone features to how far each pixel leans to the foreground: the one path of evaluation and prediction."""

import torch.nn.functional as F
from model.pfenet import Extracted, PFENet, upsample
from torch import Tensor


def margins(model: PFENet, extracted: Extracted, size: int) -> Tensor:
    """How much the foreground's logit exceeds the background's, (B, 1, size, size).

    The supports are those of each query, or one query's alone (B = 1), which all queries then share.
    """
    encoded = model.reduce(extracted)
    # Shared supports make one prototype: to repeat their features instead would cost B times the memory.
    prototype_map = encoded.prototype_map.expand(len(encoded.features), -1, -1, -1)
    logits = upsample(model.compare(encoded.features, prototype_map, encoded.prior)[0], (size, size))
    return logits[:, 1:] - logits[:, :1]


def at_size(margin: Tensor, size: tuple[int, ...]) -> Tensor:
    """One picture's margins (1, H, W) at another size, (h, w); foreground is where they exceed 0."""
    return F.interpolate(margin[None], size, mode="bilinear", align_corners=True)[0, 0]

"""CELP's form (Zhao et al., arXiv 2203.04095), on this example's model: find what looks like a drawn background pixel.

From its published code, commit cefdb8c: one pixel of the query's background is drawn; the background pixels whose
high-level features have a cosine above 0.65 with its own are the latent object; the mean of their reduced features
stands everywhere; the target is 1 there, 0 at the episode's object and unlabelled elsewhere; the prior mask is the
cosine with that mean, spread over 0..1. Its reducer is one for query and support: host "SharedReducer", weight 0.1.

Not the published code's: L2 is the host's whole loss, as in all arms, where CELP takes the final logits alone; the
prior mask has no gradient; any pixel of background may be drawn, where CELP asks for more than ten like it among 3,600,
and there are 196 here.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool
from model.pfenet import Encoded, Extracted
from torch import Tensor

from running.objectives.further_task import FurtherTask
from selfcontrast import masked_average_pool
from selfcontrast.contrast import Prepared
from selfcontrast.prototypes import foreground_cells, labelled_cells, resize_nearest, unlabelled_pixels
from selfcontrast.sampling import pick, uniforms

LIKE = 0.65


class LatentPrototype(FurtherTask):
    """The latent object of each query is found by its own prototype, and the episode's object is not."""

    def prepare(self, extracted: Extracted, encoded: Encoded, mask: Tensor) -> Prepared:
        size = (encoded.features.shape[2], encoded.features.shape[3])
        draw = uniforms((len(mask),), encoded.features, self.auxiliary.generator)
        alike = resize_nearest(alike_cells(encoded.high_level, mask, draw), size)
        region = (alike & background_cells(mask, size))[:, None]
        prototypes = masked_average_pool(encoded.features, region)
        latent = resize_nearest(region[:, 0], (mask.shape[1], mask.shape[2])) & (mask != 1) & ~unlabelled_pixels(mask)
        # Without a latent object there is nothing to tell the object from.
        judged = (latent | (mask == 1)) & region.flatten(1).any(1)[:, None, None]
        prototype_map = prototypes[:, 0, :, None, None].expand_as(encoded.features)
        held = torch.zeros_like(alike, dtype=torch.long)
        return Prepared(torch.where(judged, latent.long(), 255), region, prototypes, prototype_map, held, held)

    def prior(self, encoded: Encoded, task: Prepared) -> Tensor:
        # Without a gradient, as the host's own prior: at a feature of zeros a cosine's would be endless.
        features, prototypes = encoded.features.detach(), task.prototype_map.detach()
        cosines = F.cosine_similarity(features, prototypes, dim=1)[:, None]
        low, high = cosines.amin((2, 3), keepdim=True), cosines.amax((2, 3), keepdim=True)
        return (cosines - low) / (high - low + 1e-7)


def background_cells(mask: Tensor, size: tuple[int, int]) -> Bool[Tensor, "B h w"]:
    return labelled_cells(mask, size) & ~foreground_cells(mask, size)


def alike_cells(high_level: Tensor, mask: Tensor, uniform: Tensor) -> Bool[Tensor, "B h̄ w̄"]:
    """The cells of background like a drawn one of them; none in an image without background.

    Args:
        high_level: (B, C̄, h̄, w̄).
        uniform: (B,), which cell is drawn.
    """
    size = (high_level.shape[2], high_level.shape[3])
    background = background_cells(mask, size)
    drawn = pick(background.flatten(1).to(uniform.dtype), uniform)
    cells = F.normalize(high_level.detach().flatten(2).float(), dim=1)
    anchor = cells.gather(2, drawn[:, None, None].expand(-1, cells.shape[1], 1))
    return ((cells * anchor).sum(1).view(background.shape) > LIKE) & background

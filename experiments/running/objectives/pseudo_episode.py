"""The query as its own episode: find the region that a prototype was pooled from."""

from model.pfenet import Encoded, Extracted
from torch import Tensor

from running.objectives.further_task import FurtherTask
from running.objectives.own_regions import own_regions
from selfcontrast.contrast import Prepared
from selfcontrast.sampling import pick, uniforms


class PseudoEpisode(FurtherTask):
    """One drawn region's prototype stands everywhere; the target is 1 in that region, 0 elsewhere, 255 unlabelled.

    The object is among the regions, each of which is equally likely. Prototypes come through `down_supp`, as in the
    host's own pass.
    """

    def prepare(self, extracted: Extracted, encoded: Encoded, mask: Tensor) -> Prepared:
        found = own_regions(self.auxiliary, self.slot_features(extracted), encoded.high_level, mask)
        draw = uniforms((len(mask),), found.prototypes, self.auxiliary.generator)
        drawn = pick(found.exists.to(draw.dtype), draw)
        return found.task(drawn[:, None, None].expand(found.labels.shape))

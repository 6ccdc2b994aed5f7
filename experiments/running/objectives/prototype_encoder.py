"""SCNet whose prototypes pass through the encoder that the host's own prototypes pass through."""

from model.pfenet import Encoded, Extracted
from torch import Tensor

from running.objectives.further_task import FurtherTask
from selfcontrast.contrast import Prepared


class PrototypeEncoder(FurtherTask):
    """Background prototypes are pooled from `down_supp` of the query, and compared with its `down_query`.

    Regions, map and target are SCNet's. L2 has a gradient on `down_supp`, as L1 has.
    """

    def prepare(self, extracted: Extracted, encoded: Encoded, mask: Tensor) -> Prepared:
        return self.auxiliary.prepare(self.slot_features(extracted), encoded.high_level, mask)

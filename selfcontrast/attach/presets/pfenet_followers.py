"""What followed PFENet: MIANet, MSANet, PFENet++ and QGNet, each by how it differs from PFENet or BAM."""

from dataclasses import replace

from selfcontrast.attach.host import Entry, Host
from selfcontrast.attach.presets.pfenet_family import PFENET_FAMILY

_PFENET, _BAM = PFENET_FAMILY["pfenet"], PFENET_FAMILY["bam"]

PFENET_FOLLOWERS: dict[str, Host] = {
    # The prototype is made of a word vector and the support's own. Query and support share one reduction.
    "mianet": replace(_PFENET, features="down_features"),
    # Of each block it calls the layers by .forward: the third such call of the last ReLU gives the last map.
    "msanet": replace(
        _BAM,
        high_level="layer4.2.relu.forward#2",
        entries=(Entry("init_merge", "C:2C", prior="2C+64:2C+65"),),
        experimental="64 channels of correlations and the attended support features still follow the support's object",
    ),
    # Six prior masks, of three patch sizes in middle and deep features.
    "pfenet2plus": _PFENET,
    # The channel behind the prior mask compares the query with itself: it stays.
    "qgnet": replace(_PFENET, entries=(Entry("init_merge.*", "C:2C", prior="2C:2C+1"),)),
}

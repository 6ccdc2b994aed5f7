"""What followed PFENet: MIANet, MSANet, PFENet++ and QGNet."""

from selfcontrast.attach.host import Entry, Exit, Host

_SCALES = (Exit("cls"), Exit("inner_cls.*"))

PFENET_FOLLOWERS: dict[str, Host] = {
    # The prototype is made of a word vector and the support's own. Query and support share one reduction.
    "mianet": Host(
        features="down_features",
        high_level="layer4",
        entries=(Entry("init_merge.*", "C:2C", prior="2C:"),),
        exits=_SCALES,
        mask="y",
        criterion="criterion",
    ),
    # Of each block it calls the layers by .forward: the third such call of the last ReLU gives the last map. Exit and
    # mask are those of BAM, for the same reason.
    "msanet": Host(
        features="down_query",
        high_level="layer4.2.relu.forward#2",
        entries=(Entry("init_merge", "C:2C", prior="2C+64:2C+65"),),
        exits=(Exit("cls_meta"),),
        mask="y_m",
        criterion="criterion",
        experimental="64 channels of correlations and the attended support features still follow the support's object",
    ),
    # Six prior masks, of three patch sizes in middle and deep features.
    "pfenet2plus": Host(
        features="down_query",
        high_level="layer4",
        entries=(Entry("init_merge.*", "C:2C", prior="2C:"),),
        exits=_SCALES,
        mask="y",
        criterion="criterion",
    ),
    # The channel behind the prior mask compares the query with itself: it stays.
    "qgnet": Host(
        features="down_query",
        high_level="layer4",
        entries=(Entry("init_merge.*", "C:2C", prior="2C:2C+1"),),
        exits=_SCALES,
        mask="y",
        criterion="criterion",
    ),
}

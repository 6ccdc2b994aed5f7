"""PFENet and what is built on its code: HPA's baseline, BAM, SCL and both heads of ASGNet."""

from selfcontrast.attach.host import Doubled, Entry, Exit, Host

_SCALES = (Exit("cls"), Exit("inner_cls.*"))

PFENET_FAMILY: dict[str, Host] = {
    "pfenet": Host(
        features="down_query",
        high_level="layer4",
        entries=(Entry("init_merge.*", "C:2C", prior="2C:"),),
        exits=_SCALES,
        mask="y",
        criterion="criterion",
    ),
    "hpa": Host(
        features="down_query",
        high_level="layer4",
        entries=(Entry("init_merge", "C:2C", prior="2C:"),),
        exits=(Exit("cls"),),
        mask="y",
        criterion="criterion",
    ),
    # The base learner's ensemble behind cls_meta would turn the meaning of foreground round.
    "bam": Host(
        features="down_query",
        high_level="layer4",
        entries=(Entry("init_merge", "C:2C", prior="2C:"),),
        exits=(Exit("cls_meta"),),
        mask="y_m",
        criterion="criterion",
    ),
    # Two prototypes, both replaced; the support's own two passes call the same heads before the query's.
    "scl": Host(
        features="down_query",
        high_level="layer4",
        entries=(Entry("init_merge.*", "C:3C", prior="3C:"),),
        exits=(Exit("cls#2"), Exit("inner_cls.*#2")),
        mask="y",
        criterion="criterion",
    ),
    # Both heads of ASGNet: layer4 is never called.
    "asgnet_pyramid": Host(
        features="down_conv",
        high_level="layer3",
        entries=(Entry("corr_conv.*", "C:2C", prior="2C:"),),
        exits=_SCALES,
        mask="y",
        criterion="criterion",
    ),
    "asgnet_aspp": Host(
        features="down_conv",
        high_level="layer3",
        entries=(Entry("corr_conv", "C:2C", prior="2C:"),),
        exits=(Exit("cls"), Exit("cls_aux")),
        mask="y",
        doubled=(Doubled("decoder", 1),),
        criterion="criterion",
    ),
}

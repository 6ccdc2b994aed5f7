"""IPMT and AENet, which attend from the query to the support beside their comparison."""

from dataclasses import replace

from selfcontrast.attach.host import Entry, Exit, Host
from selfcontrast.attach.presets.attention_family import ATTENTION_FAMILY, SUPPORT_IS_SEEN

ATTENTION_FOLLOWERS: dict[str, Host] = {
    # Its first prediction, an exit, says where its transformer looks: a fold would give that of the host alone.
    "ipmt": Host(
        features="adjust_feature_qry",
        high_level="backbone['3']",
        entries=(Entry("qry_merge_feat", "C:2C", prior="2C:"),),
        exits=(Exit("cls", weight=0.7), Exit("ini_cls", weight=0.3)),
        mask="y",
        mechanism="replay",
        criterion="criterion",
        experimental=SUPPORT_IS_SEEN,
    ),
    "aenet_hdmnet": ATTENTION_FAMILY["hdmnet"],
    # Its criterion judges what the transformer gives beside the query's features.
    "aenet_sccan": replace(ATTENTION_FAMILY["sccan"], high_level="layer4", cut=("criterion_bce",)),
    # It draws which pixels of the support it attends to: in a fold, also what the host alone would draw is another.
    "aenet_cyctr": Host(
        features="down_query",
        high_level="layer4",
        entries=(Entry("init_merge_query", "C:2C", prior="2C:"),),
        exits=(Exit("cls_meta"),),
        mask="y_m",
        mechanism="replay",
        criterion="criterion_dice",
        experimental=f"{SUPPORT_IS_SEEN}; check it with its sampling at rest, model.transformer.eval()",
    ),
}

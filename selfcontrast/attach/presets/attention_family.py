"""CyCTR, SCCAN and HDMNet, which attend from the query to the support beside their comparison."""

from selfcontrast.attach.host import Doubled, Entry, Exit, Host

SUPPORT_IS_SEEN = (
    "its attention still sees the support, so the prototype map is not all that the query is compared with"
)

ATTENTION_FAMILY: dict[str, Host] = {
    "cyctr": Host(
        features="adjust_feature_qry",
        high_level="backbone['3']",
        entries=(Entry("qry_merge_feat", "C:2C", prior="2C:"),),
        exits=(Exit("cls"),),
        mask="y",
        doubled=tuple(Doubled("transformer", position) for position in (1, 2, 3, 4)),
        cut=("pred_supp_qry_proj",),
        criterion="criterion",
        experimental=f"{SUPPORT_IS_SEEN}; its sampling and dropout draw other numbers for a doubled batch",
    ),
    "sccan": Host(
        features="down_query",
        high_level="backbone['3']",
        entries=(Entry("init_merge_query", "C:2C", prior="2C:"),),
        exits=(Exit("cls_meta"),),
        mask="y_m",
        doubled=(Doubled("transformer", 1), Doubled("transformer", 2)),
        criterion="criterion_dice",
        experimental=SUPPORT_IS_SEEN,
    ),
    "hdmnet": Host(
        features="down_query",
        high_level="layer4",
        entries=(Entry("query_merge", "C:2C", prior="2C:", prior_scale=10.0),),
        exits=(Exit("transformer[0]"),),
        mask="y_m",
        doubled=(Doubled("transformer", 1), Doubled("transformer", 2), Doubled("transformer", 3, fill="prior")),
        criterion="criterion",
        experimental=SUPPORT_IS_SEEN,
    ),
}

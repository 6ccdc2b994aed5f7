"""Models that compare with the foreground and with the background: DCP, R2Net and NTRENet."""

from selfcontrast.attach.host import Entry, Exit, Host

# One channel for each class: only their criterion gets both, at the mask's size.
_JOINED = (Exit("criterion#0", argument=0),)

TWO_BRANCHES: dict[str, Host] = {
    # Behind the prior come cosines with prototypes of the object's parts, and in the other entry of the background's.
    "dcp": Host(
        features="down_query",
        high_level="layer4",
        entries=(
            Entry("init_merge", "C:2C", prior="2C:"),
            Entry("init_merge_bg", "C:2C", prior="2C:", holds="background"),
        ),
        exits=_JOINED,
        mask="y",
        mechanism="replay",
        criterion="criterion",
    ),
    # Each pixel has the most similar of several prototypes, of the foreground and of the background.
    "r2net": Host(
        features="down_query",
        high_level="layer4",
        entries=(Entry("init_merge", "C:2C", prior="2C:"), Entry("init_merge_bg", "C:2C", holds="background")),
        exits=_JOINED,
        mask="y",
        mechanism="replay",
        criterion="criterion",
        experimental="behind its entry the foreground's features are multiplied by where its base learner sees no "
        "other class, in the task too, where these classes are foreground",
    ),
    # The features meet a learned background prototype, no episode's, before the foreground's is set beside them.
    "ntrenet": Host(
        features="down_query",
        high_level="layer4",
        entries=(Entry("init_merge2.*", "C:2C", prior="2C:"),),
        exits=(Exit("cls"), Exit("inner_cls.*", weight=0.4), Exit("inital_inner_cls.*", weight=0.6)),
        mask="y",
        mechanism="replay",
        criterion="criterion",
        experimental="what its learned background prototype finds in the query stays background in the task",
    ),
}

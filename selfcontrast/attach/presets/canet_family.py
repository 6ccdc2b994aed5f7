"""CANet and what shares its parts: PMMs, RPMMs and SG-One."""

from selfcontrast.attach.host import Doubled, Entry, Exit, Host

CANET_FAMILY: dict[str, Host] = {
    # The pass has no history of its own; the host's is given to its forward.
    "canet": Host(
        features="layer5",
        high_level="layer3",
        entries=(Entry("layer55", "C:2C"),),
        exits=(Exit("layer9"),),
        doubled=(Doubled("", 3, fill=0.0),),
    ),
    # Support before query; three prototypes, all replaced; the probability map is a prior of this host.
    "pmms": Host(
        features="layer5#1",
        high_level="model_res#1[2]",
        entries=(Entry("layer55", "C:2C"),),
        exits=(Exit("layer9"),),
        doubled=(Doubled("PMMs[1]", None, fill="prior"),),
        align_corners=False,
    ),
    # Three rounds, whose losses the host adds; the batch size is written into its first pseudo mask.
    "rpmms": Host(
        features="layer5#1",
        high_level="model_res#1[2]",
        entries=(Entry("layer55", "C:2C"), Entry("layer56", None, prior="C:")),
        exits=(Exit("layer9", weight=3.0),),
        mechanism="replay",
        align_corners=False,
    ),
    # Batch size 1; support before query.
    "sgone": Host(
        features="netB#1[0]",
        high_level="netB.features_5#1",
        entries=(Entry("cos_similarity_func", ":", argument=1),),
        exits=(Exit("exit_layer"),),
        mechanism="replay",
        align_corners=False,
    ),
}

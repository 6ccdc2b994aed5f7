"""IFA, Q-Net, RPT and ALPNet, which compare by cosine similarity."""

from selfcontrast.attach.host import CosineHost

COSINE_FOLLOWERS: dict[str, CosineHost] = {
    # What is compared first guides the model's own prototypes; the query's mask is an argument.
    "ifa": CosineHost("layer3#-1", "layer3#-1", foreground=0, background=1, scale=10.0, mask="mask_q"),
    # Two scales, each with a prototype of its own; mixed as probabilities. The threshold comes from the query.
    "qnet": CosineHost(
        ("encoder[0]['down2']", "encoder[0]['down3']"),
        "encoder.backbone.layer4",
        foreground=0,
        background=None,
        output="[0]",
        output_holds="probabilities",
        losses_off="train",
    ),
    # The first four find the query's own prototype, from which the support's parts learn; a sixth is for a loss.
    "rpt": CosineHost(
        "encoder[0]",
        "encoder.backbone.layer4",
        foreground=4,
        background=None,
        output="[0]",
        output_holds="probabilities",
        losses_off="train",
        mask="qry_mask",
    ),
    # Prototypes are kernels of a convolution; the background's are compared first.
    "alpnet": CosineHost(
        "encoder",
        "encoder.backbone.layer4",
        foreground=1,
        background=0,
        output="[0]",
        losses_off="training",
        align_corners=False,
    ),
}

"""PANet and others that compare by cosine similarity."""

from selfcontrast.attach.host import CosineHost

COSINE_FAMILY: dict[str, CosineHost] = {
    # Support and query pass the encoder together; per query, similarities with the background, then the foreground.
    "panet": CosineHost(
        "encoder", "encoder", foreground=1, background=0, output="[0]", losses_off="training", align_corners=False
    ),
    "ppnet": CosineHost("encoder[0]", "encoder[0]", foreground=1, background=0, output="[0]", losses_off="training"),
    # Support before query, in any number of shots; foreground, then background.
    "mlc": CosineHost("backbone.layer3#-1", "backbone.layer3#-1", foreground=0, background=1, output=""),
    # What is compared first guides the model's own prototypes; the query's mask is an argument.
    "ssp": CosineHost("layer3#-1", "layer3#-1", foreground=0, background=1, scale=10.0, mask="mask_q"),
}

"""Regions, masks and predictions laid over their image, as pictures to look at."""

import torch
from jaxtyping import UInt8
from torch import Tensor

from selfcontrast.errors import require
from selfcontrast.prototypes import resize_nearest

COLOURS = ((230, 60, 60), (60, 130, 230), (250, 190, 40), (70, 180, 90), (160, 90, 200), (240, 130, 60))


def overlay_labels(image: Tensor, labels: Tensor, opacity: float = 0.55) -> UInt8[Tensor, "3 H W"]:
    """Colour an image by its labels.

    Args:
        image: (3, H, W) uint8.
        labels: integers on any grid; a negative label leaves the image as it is, k takes the k-th of six colours,
            beginning again after the last. A mask is shown by `mask.long() - 1`, whose foreground is then 0.
        opacity: of the colour, 0..1.

    Raises:
        InputError: on another shape or dtype, or an opacity out of range.

    >>> import torch
    >>> overlay_labels(torch.zeros(3, 1, 2, dtype=torch.uint8), torch.tensor([[-1, 0]]), opacity=1.0)[:, 0].T
    tensor([[  0,   0,   0],
            [230,  60,  60]], dtype=torch.uint8)
    """
    require(
        image.dim() == 3 and image.shape[0] == 3 and image.dtype == torch.uint8,
        "image",
        "uint8 of shape (3, H, W)",
        f"{image.dtype} of shape {tuple(image.shape)}",
        "undo the normalisation first",
    )
    require(
        labels.dim() == 2 and not labels.is_floating_point(),
        "labels",
        "integers of shape (h, w)",
        f"{labels.dtype} of shape {tuple(labels.shape)}",
        "pass one image's labels",
    )
    require(0 <= opacity <= 1, "opacity", "0 to 1", opacity, "use 0.55")
    resized = resize_nearest(labels, (image.shape[1], image.shape[2]))
    palette = torch.tensor(COLOURS, device=image.device, dtype=torch.float32)
    colour = palette[resized.clamp(min=0).long() % len(COLOURS)].movedim(2, 0)
    blended = torch.where(resized >= 0, opacity * colour + (1 - opacity) * image, image.float())
    return blended.round().to(torch.uint8)

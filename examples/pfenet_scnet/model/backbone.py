"""What a backbone is: five frozen layers, whichever network they were cut from."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn


@dataclass(frozen=True)
class Backbone:
    """
    Attributes:
        layers: in order. `layer2` and `layer3` give what is compared, `layer4` the high-level features.
        mid_channels: the channels of layer2 and layer3 together.
        patch: pictures must have sides that are multiples of so many pixels; 1 takes any.
    """

    layers: tuple[nn.Module, nn.Module, nn.Module, nn.Module, nn.Module]
    mid_channels: int
    patch: int = 1


def check_size(size: int, patch: int) -> None:
    """Refuse a picture that cannot be cut into patches.

    Raises:
        ValueError: names the nearest sizes that can.

    >>> check_size(224, 16)
    """
    if size % patch:
        below = size // patch * patch
        near = f"{below} or {below + patch}" if below else f"{patch}"
        raise ValueError(
            f"size: expected a multiple of {patch}, the side of this backbone's patches, got {size}; set --size to "
            f"{near}"
        )


def check_weights_file(weights: str) -> None:
    """
    Raises:
        FileNotFoundError: there is no such file.
    """
    if not Path(weights).is_file():
        raise FileNotFoundError(
            f"backbone_weights: expected 'imagenet' or a checkpoint's path, got {weights!r}; check the path"
        )

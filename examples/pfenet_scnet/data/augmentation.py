"""Augmentation of training images: one warp that scales, turns, mirrors and crops, and a blur; by OpenCV, for speed."""

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from data.masks import UNLABELLED
from data.transforms import MEAN_COLOUR

AUGMENTATION = "scale, rotation, blur, mirroring and random crop, as PFENet's"


def training_transform(size: int) -> v2.Transform:
    """PFENet's augmentation: scale 0.9..1.1, rotation ±10°, blur and mirror half of the time, a random crop.

    The image stays bytes (3, size, size), and so does the mask (size, size).
    """
    return v2.Compose([RandomView(size), v2.RandomApply([_Blur()], 0.5)])


class RandomView(v2.Transform):
    """A random square of the scaled, turned, perhaps mirrored picture, interpolated once.

    A side that is shorter than the square is centred. The area outside the picture gets the mean colour and is
    unlabelled in the mask.

    Args:
        size: side of the square in pixels.
        scale: the smallest and the greatest scale.
        degrees: greatest rotation either way, about the picture's centre.
        mirror: probability of mirroring.
    """

    def __init__(
        self, size: int, scale: tuple[float, float] = (0.9, 1.1), degrees: float = 10.0, mirror: float = 0.5
    ) -> None:
        super().__init__()
        self.size = size
        self.scale = scale
        self.degrees = degrees
        self.mirror = mirror

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The warp, the same for image and mask: from a pixel of the square to its place in the picture."""
        height, width = v2.functional.get_size(flat_inputs[0])
        scale = _uniform(*self.scale)
        mirrored = bool(torch.rand(()) < self.mirror)
        corner = [_corner(side * scale, self.size) for side in (width, height)]
        return {"warp": _warp((width, height), scale, _uniform(-self.degrees, self.degrees), mirrored, corner)}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        if isinstance(inpt, tv_tensors.Mask):
            warped = self._apply(inpt.to(torch.uint8).numpy(), params, cv2.INTER_NEAREST, UNLABELLED)
            return tv_tensors.Mask(torch.from_numpy(warped))
        warped = self._apply(inpt.permute(1, 2, 0).numpy(), params, cv2.INTER_LINEAR, MEAN_COLOUR)
        return tv_tensors.Image(torch.from_numpy(warped).permute(2, 0, 1))

    def _apply(self, pixels: np.ndarray, params: dict[str, Any], interpolation: int, fill: Any) -> np.ndarray:
        flags = interpolation | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(pixels, params["warp"], (self.size, self.size), flags=flags, borderValue=fill)


class _Blur(v2.Transform):
    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        if isinstance(inpt, tv_tensors.Mask):
            return inpt
        blurred = cv2.GaussianBlur(inpt.permute(1, 2, 0).numpy(), (5, 5), 0)
        return tv_tensors.Image(torch.from_numpy(blurred).permute(2, 0, 1))


def _uniform(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))


def _corner(side: float, size: int) -> float:
    """Where the square begins on a scaled side: at a random whole pixel if it fits, else where it centres the side."""
    room = int(side) - size
    return float(torch.randint(room + 1, ())) if room > 0 else room / 2


def _warp(picture: tuple[int, int], scale: float, degrees: float, mirrored: bool, corner: list[float]) -> np.ndarray:
    """The affine map (2, 3) from the square's pixels to the picture's; pixel centres lie at whole numbers.

    >>> _warp((8, 6), 2.0, 0.0, False, [4.0, 3.0]) @ [0.5, 0.5, 1.0]
    array([2. , 1.5])
    """
    scaled = scale * np.array(picture)
    turn = np.deg2rad(degrees)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    flip = np.diag([-1.0 if mirrored else 1.0, 1.0])
    # Outwards: from the square to the scaled picture's centre, unmirrored, turned back, scaled back, off the centre.
    linear = rotation @ flip / scale
    offset = linear @ (np.array(corner) + 0.5 - scaled / 2) + np.array(picture) / 2 - 0.5
    return np.column_stack([linear, offset])

"""The tokens of a vision transformer between two of its layers, in the place of a convolution's maps."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class TokenGrid:
    """Tokens that are masked, repeated and read like maps (B, C, h, w), and keep those that belong to no place.

    Attributes:
        tokens: (B, P + h·w, C): first P tokens of the whole picture, class and registers, then the patches row by row.
        size: h and w.
        rotary: the positions that the blocks of some models need; otherwise None.
        norm: the model's last normalisation; what a block puts out becomes features by it, as in DINOv2.
    """

    tokens: Tensor
    size: tuple[int, int]
    rotary: Tensor | None
    norm: nn.Module

    @property
    def prefix(self) -> int:
        """P."""
        return self.tokens.shape[1] - self.size[0] * self.size[1]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(B, C, h, w)."""
        return self.tokens.shape[0], self.tokens.shape[2], *self.size

    @property
    def maps(self) -> Tensor:
        """The features of the patches, (B, C, h, w)."""
        patches = self.norm(self.tokens)[:, self.prefix :]
        return patches.transpose(1, 2).unflatten(2, self.size).contiguous()

    def __mul__(self, mask: Tensor) -> "TokenGrid":
        """Each patch times its cell of the mask (B, 1, h, w); tokens of the whole picture stay."""
        weights = mask.flatten(2).transpose(1, 2)
        whole, patches = self.tokens[:, : self.prefix], self.tokens[:, self.prefix :]
        return replace(self, tokens=torch.cat([whole, patches * weights], 1))

    def repeat(self, times: int, *_: int) -> "TokenGrid":
        """The batch over and over."""
        return replace(self, tokens=self.tokens.repeat(times, 1, 1))


def maps_of(layer: Tensor | TokenGrid) -> Tensor:
    """A layer's output as maps (B, C, h, w)."""
    return layer.maps if isinstance(layer, TokenGrid) else layer

"""The pixels of a feature map as the rows of a matrix that is multiplied but never copied.

Axes: B images, C channels, h x w the feature grid, N = h·w pixels, K rows of the left factor, P blocks of R rows and S
columns: (B, P, R, S) is (B, P, R, N) of a map in the usual layout and (B, h, w, C) of a channels-last one.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from selfcontrast.precision import at_least_float32

_CHANNELS_A_BLOCK = 128
_PARTS = 16


class FeatureMatrix:
    """A map (B, C, h, w) of either memory layout, cut along its outer axis into blocks that fit a processor's cache.

    Half precision is widened a part at a time, so that all sums are made in float32 and the map is held once.

    >>> import torch
    >>> pixels = FeatureMatrix(torch.tensor([[[[1.0, 2.0]], [[0.0, 3.0]]]]))
    >>> pixels.similarities(torch.tensor([[[1.0, 1.0]]])), pixels.sums(torch.tensor([[[1.0, 1.0]]]))
    (tensor([[[1., 5.]]]), tensor([[[3., 3.]]]))
    """

    def __init__(self, features: Tensor) -> None:
        usual, channels_last = features.is_contiguous(), features.is_contiguous(memory_format=torch.channels_last)
        self.channels_last = channels_last and not usual
        self._blocks: Tensor = features.permute(0, 2, 3, 1) if self.channels_last else _by_channels(features)
        self.dtype = torch.promote_types(features.dtype, torch.float32)
        # Below so many, single pixels are read faster than the map; in the usual layout each is a cache line a channel.
        self.few = features.shape[2] * features.shape[3] // (8 if self.channels_last else 32)

    def similarities(self, centres: Float[Tensor, "B K C"]) -> Float[Tensor, "B K N"]:
        """The product of every centre with every pixel."""
        return self._outer(centres) if self.channels_last else self._inner(centres)

    def sums(self, weights: Float[Tensor, "B K N"]) -> Float[Tensor, "B K C"]:
        """Weighted sums of the pixels."""
        return self._inner(weights) if self.channels_last else self._outer(weights)

    def norms(self) -> Float[Tensor, "B N"]:
        """The length of each pixel."""
        if self.channels_last:
            return torch.cat([_length(part).flatten(1) for _, part in self._parts(_PARTS)], 1)
        # A norm along a strided axis reads the map a dozen times over; squares written out have to be read again.
        first, *others = (self._blocks[:, i].to(self.dtype) for i in range(self._blocks.shape[1]))
        squares = first.square()
        for block in others:
            squares.addcmul_(block, block)
        return squares.sum(1).sqrt()

    def of(self, image: int, index: Int[Tensor, " n"]) -> Float[Tensor, "n C"]:
        """Some pixels of one image."""
        matrix = self._blocks[image].flatten(0, 1)
        return at_least_float32(
            matrix.index_select(0, index) if self.channels_last else matrix.index_select(1, index).T
        )

    def one_each(self, index: Int[Tensor, " B"]) -> Float[Tensor, "B C"]:
        """One pixel of every image."""
        matrix = self._blocks.flatten(1, 2) if self.channels_last else self._blocks.flatten(1, 2).transpose(1, 2)
        return at_least_float32(matrix.gather(1, index[:, None, None].expand(-1, 1, matrix.shape[2]))[:, 0])

    def _inner(self, left: Float[Tensor, "B K M"]) -> Float[Tensor, "B K S"]:
        """The product that sums over the blocks."""
        shares = left.reshape(*left.shape[:2], *self._blocks.shape[1:3]).transpose(1, 2)
        products = [(shares[:, where] @ part).sum(1) for where, part in self._widened()]
        return products[0] if len(products) == 1 else torch.stack(products).sum(0)

    def _outer(self, left: Float[Tensor, "B K S"]) -> Float[Tensor, "B K M"]:
        """The product of which every block makes a part."""
        products = [left[:, None] @ part.transpose(2, 3) for _, part in self._widened()]
        return torch.cat(products, 1).transpose(1, 2).flatten(2)

    def _widened(self) -> Iterator[tuple[slice, Float[Tensor, "B P R S"]]]:
        """All blocks at once, or part after part if they have to be widened."""
        return self._parts(1 if self._blocks.dtype == self.dtype else _PARTS)

    def _parts(self, parts: int) -> Iterator[tuple[slice, Float[Tensor, "B P R S"]]]:
        count = self._blocks.shape[1]
        step = -(-count // parts)
        for start in range(0, count, step):
            where = slice(start, start + step)
            yield where, self._blocks[:, where].to(self.dtype)


def _by_channels(features: Tensor) -> Float[Tensor, "B P R N"]:
    batch, channels, height, width = features.shape
    size = channels if channels % _CHANNELS_A_BLOCK else _CHANNELS_A_BLOCK
    return features.reshape(batch, channels // size, size, height * width)


def _length(pixels: Float[Tensor, "... C"]) -> Float[Tensor, "..."]:
    return torch.linalg.vector_norm(pixels, dim=-1)  # pyright: ignore

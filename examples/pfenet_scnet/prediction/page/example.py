"""An episode of a data set to try: marked pictures of a class and a query, as they are stored."""

from collections.abc import Sequence
from typing import NamedTuple

from data.image_list import Item
from data.transforms import read_pair
from torch import Tensor


class Example(NamedTuple):
    """Where the pictures of an episode lie, and the name and number of its class."""

    class_name: str
    novel_class: int
    supports: tuple[Item, ...]
    query: Item

    def read_supports(self) -> list[tuple[Tensor, Tensor]]:
        """Images (3, H, W) uint8 and masks (H, W) of 0, 1 and 255."""
        return [_plain(read_pair(item, self.novel_class)) for item in self.supports]

    def read_query(self) -> Tensor:
        """The image (3, H, W), uint8."""
        return _plain(read_pair(self.query, self.novel_class))[0]


def _plain(pair: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    image, mask = (part.as_subclass(Tensor) for part in pair)
    return image, mask

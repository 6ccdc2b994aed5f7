"""Queries' pictures, read when the model wants them; a damaged one ends the command, or is left out and counted."""

from collections import deque
from collections.abc import Iterator, Sequence

from data.pictures import ENDS, Damaged, is_cut_off, read_image
from runtime.say import shown, some
from torch import Tensor

from prediction.query_pictures import Query
from prediction.segment import check_image
from prediction.working_ahead import in_order

SHOWN = 3
SKIP = "or add --skip_damaged true"


def check_ends(queries: Sequence[Query]) -> None:
    """Refuse queries that are cut off, before any work is done. Only a picture that ends strangely is decoded.

    Raises:
        Damaged: names the first three.
    """
    damaged = [damage for damage in in_order(_damage_of, queries) if damage]
    if damaged:
        raise Damaged(f"{some(damaged, '; ', SHOWN)}; {SKIP}")


class PictureStream:
    """The pictures (3, h, w) uint8 of queries, one after the other. Each waits here until it is answered.

    Args:
        upright: take pictures as viewers show them, and not as they are stored.
        skip_damaged: leave damaged ones out.
        size: side of the square that the model sees.

    Attributes:
        damaged: the queries that were left out so far.
    """

    def __init__(self, queries: Sequence[Query], upright: bool, skip_damaged: bool, size: int) -> None:
        self.queries = queries
        self.upright = upright
        self.skip_damaged = skip_damaged
        self.size = size
        self.damaged: list[Query] = []
        self._waiting: deque[tuple[Query, Tensor]] = deque()

    def __iter__(self) -> Iterator[Tensor]:
        for query, found in in_order(self._read, self.queries):
            if isinstance(found, Tensor):
                self._waiting.append((query, found))
                yield found
            elif self.skip_damaged:
                self.damaged.append(query)
            else:
                raise Damaged(f"{found}; {SKIP}")
        if len(self.damaged) == len(self.queries):
            raise Damaged(f"query: expected at least one whole picture, got damaged ones alone: {self._names()}")

    def answered(self, probabilities: Iterator[Tensor]) -> Iterator[tuple[Query, Tensor, Tensor]]:
        """Each query, its picture and its probabilities."""
        for probability in probabilities:
            yield *self._waiting.popleft(), probability

    def say_damaged(self) -> None:
        """Say how many pictures were left out, and which."""
        if self.damaged:
            print(f"left out {len(self.damaged)} of {len(self.queries)} pictures, which are damaged: {self._names()}")

    def _names(self) -> str:
        return some([shown(query.path) for query in self.damaged], most=SHOWN)

    def _read(self, query: Query) -> tuple[Query, Tensor | Damaged]:
        try:
            image = read_image(query.path, self.upright)
        except Damaged as damage:
            return query, damage
        check_image(image, self.size, shown(query.path))
        return query, image


def _damage_of(query: Query) -> Damaged | None:
    with query.path.open("rb") as file:
        known = file.read(8).startswith(tuple(ENDS))
    if known and not is_cut_off(query.path):
        return None
    try:
        read_image(query.path)
    except Damaged as damage:
        return damage
    return None

"""A comparison of the query's features with prototypes, as a host writes it, and the same with other prototypes.

A cosine similarity; a product that sums over the channels, be it written as einsum, matmul, linear or convolution with
kernels of one pixel; a distance; or a difference or product entry by entry, which the host sums itself.

Axes: n query images, C channels, P prototypes of an image, h x w the feature grid.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from selfcontrast.attach.mechanisms.exchange.following_query import Known
from selfcontrast.errors import require


@dataclass(frozen=True)
class Similarity(ABC):
    """A call of a function that compares.

    Attributes:
        name: of the function.
        known: what the operand made of the query holds.
        query: that operand.
        prototypes: the other one.
        again: the host's own call with another operand in the prototypes' place.
    """

    name: str
    known: Known
    query: Tensor
    prototypes: Tensor
    again: Callable[[Tensor], Tensor]

    @property
    @abstractmethod
    def form(self) -> tuple[Any, ...]:
        """Two calls of one form take each other's prototypes."""

    @property
    @abstractmethod
    def axis(self) -> int | None:
        """The axis of the result that the prototypes of an image are told apart by."""

    @abstractmethod
    def with_map(self) -> Tensor:
        """The result with the map, which is another prototype for each pixel, for each of the prototypes."""

    @abstractmethod
    def vectors(self) -> Tensor | None:
        """The prototypes (n or 1, P, C), None where they have no such form."""

    @abstractmethod
    def with_vectors(self, vectors: Tensor) -> Tensor | None:
        """The result with prototypes (n or 1, P, C), None where it has no place for so many."""

    def with_those_of(self, other: "Similarity") -> Tensor:
        """The result with the prototypes of another call."""
        if self.form == other.form:
            return self.again(other.prototypes)
        vectors = other.vectors()
        if vectors is not None and isinstance(other, Cosine):
            vectors = F.normalize(vectors, dim=-1)
        result = None if vectors is None else self.with_vectors(vectors)
        require(
            result is not None,
            "host.background",
            f"a similarity that has a place for the foreground's prototypes, {tuple(other.prototypes.shape)} of "
            f"{other.name}",
            f"{self.name} with {tuple(self.prototypes.shape)}",
            "name the place of the similarity that belongs to the foreground's",
        )
        assert result is not None
        return result

    def with_both(self, foreground: "Similarity") -> Tensor:
        """The result where it holds the background's prototype and the foreground's, in this order."""
        own, axis = self.again(foreground.prototypes), self.axis
        require(
            axis is not None and own.shape[axis] == 2,
            "host.background",
            "another place than the foreground's, or a similarity with two prototypes, the background's first",
            f"{self.name} with {tuple(self.prototypes.shape)}",
            "give the background's place, or None where the host has no such prototype",
        )
        assert axis is not None
        return torch.stack([own.select(axis, 1), self.with_map().select(axis, 1)], axis)


class Cosine(Similarity):
    """`cosine_similarity(query, prototypes, dim)`, whose operands broadcast to each other."""

    @property
    def form(self) -> tuple[Any, ...]:
        return self.name, self.prototypes.dim(), self._summed

    @property
    def axis(self) -> int | None:
        pairs = enumerate(zip(self._spread(self.query).shape, self._spread(self.prototypes).shape, strict=True))
        several = [axis for axis, (own, other) in pairs if own == 1 and other > 1]
        return several[0] - (several[0] > self._summed) if several else None

    @property
    def _dims(self) -> int:
        return max(self.query.dim(), self.prototypes.dim())

    @property
    def _summed(self) -> int:
        return self._dims - self.query.dim() + (self.known.channels or 0)

    def _spread(self, tensor: Tensor) -> Tensor:
        return tensor[(None,) * (self._dims - tensor.dim())]

    def with_map(self) -> Tensor:
        shape = list(_together(self.query, self.prototypes))
        del shape[self._summed]
        return self.again(self._spread(self.known.counterpart())).expand(shape)

    def vectors(self) -> Tensor | None:
        last = self._spread(self.prototypes).movedim(self._summed, -1)
        own = self._spread(self.query).movedim(self._summed, -1)
        pairs = zip(own.shape[1:-1], last.shape[1:-1], strict=True)
        plain = last.shape[0] in (1, len(self.known.rows)) and all(other == 1 or size == 1 for size, other in pairs)
        return last.flatten(1, -2) if plain else None

    def with_vectors(self, vectors: Tensor) -> Tensor | None:
        query = self._spread(self.query).movedim(self._summed, -1)
        flat = F.normalize(query.reshape(len(self.known.rows), -1, query.shape[-1]), dim=-1)
        best = (flat @ F.normalize(vectors, dim=-1).mT).amax(-1)
        return best.reshape(query.shape[:-1])


@dataclass(frozen=True)
class Product(Similarity):
    """A sum over channels of products.

    Attributes:
        letters: the axes of query, prototypes and result, as in einsum; `c` are the channels.
    """

    letters: tuple[str, str, str]

    @property
    def form(self) -> tuple[Any, ...]:
        return self.name, self.letters, self.prototypes.dim()

    @property
    def axis(self) -> int | None:
        return self.letters[2].index(self._several[0]) if self._several else None

    @property
    def _several(self) -> str:
        """The axes that the prototypes alone have."""
        return "".join(letter for letter in self.letters[1] if letter not in self.letters[0])

    @property
    def _sizes(self) -> dict[str, int]:
        query, flat = self.letters[0], self.prototypes.reshape(self.prototypes.shape[: len(self.letters[1])])
        sizes = dict(zip(self.letters[1], flat.shape, strict=True))
        own = dict(zip(query, self.query.shape, strict=True))
        return {letter: max(own.get(letter, 1), sizes.get(letter, 1)) for letter in {*own, *sizes}}

    def _placed(self, scores: Tensor) -> Tensor:
        """Scores (P, query without channels), or without the P, in the form of the result."""
        order = self._several + self.letters[0].replace("c", "")
        scores = scores[(None,) * (len(order) - scores.dim())]
        return scores.permute([order.index(one) for one in self.letters[2]]).expand(
            [self._sizes[one] if scores.shape[order.index(one)] == 1 else -1 for one in self.letters[2]]
        )

    def with_map(self) -> Tensor:
        assert self.known.channels is not None
        scores = (self.query * self.known.counterpart()).sum(self.known.channels)
        return self._placed(scores.to(self._type))

    @property
    def _type(self) -> torch.dtype:
        """The result's, which autocast may choose."""
        device = self.query.device.type
        if torch.is_autocast_enabled(device):
            return torch.get_autocast_dtype(device)
        return torch.promote_types(self.query.dtype, self.prototypes.dtype)

    def vectors(self) -> Tensor | None:
        shared = [one for one in self.letters[1] if one in self.letters[0] and one != "c"]
        sizes = dict(zip(self.letters[0], self.query.shape, strict=True))
        flat = self.prototypes.reshape(self.prototypes.shape[: len(self.letters[1])])
        last = flat.permute([self.letters[1].index(one) for one in (*shared, *self._several, "c")])
        images = len(self.known.rows)
        if shared and (len(shared) > 1 or sizes[shared[0]] != images or last.shape[0] not in (1, images)):
            return None
        return last.reshape(last.shape[0] if shared else 1, -1, last.shape[-1])

    def with_vectors(self, vectors: Tensor) -> Tensor | None:
        if len(self._several) > 1 or (not self._several and vectors.shape[1] > 1):
            return None
        last = self.query.movedim(self.known.channels or 0, -1)
        scores = last.reshape(len(self.known.rows), -1, last.shape[-1]) @ vectors.mT.to(last.dtype)
        scores = scores.movedim(-1, 0).reshape(-1, *last.shape[:-1])
        return self._placed(scores if self._several else scores[0])


class Distance(Product):
    """`cdist(query, prototypes)`, whose operands are lists of vectors."""

    def with_map(self) -> Tensor:
        gaps = self.query - self.known.counterpart()
        return self._placed(torch.linalg.vector_norm(gaps, dim=self.known.channels))  # pyright: ignore

    def vectors(self) -> Tensor | None:
        return None

    def with_vectors(self, vectors: Tensor) -> Tensor | None:
        return None


class EntryByEntry(Similarity):
    """`query * prototypes` or `query - prototypes`, which the host sums over the channels itself."""

    @property
    def form(self) -> tuple[Any, ...]:
        return self.name, self.prototypes.dim()

    @property
    def axis(self) -> int | None:
        return None

    def with_map(self) -> Tensor:
        return self.again(self.known.counterpart()).expand(_together(self.query, self.prototypes))

    def vectors(self) -> Tensor | None:
        return None

    def with_vectors(self, vectors: Tensor) -> Tensor | None:
        return None


def _together(one: Tensor, other: Tensor) -> torch.Size:
    """The shape that two tensors broadcast to."""
    return torch.broadcast_shapes(one.shape, other.shape)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

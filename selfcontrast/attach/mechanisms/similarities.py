"""A comparison of the query's features with prototypes, as a host writes it, and the same with other prototypes.

A cosine similarity; a product that sums over the channels, be it written as einsum, matmul, linear or convolution with
kernels of one pixel; or a difference or product entry by entry, which the host sums itself.

Axes: n query images, C channels, P prototypes of an image, h x w the feature grid.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selfcontrast.attach.mechanisms.following_query import Known, QueryFollower
from selfcontrast.errors import require

_ARGUMENTS: dict[Any, tuple[str, ...]] = {
    torch.cosine_similarity: ("x1", "x2", "dim", "eps"),
    F.linear: ("input", "weight", "bias"),
    torch.conv1d: ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    torch.conv2d: ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
}
_PRODUCTS = {torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm, torch.mm, Tensor.mm}
_MIRRORED = {Tensor.__rmatmul__}
_ENTRY_BY_ENTRY = {torch.mul, Tensor.mul, Tensor.__mul__, torch.multiply, Tensor.multiply, Tensor.__rmul__}
_ENTRY_BY_ENTRY |= {torch.sub, Tensor.sub, Tensor.__sub__, torch.subtract, Tensor.subtract, Tensor.__rsub__}
_USUAL = {"stride": 1, "padding": 0, "groups": 1}
_BATCH, _GRID = "ABCDEFGH", "XYZ"


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
        shape = list(torch.broadcast_shapes(self.query.shape, self.prototypes.shape))
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


class EntryByEntry(Similarity):
    """`query * prototypes` or `query - prototypes`, which the host sums over the channels itself."""

    @property
    def form(self) -> tuple[Any, ...]:
        return self.name, self.prototypes.dim()

    @property
    def axis(self) -> int | None:
        return None

    def with_map(self) -> Tensor:
        shape = torch.broadcast_shapes(self.query.shape, self.prototypes.shape)
        return self.again(self.known.counterpart()).expand(shape)

    def vectors(self) -> Tensor | None:
        return None

    def with_vectors(self, vectors: Tensor) -> Tensor | None:
        return None


def recognise(function: Any, args: Sequence[Any], kwargs: dict[str, Any], follower: QueryFollower) -> Similarity | None:
    """The comparison that a call of a function is, None where it is none.

    One operand is made of the query's features alone, the other is neither that nor a parameter; the channels are
    summed, or meet as many channels of the same vector at each pixel.
    """
    if function is torch.cosine_similarity:
        return _cosine(_named(function, args, kwargs), follower)
    if function is torch.einsum:
        return _einsum(args, follower)
    if function in (F.linear, torch.conv1d, torch.conv2d):
        return _layer(function, _named(function, args, kwargs), follower)
    if function in _PRODUCTS or function in _MIRRORED or function in _ENTRY_BY_ENTRY:
        operands = [*args, *(value for name, value in kwargs.items() if name != "out")]
        if len(operands) == 2 and all(isinstance(one, Tensor) for one in operands):
            return (_entry_by_entry if function in _ENTRY_BY_ENTRY else _matmul)(function, operands, follower)
    return None


def _named(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    return dict(zip(_ARGUMENTS[function], args, strict=False)) | kwargs


def _which(operands: Sequence[Tensor], follower: QueryFollower) -> tuple[int, Known] | None:
    """The one operand that is the query's, where the other is no parameter."""
    known = [follower.known(operand) for operand in operands]
    own = 0 if known[0] is not None else 1
    found, other = known[own], operands[1 - own]
    if found is None or known[1 - own] is not None or _is_learned(other) or not other.is_floating_point():
        return None
    if found.channels is None:
        return None
    # A vector of the whole query is a prototype itself.
    pixels = operands[own].numel() // (len(found.rows) * operands[own].shape[found.channels])
    return (own, found) if pixels > 1 else None


def _is_learned(tensor: Tensor) -> bool:
    return isinstance(tensor, nn.Parameter) or isinstance(tensor._base, nn.Parameter)


def _with_operand(operands: Sequence[Any], place: int, call: Callable[..., Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda other: call(*(other if one == place else operand for one, operand in enumerate(operands)))


def _cosine(named: dict[str, Any], follower: QueryFollower) -> Similarity | None:
    operands = [named.pop("x1"), named.pop("x2")]
    found = _which(operands, follower)
    if found is None:
        return None
    own, known = found
    query, prototypes = operands[own], operands[1 - own]
    dims = max(query.dim(), prototypes.dim())
    summed = named.get("dim", 1) % dims
    if summed != dims - query.dim() + (known.channels or 0):
        return None
    again = _with_operand(operands, 1 - own, lambda one, two: torch.cosine_similarity(one, two, **named))
    return Cosine("cosine_similarity", known, query, prototypes, again)


def _product(
    name: str, operands: Sequence[Tensor], letters: Sequence[str], call: Callable[..., Tensor], follower: QueryFollower
) -> Similarity | None:
    """A product, if the letters that do not come out of it are the query's channels."""
    found = _which(operands, follower)
    if found is None:
        return None
    own, known = found
    mine, theirs, result = letters[own], letters[1 - own], letters[2]
    channel = mine[known.channels or 0]
    summed = [one for one in mine if one not in result]
    plain = all(len(set(one)) == len(one) for one in (mine, theirs))
    if summed != [channel] or channel not in theirs or not plain or any(one not in result + channel for one in theirs):
        return None
    renamed = [one.replace("c", "\0").replace(channel, "c").replace("\0", channel) for one in (mine, theirs, result)]
    again = _with_operand(operands, 1 - own, call)
    return Product(name, known, operands[own], operands[1 - own], again, (renamed[0], renamed[1], renamed[2]))


def _einsum(args: Sequence[Any], follower: QueryFollower) -> Similarity | None:
    operands = args[1] if len(args) == 2 and isinstance(args[1], list | tuple) else args[1:]
    if not isinstance(args[0], str) or len(operands) != 2:
        return None
    letters = _letters(args[0], operands)
    return _product("einsum", operands, letters, lambda one, two: torch.einsum(args[0], one, two), follower)


def _letters(equation: str, operands: Sequence[Tensor]) -> list[str]:
    """The axes of both operands and of the result, a letter each; "..." becomes letters of its own.

    >>> _letters("...c,kc", [torch.ones(1, 2, 3), torch.ones(4, 3)])
    ['\\x02\\x01c', 'kc', '\\x02\\x01k']
    """
    given, arrow, result = equation.replace(" ", "").partition("->")
    terms = given.split(",")
    widths = [operand.dim() - len(term.replace("...", "")) for term, operand in zip(terms, operands, strict=True)]
    more = ["".join(chr(place) for place in range(width, 0, -1)) for width in widths]
    if not arrow:
        counts = Counter(given.replace(",", "").replace(".", ""))
        result = "..." * ("..." in given) + "".join(sorted(one for one, count in counts.items() if count == 1))
    return [term.replace("...", own) for term, own in zip(terms, more, strict=True)] + [
        result.replace("...", max(more, key=len))
    ]


def _matmul(function: Any, operands: Sequence[Tensor], follower: QueryFollower) -> Similarity | None:
    ordered = operands[::-1] if function in _MIRRORED else operands
    left, right = (_BATCH[len(_BATCH) - max(0, one.dim() - 2) :] for one in ordered)
    ends = "nc"[ordered[0].dim() == 1 :], "ck"[: 2 - (ordered[1].dim() == 1)]
    result = max(left, right, key=len) + ends[0][:-1] + ends[1][1:]
    return _product("matmul", ordered, (left + ends[0], right + ends[1], result), torch.matmul, follower)


def _layer(function: Any, named: dict[str, Any], follower: QueryFollower) -> Similarity | None:
    """Prototypes as the weight of a layer: of a linear one, or of a convolution whose kernels hold one pixel."""
    query, weight = named.pop("input"), named.pop("weight")
    grid = weight.dim() - 2
    plain = named.pop("bias", None) is None and all(size == 1 for size in weight.shape[2:])
    one_by_one = all(_is_only(named.get(name, usual), usual) for name, usual in _USUAL.items())
    if not plain or not one_by_one or query.dim() < grid + 1:
        return None
    batch = _BATCH[len(_BATCH) - (query.dim() - grid - 1) :] if query.dim() > grid + 1 else ""
    letters = batch + "c" + _GRID[:grid], "kc", batch + "k" + _GRID[:grid]
    return _product(function.__name__, (query, weight), letters, lambda one, two: function(one, two, **named), follower)


def _is_only(value: Any, usual: int) -> bool:
    return all(one == usual for one in (value if isinstance(value, tuple | list) else (value,)))


def _entry_by_entry(function: Any, operands: Sequence[Tensor], follower: QueryFollower) -> Similarity | None:
    found = _which(operands, follower)
    if found is None:
        return None
    own, known = found
    query, prototypes = operands[own], operands[1 - own]
    other = prototypes[(None,) * (query.dim() - prototypes.dim())] if prototypes.dim() <= query.dim() else None
    if other is None or not _is_a_vector_at_each_pixel(other, query, known):
        return None
    return EntryByEntry(function.__name__, known, query, prototypes, _with_operand(operands, 1 - own, function))


def _is_a_vector_at_each_pixel(prototypes: Tensor, query: Tensor, known: Known) -> bool:
    """Whether it has the query's channels and, but for the images, is the same everywhere."""
    images = len(query) if len(known.rows) == len(query) else 1
    return all(
        size == query.shape[axis] if axis == known.channels else size == 1 or (axis == 0 and size == images)
        for axis, size in enumerate(prototypes.shape)
    )

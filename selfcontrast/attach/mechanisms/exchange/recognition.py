"""Which calls of functions compare the query's features with a prototype."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selfcontrast.attach.mechanisms.exchange.following_query import Known, QueryFollower
from selfcontrast.attach.mechanisms.exchange.similarities import Cosine, Distance, EntryByEntry, Product, Similarity

_ARGUMENTS: dict[Any, tuple[str, ...]] = {
    torch.cosine_similarity: ("x1", "x2", "dim", "eps"),
    torch.cdist: ("x1", "x2", "p"),
    F.linear: ("input", "weight", "bias"),
    torch.conv1d: ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    torch.conv2d: ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
}
_PRODUCTS = {torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm, torch.mm, Tensor.mm}
_MIRRORED = {Tensor.__rmatmul__}
_ENTRY_BY_ENTRY = {
    *(torch.mul, Tensor.mul, Tensor.__mul__, torch.multiply, Tensor.multiply, Tensor.__rmul__),
    *(torch.sub, Tensor.sub, Tensor.__sub__, torch.subtract, Tensor.subtract, Tensor.__rsub__),
}
_USUAL = {"stride": 1, "padding": 0, "groups": 1}
_BATCH, _GRID = "ABCDEFGH", "XYZ"


def recognise(function: Any, args: Sequence[Any], kwargs: dict[str, Any], follower: QueryFollower) -> Similarity | None:
    """The comparison that a call of a function is, None where it is none.

    One operand is made of the query's features alone, the other is neither that nor a parameter; the channels are
    summed, or meet as many channels of the same vector at each pixel.
    """
    if function is torch.cosine_similarity:
        return _cosine(_named(function, args, kwargs), follower)
    if function is torch.cdist:
        return _cdist(_named(function, args, kwargs), follower)
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
    one_each = len(found.rows) * operands[own].shape[found.channels]
    return (own, found) if operands[own].numel() > one_each else None


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
    again = _with_operand(operands, 1 - own, partial(torch.cosine_similarity, **named))
    return Cosine("cosine_similarity", known, query, prototypes, again)


def _product(
    name: str,
    operands: Sequence[Tensor],
    letters: Sequence[str],
    call: Callable[..., Tensor],
    follower: QueryFollower,
    kind: type[Product] = Product,
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
    return kind(name, known, operands[own], operands[1 - own], again, (renamed[0], renamed[1], renamed[2]))


def _einsum(args: Sequence[Any], follower: QueryFollower) -> Similarity | None:
    listed = len(args) == 2 and isinstance(args[1], list | tuple)
    operands = cast(Sequence[Tensor], args[1] if listed else args[1:])
    if not isinstance(args[0], str) or len(operands) != 2:
        return None
    letters = _letters(args[0], operands)
    return _product("einsum", operands, letters, partial(torch.einsum, args[0]), follower)


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


def _cdist(named: dict[str, Any], follower: QueryFollower) -> Similarity | None:
    operands = named.pop("x1"), named.pop("x2")
    if named.get("p", 2.0) != 2.0:
        return None
    batches = [_BATCH[len(_BATCH) - one.dim() + 2 :] for one in operands]
    letters = batches[0] + "nc", batches[1] + "kc", max(batches, key=len) + "nk"
    return _product("cdist", operands, letters, partial(torch.cdist, **named), follower, Distance)


def _layer(function: Any, named: dict[str, Any], follower: QueryFollower) -> Similarity | None:
    """Prototypes as the weight of a layer: of a linear one, or of a convolution whose kernels hold one pixel."""
    query, weight = named.pop("input"), named.pop("weight")
    grid = weight.dim() - 2
    plain = named.pop("bias", None) is None and all(size == 1 for size in weight.shape[2:])
    one_by_one = all(_is_only(named.get(name, usual), usual) for name, usual in _USUAL.items())
    if not plain or not one_by_one or query.dim() < grid + 1:
        return None
    batch = _BATCH[len(_BATCH) - (query.dim() - grid - 1) :]
    letters = batch + "c" + _GRID[:grid], "kc", batch + "k" + _GRID[:grid]
    return _product(function.__name__, (query, weight), letters, partial(function, **named), follower)


def _is_only(value: Any, usual: int) -> bool:
    several = cast(Sequence[Any], value) if isinstance(value, tuple | list) else (value,)
    return all(one == usual for one in several)


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
        size == query.shape[axis] if axis == known.channels else stride == 0 or size == 1 or (axis, size) == (0, images)
        for axis, (size, stride) in enumerate(zip(prototypes.shape, prototypes.stride(), strict=True))
    )

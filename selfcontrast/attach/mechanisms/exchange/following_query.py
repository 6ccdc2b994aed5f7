"""Which tensors of a forward are made of the query's features alone, and the same tensors made of the map instead.

Views of the features are known by the memory they lie in. What a function makes of known tensors alone is known too;
its counterpart is what the same function makes of their counterparts, computed when it is first asked for.

Axes: B query images, C channels of the features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

# What an index picks of the query is the query's, whoever chose the index.
_PICKS = {Tensor.__getitem__, torch.index_select, Tensor.index_select, torch.gather, Tensor.gather}
_JOINS = {torch.cat, torch.concat, torch.stack, torch.hstack, torch.vstack}


class Known(NamedTuple):
    """A tensor made of the query's features alone.

    Attributes:
        call: that gave the features.
        rows: the query images that it holds, in order.
        channels: the axis of the C channels, None where it has none.
        counterpart: gives the same made of the map.
    """

    call: str
    rows: tuple[int, ...]
    channels: int | None
    counterpart: Callable[[], Tensor]


@dataclass
class _Stretch:
    """Memory that holds nothing but features of some query images, or what was made of them.

    Attributes:
        tensor: covers it; images are its first axis, if it has as many rows as there are images.
        call, rows, channels: as those of `Known`.
        make: the same tensor made of the map.
        first: whether the host's module gave it.
        version: its count of changes in place.
    """

    tensor: Tensor
    call: str
    rows: tuple[int, ...]
    channels: int | None
    make: Callable[[], Tensor]
    first: bool
    version: int = 0
    made: Tensor | None = None

    def __post_init__(self) -> None:
        self.version = _changes(self.tensor)

    def known(self, tensor: Tensor) -> Known | None:
        """What a view of this is; None of what lies beside it."""
        start = int(tensor.storage_offset()) - int(self.tensor.storage_offset())
        steps = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
        ends = [_first_index(self.tensor, offset) for offset in (start, start + steps)]
        if tensor.dtype != self.tensor.dtype or ends[0] is None or ends[1] is None:
            return None
        rows = self._rows(tensor, ends[0], ends[1])
        return Known(self.call, rows, self._channels(tensor), lambda: self._view(tensor, start))

    def _rows(self, tensor: Tensor, first: int, last: int) -> tuple[int, ...]:
        if len(self.rows) == 1 or self.tensor.shape[:1] != (len(self.rows),):
            return self.rows
        step = self.tensor.stride(0)
        axes = zip(tensor.shape, tensor.stride(), strict=True)
        counts = [[stride // step * place for place in range(size)] for size, stride in axes if stride >= step]
        found = [first + sum(offsets) for offsets in product(*counts)]
        return tuple(self.rows[row] for row in (found if max(found) == last else range(first, last + 1)))

    def _channels(self, tensor: Tensor) -> int | None:
        if self.channels is None:
            return None
        wanted = self.tensor.shape[self.channels], self.tensor.stride(self.channels)
        axes = enumerate(zip(tensor.shape, tensor.stride(), strict=True))
        return next((axis for axis, own in axes if own == wanted), None)

    def _view(self, tensor: Tensor, start: int) -> Tensor:
        if self.made is None:
            self.made = _laid_out_as(self.tensor, self.make())
        if start == 0 and tensor.shape == self.made.shape and tensor.stride() == self.made.stride():
            return self.made
        return self.made.as_strided(tensor.shape, tensor.stride(), self.made.storage_offset() + start)


class QueryFollower:
    """Follows the query's features through a forward.

    Args:
        queries: B.

    >>> follower, features, its_map = QueryFollower(1), torch.ones(1, 2, 2, 2), torch.full((1, 2, 2, 2), 3.0)
    >>> follower.begin("encoder", features, 1, lambda: its_map)
    >>> flat = features.flatten(2)
    >>> scaled = flat / 2
    >>> follower.follow(torch.div, (flat, 2), {}, scaled)
    >>> known = follower.known(scaled)
    >>> known.rows, known.channels, known.counterpart()[0, 0, 0]
    ((0,), 1, tensor(1.5000))
    """

    def __init__(self, queries: int) -> None:
        self._queries = queries
        self._stretches: dict[int, list[_Stretch]] = {}

    def begin(self, call: str, output: Tensor, channels: int, make: Callable[[], Tensor]) -> None:
        """The features of a call have come, the query's in the last rows; what came of this call before is forgotten.

        Args:
            call: as the host names it.
            output: (S + B, ...), the support's first where they pass together.
            channels: the axis of the channels.
            make: gives the map, in the form of the last B rows.
        """
        self._keep(lambda stretch: stretch.call != call)
        self._add(_Stretch(output[-self._queries :], call, tuple(range(self._queries)), channels, make, True))

    def forget(self) -> None:
        """Follow nothing any more, and hold nothing of the forward."""
        self._stretches.clear()

    @property
    def begun(self) -> bool:
        """Whether features have come."""
        return bool(self._stretches)

    def known(self, tensor: Tensor) -> Known | None:
        """What a tensor holds of the query, if it is made of its features alone."""
        for stretch in self._of(tensor):
            found = stretch.known(tensor)
            if found is not None:
                return found
        return None

    def follow(self, function: Any, args: Sequence[Any], kwargs: dict[str, Any], output: Any) -> None:
        """A function of the host ran: what it made of known tensors alone is known from now on."""
        leaves, structure = pytree.tree_flatten((tuple(args), kwargs))
        tensors = {place: leaf for place, leaf in enumerate(leaves) if isinstance(leaf, Tensor)}
        changed = [one for tensor in tensors.values() for one in self._of(tensor) if one.version != _changes(tensor)]
        parts = {place: self._part(tensor) for place, tensor in tensors.items() if self._of(tensor)}
        recipe = _Recipe(
            function, leaves, structure, {place: part for place, part in parts.items() if part is not None}
        )
        strangers = [tensor for place, tensor in tensors.items() if place not in recipe.parts]
        if function in _PICKS:
            strangers = [tensor for tensor in strangers if tensor.is_floating_point()]
        alone = bool(recipe.parts) and not strangers
        for stretch in changed:
            self._note_change(stretch, recipe if alone else None, output)
        if alone and not changed:
            self._register(recipe, output)

    def _register(self, recipe: "_Recipe", output: Any) -> None:
        for place, tensor in enumerate(pytree.tree_leaves(output)):
            if isinstance(tensor, Tensor) and tensor.is_floating_point() and not self._of(tensor):
                stretch = recipe.stretch(place, tensor)
                if stretch is not None:
                    self._add(stretch)

    def _note_change(self, stretch: _Stretch, recipe: "_Recipe | None", output: Any) -> None:
        """Follow, or forget, what a function changed in place; the map is made of the features as they came to be."""
        stretch.version = _changes(stretch.tensor)
        if stretch.first:
            return
        self._keep(lambda one: one is not stretch)
        if recipe is not None and isinstance(output, Tensor) and output.shape == stretch.tensor.shape:
            follows = recipe.stretch(0, output)
            if follows is not None:
                self._add(follows)

    def _part(self, tensor: Tensor) -> "tuple[Known, int] | None":
        """What a tensor holds of the query from which row on: rows of the support may stand before it."""
        whole = self.known(tensor)
        if whole is not None:
            return whole, 0
        for stretch in self._of(tensor) if tensor.dim() and tensor.stride(0) > 0 else ():
            before = int(stretch.tensor.storage_offset()) - int(tensor.storage_offset())
            first, rest = divmod(before, tensor.stride(0))
            found = stretch.known(tensor[first:]) if rest == 0 and 0 < first < len(tensor) else None
            if found is not None:
                return found, first
        return None

    def _of(self, tensor: Tensor) -> list[_Stretch]:
        """The stretches of the memory that a tensor lies in."""
        # A compiler's stand-ins for tensors, among other classes, have no memory.
        with_memory = type(tensor) is Tensor and tensor.layout is torch.strided and tensor.numel() > 0
        if not self._stretches or not with_memory:
            return []
        return self._stretches.get(tensor.untyped_storage().data_ptr(), [])

    def _add(self, stretch: _Stretch) -> None:
        if stretch.tensor.numel():
            self._stretches.setdefault(stretch.tensor.untyped_storage().data_ptr(), []).append(stretch)

    def _keep(self, wanted: Callable[[_Stretch], bool]) -> None:
        kept = {place: [one for one in several if wanted(one)] for place, several in self._stretches.items()}
        self._stretches = {place: several for place, several in kept.items() if several}


@dataclass
class _Recipe:
    """A call of a function on known tensors: how its outputs are made of the map.

    Attributes:
        function, leaves, structure: the call.
        parts: which of the leaves are known, and from which row on.
        learns: whether gradients are kept.
    """

    function: Any
    leaves: list[Any]
    structure: pytree.TreeSpec
    parts: dict[int, tuple[Known, int]]

    def __post_init__(self) -> None:
        self.learns = torch.is_grad_enabled()

    def stretch(self, place: int, output: Tensor) -> _Stretch | None:
        """An output; None where it is not known which of its rows are the query's."""
        firsts = {first for _, first in self.parts.values()}
        first = firsts.pop()
        several = {len(self.leaves[one]) for one in self.parts} if first else set[int]()
        if firsts or (first and (output.dim() == 0 or several != {len(output)})):
            return None
        call, rows, channels, _ = self._origin()
        leaf = self.leaves[next(iter(self.parts))]
        axis = _axis_after(leaf, channels, output)
        return _Stretch(output[first:] if first else output, call, rows, axis, lambda: self._made(place, first), False)

    def _origin(self) -> Known:
        """Where the outputs come from: of several origins that of most images; joined ones follow one another."""
        known = [one for one, _ in self.parts.values()]
        if self.function in _JOINS and len({one.rows for one in known}) > 1:
            return known[0]._replace(rows=tuple(row for one in known for row in one.rows))
        return max(known, key=lambda one: len(one.rows))

    def _made(self, place: int, first: int) -> Tensor:
        leaves = list(self.leaves)
        for one, (known, start) in self.parts.items():
            leaf, counterpart = self.leaves[one], known.counterpart()
            # A function that changes its argument must not change what others are made of.
            leaves[one] = torch.cat([leaf[:start], counterpart]) if start else counterpart.clone()
        args, kwargs = pytree.tree_unflatten(leaves, self.structure)
        with torch.set_grad_enabled(self.learns):
            made = pytree.tree_leaves(self.function(*args, **kwargs))[place]
        return made[first:] if first else made


def _changes(tensor: Tensor) -> int:
    """How often a tensor's memory was changed in place; tensors of inference mode do not count."""
    return 0 if tensor.is_inference() else tensor._version


def _first_index(tensor: Tensor, offset: int) -> int | None:
    """The index along the first axis of the element at this offset of a tensor's memory, if it has such an element."""
    first = 0
    for axis in sorted(range(tensor.dim()), key=lambda one: -tensor.stride(one)):
        size, stride = tensor.shape[axis], tensor.stride(axis)
        if size == 1 or stride == 0:
            continue
        index, offset = divmod(offset, stride)
        if not 0 <= index < size:
            return None
        first = index if axis == 0 else first
    return first if offset == 0 else None


def _laid_out_as(tensor: Tensor, made: Tensor) -> Tensor:
    """The same values in the strides and the type of another tensor of this shape."""
    if made.stride() == tensor.stride() and made.dtype == tensor.dtype:
        return made
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=tensor.device).copy_(made)


def _axis_after(tensor: Tensor, axis: int | None, output: Tensor) -> int | None:
    """The axis of the channels after a function: one of as many entries, where possible at the same end."""
    if axis is None:
        return None
    channels, last = tensor.shape[axis], axis == tensor.dim() - 1
    if output.shape == tensor.shape:
        return axis
    axes = [one for one, size in enumerate(output.shape) if size == channels]
    wanted = output.dim() - 1 if last else axis
    return wanted if wanted in axes else axes[0] if axes else None

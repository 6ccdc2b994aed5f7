"""Maps of a forward, summarised by a few numbers for each channel, and what follows what.

Axes: B images, D channels, s x t a grid.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

# Of a channel's size: what is left of the same value at every place after it was pooled, resized and added up.
ROUNDING = 1e-5

Key = tuple[str, int, bool, tuple[int | str, ...], int | None]


@dataclass(eq=False)
class Map:
    """A feature map in a module's input or output, summarised by a few numbers for each channel.

    Attributes:
        name, turn: whose it is, and which call of the module, as a host counts them.
        items, argument: which item of its output, or the position of which argument.
        started, ended: order of the call's start and end among all.
        hooked: whether the module was called as `module(...)`; hooks do not see `module.forward(...)`.
        judged: whether a mask of the same grid was an argument beside it, and the output no map: a criterion's input.
        shape: (B, D, s, t).
        print: (B, D), a fingerprint of each channel.
        noise: (B, D), how far the fingerprints of two equal forwards lie apart: 0 where sums are deterministic.
        low, high: smallest and largest value of each channel, (B, D); of a first trace.
        changed: for each changed input, (B, D) bool, the channels that changed with it.
    """

    name: str
    turn: int
    items: tuple[int | str, ...]
    argument: int | None
    started: int
    ended: int
    hooked: bool
    judged: bool
    shape: tuple[int, ...]
    print: Tensor
    low: Tensor
    high: Tensor
    noise: Tensor
    changed: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    @property
    def key(self) -> Key:
        return self.name, self.turn, self.hooked, self.items, self.argument

    @property
    def size(self) -> Tensor:
        return torch.maximum(self.low.abs(), self.high.abs())

    @property
    def flat(self) -> Tensor:
        """(D,) bool, channels that are constant over space, but not 0."""
        return (self.high - self.low <= ROUNDING * self.size).all(0) & ~self.zero

    @property
    def zero(self) -> Tensor:
        """(D,) bool, channels that are 0 everywhere."""
        return (self.size == 0).all(0)

    def rows_of(self, groups: tuple[str, ...]) -> Tensor:
        """(B, D) bool: rows and channels that follow one of these inputs."""
        return torch.stack([self.changed[group] for group in groups]).any(0)

    def any_of(self, groups: tuple[str, ...]) -> Tensor:
        """(D,) bool: channels that follow one of these inputs."""
        return self.rows_of(groups).any(0)


@dataclass
class Trace:
    """All maps of one forward: what modules were given, what they gave, and the tensors that it returned.

    Attributes:
        inputs, outputs: in the order of their calls' ends.
        calls: of each module, how many came as `module(...)`.
        forwards: of each module, how many came at all.
        unhooked: modules that were called by `.forward(...)` alone.
        deep: a module that takes tensors with more than two axes of space, "" where there is none.
        returned: the tensors of the forward's output, by their place in it.
        follows: for each changed input, the places whose tensor changed with it.
        kept: whole maps that were asked for.
    """

    inputs: list[Map] = field(default_factory=list[Map])
    outputs: list[Map] = field(default_factory=list[Map])
    calls: dict[str, int] = field(default_factory=dict[str, int])
    forwards: dict[str, int] = field(default_factory=dict[str, int])
    unhooked: set[str] = field(default_factory=set[str])
    deep: str = ""
    returned: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    follows: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    kept: dict[Key, Tensor] = field(default_factory=dict[Key, Tensor])


def gauge(base: Trace, again: Trace) -> None:
    """Note on every map of `base` how far it differs from `again`, an equal forward."""
    for one, other in _pairs(base, again):
        if other is not None:
            one.noise = torch.maximum((one.print - other.print).abs(), 1e-6 * one.print.abs())


def follow(base: Trace, changed: Trace, group: str) -> None:
    """Note on every map of `base` which of its channels differ in `changed`, a forward with another input."""
    for one, other in _pairs(base, changed):
        gap = one.print - other.print if other is not None else torch.full_like(one.print, torch.inf)
        one.changed[group] = ~(gap.abs() <= 4 * one.noise)
    base.follows[group] = returned_otherwise(base, changed)


def returned_otherwise(base: Trace, changed: Trace) -> set[str]:
    """The places in the forward's output whose tensor is another in `changed`."""
    return {
        place
        for place, tensor in base.returned.items()
        if place not in changed.returned or not torch.equal(tensor, changed.returned[place])
    }


def _pairs(base: Trace, other: Trace) -> Iterator[tuple[Map, Map | None]]:
    """Every map of a trace beside the same one of another, if that has it."""
    for ours, theirs in ((base.inputs, other.inputs), (base.outputs, other.outputs)):
        by_key = {(one.key, one.shape): one for one in theirs}
        for one in ours:
            yield one, by_key.get((one.key, one.shape))


def differing(base: Trace, changed: Trace, maps: list[Map]) -> list[Map]:
    """Which of these maps differ in another forward."""
    by_key = {(one.key, one.shape): one for one in (*changed.inputs, *changed.outputs)}
    return [
        one
        for one in maps
        if (other := by_key.get((one.key, one.shape))) is None
        or bool(((one.print - other.print).abs() > 4 * one.noise).any())
    ]

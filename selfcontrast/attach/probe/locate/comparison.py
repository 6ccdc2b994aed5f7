"""Where a comparison starts: the first inputs in which a prototype stands beside features."""

import re
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from selfcontrast.attach.direct_calls import DIRECT
from selfcontrast.attach.host import Call, matching
from selfcontrast.attach.probe.maps import Map, Trace

# Fewer channels than these may be constant over space by chance, or may be a prior.
LEAST = 4
# Of a prototype most of whose channels are dead.
FEWEST = 2


@dataclass(frozen=True)
class Roles:
    """Which of the changed inputs are the query's images, and which the support's."""

    query: tuple[str, ...]
    support: tuple[str, ...]

    def prototype(self, one: Map) -> Tensor:
        """(D,) bool: channels that are constant over space and follow the support alone."""
        return one.flat & one.any_of(self.support) & ~one.any_of(self.query)

    def features(self, one: Map) -> Tensor:
        """(D,) bool: channels that vary over space and follow the query alone."""
        return ~one.flat & one.any_of(self.query) & ~one.any_of(self.support)

    def both(self, one: Map) -> Tensor:
        """(D,) bool: channels that follow query and support."""
        return one.any_of(self.query) & one.any_of(self.support)

    def support_map(self, one: Map) -> Tensor:
        """(D,) bool: channels that vary over space and follow the support alone."""
        return ~one.flat & one.any_of(self.support) & ~one.any_of(self.query)

    def silent(self, one: Map) -> Tensor:
        """(D,) bool: channels that follow no image, such as dead ones."""
        return ~one.any_of((*self.query, *self.support))

    def query_only(self, one: Map) -> bool:
        return bool(one.any_of(self.query).any()) and not bool(one.any_of(self.support).any())

    def follows_both(self, one: Map) -> bool:
        return bool(one.any_of(self.query).any()) and bool(one.any_of(self.support).any())


@dataclass(frozen=True)
class Comparison:
    """The comparison's first inputs, in the order of their calls, and the roles of the images."""

    inputs: list[Map]
    roles: Roles

    @property
    def started(self) -> int:
        return self.inputs[0].started

    @property
    def certain(self) -> bool:
        """Whether so many channels look like a prototype that it is no chance."""
        return max(int(self.roles.prototype(one).sum()) for one in self.inputs) >= LEAST


def find_comparison(base: Trace, groups: list[str]) -> Comparison | None:
    """The inputs that hold a prototype beside features, of the first choice of query and support that has such."""
    found: dict[tuple[str, ...], list[Map]] = {}
    for one in sorted(base.inputs, key=lambda one: one.started):
        support = tuple(group for group in groups if int((one.flat & one.any_of((group,))).sum()) >= LEAST)
        query = tuple(group for group in groups if group not in support)
        if not one.hooked or not support or not query:
            continue
        roles = Roles(query, support)
        if min(int(roles.prototype(one).sum()), int(roles.features(one).sum())) >= FEWEST:
            found.setdefault(support, []).append(one)
    if not found:
        return None
    support, inputs = next(iter(found.items()))
    roles = Roles(tuple(group for group in groups if group not in support), support)
    return Comparison(outermost(inputs), roles)


def with_later_prototypes(base: Trace, comparison: Comparison, channels: int) -> Comparison:
    """Adds inputs behind the first one in which a whole prototype stands beside what was compared already."""
    roles, known = comparison.roles, comparison.inputs
    more = [
        one
        for one in base.inputs
        if one.hooked
        and one.started > comparison.started
        and one.shape[0] == known[0].shape[0]
        and int(roles.prototype(one).sum()) >= max(LEAST, channels // 2)
        and bool(roles.both(one).any())
    ]
    return replace(comparison, inputs=outermost([*known, *more]))


def support_beside(base: Trace, comparison: Comparison) -> list[str]:
    """Modules behind the comparison's start that are given maps of the support alone beside what follows both."""
    roles, entered = comparison.roles, [one.name for one in comparison.inputs]
    calls: dict[tuple[str, int], list[Map]] = {}
    for one in base.inputs:
        inside = any(one.name == name or one.name.startswith(f"{name}.") for name in entered)
        if one.hooked and one.started > comparison.started and not inside:
            calls.setdefault((one.name, one.turn), []).append(one)
    found = [
        several[0]
        for several in calls.values()
        if any(bool(roles.support_map(one).any()) and not roles.follows_both(one) for one in several)
        and any(roles.follows_both(one) for one in several)
    ]
    return list(dict.fromkeys(one.name for one in outermost(found)))


def outermost(maps: list[Map]) -> list[Map]:
    """Maps whose module is not inside that of another: a sequence and its first layer get the same input."""
    unique = sorted({id(one): one for one in maps}.values(), key=lambda one: one.started)
    return [one for one in unique if not any(one.name.startswith(f"{other.name}.") for other in unique)]


def call_text(one: Map, base: Trace) -> str:
    """A call as a host writes it."""
    name = one.name if one.hooked else f"{one.name}{DIRECT}"
    calls = base.calls[one.name] if one.hooked else base.forwards[one.name]
    turn = f"#{one.turn}" if calls > 1 else ""
    return f"{name}{turn}{''.join(f'[{item!r}]' for item in one.items)}"


def read_text(one: Map, base: Trace) -> str:
    """A call that is read, as a host writes it: without a number it is the first."""
    return call_text(one, base).replace("#0", "", 1) if one.turn == 0 else call_text(one, base)


def starred(model: nn.Module, calls: list[str]) -> list[str]:
    """Calls of all modules of a list as one, with a star for the index."""
    groups: dict[str, list[str]] = {}
    for call in calls:
        parts = [re.sub(r"^\d+(?=#|\[|$)", "*", part) for part in call.split(".")]
        groups.setdefault(".".join(parts), []).append(call)
    texts: list[str] = []
    for pattern, members in groups.items():
        whole = "*" in pattern and len(members) > 1 and len(matching(model, Call.parse(pattern).module)) == len(members)
        texts += [pattern] if whole else members
    return texts


def every_call(base: Trace, texts: list[str]) -> list[str]:
    """Calls without their number, where each call of a module is among them."""
    bare = [re.sub(r"#\d+", "", text) for text in texts]
    whole = {one for one in bare if bare.count(one) == base.calls.get(Call.parse(one).module, 0)}
    return list(dict.fromkeys(one if one in whole else text for one, text in zip(bare, texts, strict=True)))


def runs(channels: Tensor) -> list[slice]:
    """The runs of channels that lie side by side.

    >>> runs(torch.tensor([True, True, False, True]))
    [slice(0, 2, None), slice(3, 4, None)]
    """
    edges = torch.diff(torch.nn.functional.pad(channels.int(), (1, 1)))
    starts, stops = (torch.nonzero(edges == step).flatten() for step in (1, -1))
    return [slice(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]

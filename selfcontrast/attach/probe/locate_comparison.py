"""Where a comparison starts: the first inputs in which a prototype stands beside features."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from selfcontrast.attach.host import Call, Entry, matching
from selfcontrast.attach.probe.trace import Map, Trace
from selfcontrast.attach.probe.write_host import channels_text
from selfcontrast.errors import InputError

# Fewer channels than these may be constant over space by chance.
LEAST = 4


@dataclass(frozen=True)
class Comparison:
    """The comparison's first inputs, in the order of their calls, and what tells the query's images from the others."""

    inputs: list[Map]
    query: list[int]
    support: list[int]

    def prototype(self, one: Map) -> Tensor:
        return one.flat & ~one.zero & one.any_of(self.support) & ~one.any_of(self.query)

    def features(self, one: Map) -> Tensor:
        return ~one.flat & one.any_of(self.query) & ~one.any_of(self.support)

    def extras(self, one: Map) -> Tensor:
        return one.any_of(self.query) & one.any_of(self.support)

    def query_only(self, one: Map) -> bool:
        return bool(one.any_of(self.query).any()) and not bool(one.any_of(self.support).any())


def find_comparison(base: Trace) -> Comparison:
    """The first inputs that hold a prototype beside features, of one choice of query and support."""
    found: dict[tuple[int, ...], list[Map]] = {}
    for one in sorted(base.inputs, key=lambda one: one.started):
        images = range(len(one.follows))
        flat = one.flat & ~one.zero
        support = tuple(image for image in images if int((flat & one.follows[image]).sum()) >= LEAST)
        query = [image for image in images if image not in support]
        if not support or not query:
            continue
        comparison = Comparison([], query, list(support))
        if min(int(comparison.prototype(one).sum()), int(comparison.features(one).sum())) >= LEAST:
            inside = any(one.name.startswith(f"{other.name}.") for other in found.get(support, []))
            found.setdefault(support, []).extend([] if inside else [one])
    if not found:
        raise InputError(
            "model: expected a module whose input holds features of the query beside a prototype that is constant over "
            "space, got none; a host that pools both together, or compares by cosine, has to be written by hand: see "
            "CosineHost and the presets"
        )
    support, inputs = next(iter(found.items()))
    images = range(len(inputs[0].follows))
    return Comparison(inputs, [image for image in images if image not in support], list(support))


def find_entries(
    model: nn.Module, base: Trace, comparison: Comparison, features: slice, unsure: list[str]
) -> tuple[Entry, ...]:
    channels = features.stop - features.start
    found: dict[tuple[str, str | None], list[str]] = {}
    for one in comparison.inputs:
        place = _prototype_window(one, comparison, features, unsure)
        key = channels_text(place, channels, one.shape[1]), _prior(one, comparison, channels, unsure)
        found.setdefault(key, []).append(call_text(one, base))
    return tuple(
        Entry(call, prototype, prior)
        for (prototype, prior), calls in found.items()
        for call in starred(model, list(dict.fromkeys(calls)))
    )


def _prototype_window(one: Map, comparison: Comparison, features: slice, unsure: list[str]) -> slice:
    """The channels of the prototype, with dead ones, in whole copies of the features' channels."""
    channels, total = features.stop - features.start, one.shape[1]
    block = torch.nonzero(comparison.prototype(one)).flatten()
    first, last = int(block[0]), int(block[-1])
    width = -(-(last + 1 - first) // channels) * channels
    allowed = comparison.prototype(one) | one.zero
    allowed[features] = False
    starts = [
        start for start in range(max(0, last + 1 - width), first + 1) if bool(allowed[start : start + width].all())
    ]
    starts = [start for start in starts if start + width <= total]
    if not starts:
        raise InputError(
            f"model: expected a prototype of {channels} channels, as the features have, in {one.name}, got channels "
            f"{first}:{last + 1}; write the Host(...) by hand"
        )
    likely = (features.stop, features.start - width, 0, total - width)
    start = next((start for start in likely if start in starts), starts[0])
    if len(starts) > 1 and start not in likely[:2]:
        unsure.append(f"the prototype in {one.name} has dead channels at its ends: it may start at any of {starts}")
    return slice(start, start + width)


def _prior(one: Map, comparison: Comparison, channels: int, unsure: list[str]) -> str | None:
    """Channels that follow query and support, if they look like prior masks."""
    block = torch.nonzero(comparison.extras(one)).flatten()
    if len(block) == 0:
        return None
    place = slice(int(block[0]), int(block[-1]) + 1)
    text = channels_text(place, channels, one.shape[1])
    low, high = float(one.values[0, place].min()), float(one.values[1, place].max())
    if len(block) != place.stop - place.start or low < -0.01 or high > 1.01:
        unsure.append(
            f"channels {text} of {one.name} follow query and support, {low:.2f} to {high:.2f}: no prior mask?"
        )
        return None
    unsure.append(f"channels {text} of {one.name} follow query and support within 0..1: taken for a prior mask")
    return text


def call_text(one: Map, base: Trace) -> str:
    """A call as a host writes it."""
    turn = f"#{one.turn}" if base.calls[one.name] > 1 else ""
    return f"{one.name}{turn}{''.join(f'[{item!r}]' for item in one.items)}"


def starred(model: nn.Module, calls: list[str]) -> list[str]:
    """Calls of all modules of a list as one, with a star for the index."""
    groups: dict[str, list[str]] = {}
    for call in calls:
        parts = [("*" if part.partition("#")[0].isdigit() else part) for part in call.split(".")]
        groups.setdefault(".".join(parts), []).append(call)
    texts: list[str] = []
    for pattern, members in groups.items():
        whole = "*" in pattern and len(members) > 1 and len(matching(model, Call.parse(pattern).module)) == len(members)
        texts += [pattern] if whole else members
    return texts

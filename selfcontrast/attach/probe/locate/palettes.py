"""Prototypes that differ from pixel to pixel, because each pixel has the nearest of several."""

import re
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from selfcontrast.attach.probe.forwards import Forwards
from selfcontrast.attach.probe.locate.comparison import LEAST, Comparison, Roles, outermost, runs
from selfcontrast.attach.probe.locate.features import Placed, widest_alike
from selfcontrast.attach.probe.maps import Key, Map, Trace
from selfcontrast.attach.probe.trace import trace

# Of the pixels: how many different prototypes they may have at most.
FEW = 1 / 8


def find_chosen_prototypes(
    forwards: Forwards, base: Trace, groups: list[str]
) -> tuple[Comparison, dict[Key, Placed], dict[Key, list[slice]]] | None:
    """A comparison all of whose prototypes differ from pixel to pixel, of the first query that has such."""
    for query in groups:
        roles = Roles((query,), tuple(group for group in groups if group != query))
        placed: dict[Key, Placed] = {}
        inputs: list[Map] = []
        for one in base.inputs:
            follows = int(((roles.both(one) | roles.support_map(one)) & ~one.zero).sum())
            if one.hooked and min(follows, int(roles.features(one).sum())) >= LEAST:
                found = widest_alike(base, roles, one)
                if found is not None:
                    placed[one.key] = found
                    inputs.append(one)
        if not inputs:
            continue
        _, palettes = find_palettes(forwards, base, Comparison(inputs, roles), placed)
        inputs = outermost([one for one in base.inputs if one.key in palettes])
        if inputs:
            return Comparison(inputs, roles), {one.key: placed[one.key] for one in inputs}, palettes
    return None


def find_palettes(
    forwards: Forwards, base: Trace, comparison: Comparison, placed: dict[Key, Placed]
) -> tuple[Comparison, dict[Key, list[slice]]]:
    """The comparison with the inputs that hold such prototypes beside its features, and their channels there."""
    features = next(iter(placed.values()))
    asked = {one.key: _asked(one, comparison, features, placed) for one in base.inputs}
    asked = {key: places for key, places in asked.items() if places}
    maps = [one for one in base.inputs if one.key in asked]
    if not maps:
        return comparison, {}
    kept = trace(forwards, "looks for prototypes of single pixels", only=maps, keep=maps).kept
    few = {key: [place for place in asked[key] if _colours(kept[key][:, place])] for key in asked}
    few = {key: places for key, places in few.items() if places}
    if not few:
        return comparison, {}
    maps = [one for one in maps if one.key in few]
    changes = {
        place: other for group in comparison.roles.query for place, other in forwards.other_images(group).items()
    }
    others = trace(forwards, "looks for prototypes of single pixels", changes, only=maps, keep=maps).kept
    found = {
        key: [place for place in places if key in others and _shared(kept[key][:, place], others[key][:, place])]
        for key, places in few.items()
    }
    found = {key: places[:1] for key, places in found.items() if places}
    found |= _beside(base, [one for one in maps if one.key in found], found, placed)
    inputs = outermost([*comparison.inputs, *(one for one in base.inputs if one.key in found)])
    for one in inputs:
        if one.key in found and one.key not in placed:
            window = _window_of(one, comparison.roles, features)
            if window is not None:
                placed[one.key] = Placed(features.features, window)
    return replace(comparison, inputs=inputs), found


def _beside(
    base: Trace, maps: list[Map], found: dict[Key, list[slice]], placed: dict[Key, Placed]
) -> dict[Key, list[slice]]:
    """Other modules of the same list: pooled, pixels of theirs hold mixtures of such prototypes."""
    more: dict[Key, list[slice]] = {}
    for one in maps:
        pattern = re.compile(re.sub(r"\\\.\d+$", r"\\.\\d+", re.escape(one.name)))
        for other in base.inputs:
            alike = other.shape[:2] == one.shape[:2] and other.started > one.started and other.turn == one.turn
            if other.key not in found and alike and other.hooked and pattern.fullmatch(other.name):
                more[other.key], placed[other.key] = found[one.key], placed.get(one.key, next(iter(placed.values())))
    return more


def _asked(one: Map, comparison: Comparison, features: Placed, placed: dict[Key, Placed]) -> list[slice]:
    """Where such prototypes could stand in an input: whole copies of channels that follow the support, and vary."""
    roles, channels = comparison.roles, features.channels
    if not one.hooked or one.shape[0] != comparison.inputs[0].shape[0]:
        return []
    window = placed[one.key].window if one.key in placed else _window_of(one, roles, features)
    if window is None:
        return []
    open_channels = (roles.both(one) | roles.support_map(one)) & ~one.zero
    allowed = open_channels | one.zero
    allowed[window] = False
    places: list[slice] = []
    for run in runs(allowed):
        ends = {run.start, run.stop - channels}
        places += [
            slice(start, start + channels) for start in sorted(ends) if run.start <= start <= run.stop - channels
        ]
    return [place for place in places if int(open_channels[place].sum()) >= LEAST]


def _window_of(one: Map, roles: Roles, features: Placed) -> slice | None:
    """Where the known features stand in an input on their own grid."""
    whole, channels = features.features, features.channels
    if one.shape[2:] != whole.shape[2:] or one.started < whole.ended or one.shape[0] != whole.shape[0]:
        return None
    starts = (start for start in range(one.shape[1] - channels + 1))
    close = (
        start for start in starts if torch.allclose(one.print[:, start : start + channels], whole.print, rtol=1e-4)
    )
    start = next(close, None)
    return None if start is None else slice(start, start + channels)


def _colours(block: Tensor) -> bool:
    """Whether the pixels of each image hold few different vectors."""
    counts = [len(_vectors(image)) for image in block]
    return max(counts) <= FEW * block.shape[2] * block.shape[3]


def _shared(block: Tensor, other: Tensor) -> bool:
    """Whether another query chooses among the same vectors."""
    for image, again in zip(block, other, strict=True):
        vectors, others = _vectors(image), _vectors(again)
        if float(torch.cdist(vectors, others).min()) > 1e-4 * float(vectors.abs().max()):
            return False
    return True


def _vectors(image: Tensor) -> Tensor:
    """The different vectors of an image's pixels."""
    return cast(Tensor, torch.unique(image.flatten(1).T, dim=0))  # pyright: ignore

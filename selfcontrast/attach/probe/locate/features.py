"""Which call gives the features that an input holds, and which the deepest features of the query."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from selfcontrast.attach.probe.forwards import Forwards
from selfcontrast.attach.probe.locate.comparison import FEWEST, LEAST, Comparison, Roles, runs
from selfcontrast.attach.probe.maps import Key, Map, Trace
from selfcontrast.attach.probe.trace import trace
from selfcontrast.errors import InputError


@dataclass(frozen=True)
class Placed:
    """Features in an input: the call that gave them, and the channels where they stand."""

    features: Map
    window: slice

    @property
    def channels(self) -> int:
        return self.window.stop - self.window.start


def find_features(forwards: Forwards, base: Trace, comparison: Comparison) -> dict[Key, Placed]:
    """For each input, the last call whose output stands in it, whole or pooled.

    Raises:
        InputError: where the features of an input are no module's output.
    """
    inputs = [one for one in comparison.inputs if int(comparison.roles.features(one).sum()) >= FEWEST]
    found: dict[Key, Placed] = {}
    for one in inputs:
        placed = _best(_alike(base, comparison.roles, one), comparison.roles, one)
        if placed is not None:
            found[one.key] = placed
    pooled = [one for one in inputs if one.key not in found]
    if pooled:
        found |= _pooled(forwards, base, comparison.roles, pooled, list(found.values()))
    return found


def _candidates(base: Trace, roles: Roles, entry: Map) -> list[Map]:
    """Outputs that the input may hold, the last first: of several modules that pass one map on, the outermost."""
    widest = max(place.stop - place.start for place in runs(_allowed(roles, entry)))
    before = [one for one in base.outputs if one.ended < entry.started and roles.query_only(one)]
    fits = [one for one in before if one.shape[0] == entry.shape[0] and LEAST <= one.shape[1] <= widest]
    return sorted(fits, key=lambda one: -one.ended)


def _allowed(roles: Roles, entry: Map) -> Tensor:
    return roles.features(entry) | roles.silent(entry)


def _windows(roles: Roles, entry: Map, channels: int) -> list[slice]:
    """Where so many channels of features could stand: they follow the query alone, or are dead."""
    allowed, known = _allowed(roles, entry), roles.features(entry)
    places = [slice(start, start + channels) for start in range(entry.shape[1] - channels + 1)]
    return [place for place in places if bool(allowed[place].all()) and int(known[place].sum()) >= FEWEST]


def _alike(base: Trace, roles: Roles, entry: Map) -> list[Placed]:
    """Outputs on the input's own grid, known by their fingerprints."""
    found: list[Placed] = []
    for one in _candidates(base, roles, entry):
        if one.shape[2:] != entry.shape[2:]:
            continue
        for place in _windows(roles, entry, one.shape[1]):
            if _equal(one.print, entry.print[:, place]):
                found.append(Placed(one, place))
    return found


def widest_alike(base: Trace, roles: Roles, entry: Map) -> Placed | None:
    """The widest output on the input's own grid that stands in it."""
    return _best(_alike(base, roles, entry), roles, entry)


def _best(found: list[Placed], roles: Roles, entry: Map) -> Placed | None:
    """That which is as wide as the prototype, else the widest."""
    prototype = [
        place.stop - place.start for one in (roles.prototype(entry), _lined(roles, entry)) for place in runs(one)
    ]

    def rank(one: Placed) -> tuple[bool, int]:
        return one.channels in prototype, one.channels

    best = max(found, key=rank, default=None)
    if best is None or best.channels >= max(prototype, default=0):
        return best
    # Features that are two maps side by side are no module's output, although each of the two is.
    whole = next(run for run in runs(_allowed(roles, entry)) if run.start <= best.window.start < run.stop)
    return best if whole.stop - whole.start < best.channels + LEAST else None


def _lined(roles: Roles, entry: Map) -> Tensor:
    return roles.prototype(entry) | entry.zero


def _pooled(forwards: Forwards, base: Trace, roles: Roles, inputs: list[Map], known: list[Placed]) -> dict[Key, Placed]:
    """Features on another grid: compared as whole maps, first those that stand in other inputs too."""
    candidates = {one.key: _candidates(base, roles, one) for one in inputs}
    favourites = list({placed.features.key: placed.features for placed in known}.values())
    found = _resized_in(forwards, roles, inputs, {one.key: favourites for one in inputs}) if favourites else {}
    rest = [one for one in inputs if one.key not in found]
    if rest:
        found |= _resized_in(forwards, roles, rest, {one.key: candidates[one.key] for one in rest})
    missing = [one for one in rest if one.key not in found]
    if missing:
        place = max(runs(_allowed(roles, missing[0])), key=lambda place: place.stop - place.start)
        raise InputError(
            f"model: expected the features in channels {place.start}:{place.stop} of {missing[0].name} to be some "
            "module's output, got none that matches; give that tensor a module of its own, such as nn.Identity(), or "
            "write the Host(...) by hand where they are tokens: see its channels_last"
        )
    return found


def _resized_in(
    forwards: Forwards, roles: Roles, inputs: list[Map], candidates: Mapping[Key, list[Map]]
) -> dict[Key, Placed]:
    wanted = {one.key: one for several in candidates.values() for one in several}
    maps = [*inputs, *wanted.values()]
    kept = trace(forwards, "looks for the features", only=maps, keep=maps).kept
    found: dict[Key, Placed] = {}
    for entry in inputs:
        merged, several = kept[entry.key], list[Placed]()
        for one in candidates[entry.key]:
            places = _windows(roles, entry, one.shape[1])
            # The mean of each channel tells cheaply where it is worth to compare whole maps.
            means = merged.mean((2, 3))
            for way in _resized(kept[one.key], merged) if places else ():
                own = way.mean((2, 3))
                likely = (place for place in places if _equal(own, means[:, place]))
                several += [Placed(one, place) for place in likely if _equal(way, merged[:, place])]
        best = _best(several, roles, entry)
        if best is not None:
            found[entry.key] = best
    return found


def _resized(whole: Tensor, merged: Tensor) -> list[Tensor]:
    """An output at the input's grid, in each way that hosts resize."""
    if len(whole) != len(merged):
        return []
    size = (merged.shape[2], merged.shape[3])
    if whole.shape[2:] == merged.shape[2:]:
        return [whole]
    ways = [F.interpolate(whole, size, mode="bilinear", align_corners=corners) for corners in (True, False)]
    return [F.adaptive_avg_pool2d(whole, size), *ways]


def _equal(way: Tensor, block: Tensor) -> bool:
    return torch.allclose(way, block, rtol=1e-4, atol=1e-5 * float(block.abs().max()))


def find_high_level(base: Trace, started: int, roles: Roles, rows: int, joint: bool, unsure: list[str]) -> Map:
    """The deepest map that follows only the query: of those with the most channels the last.

    Args:
        started: when the comparison starts.
        rows: how many are the query's, the last ones where a map may be `joint` with the support.
    """
    before = [one for one in base.outputs if one.ended < started and (joint or one.shape[0] == rows)]
    maps = [one for one in before if last_rows_of_query(one, roles, rows)]
    if not maps:
        raise InputError(
            "model: expected a deep map of the query from a module before the comparison, got none; write the "
            "Host(...) by hand, with a call that gives one"
        )
    deepest = max(maps, key=lambda one: (one.shape[1], one.ended))
    inner = [one for one in maps if _begins_with(deepest, one)]
    deepest = max(inner, key=lambda one: (one.shape[1], one.ended), default=deepest)
    unsure.append(
        f"high_level is {deepest.name}, the last map of the query alone with the most channels ({deepest.shape[1]}); "
        "any deep feature of the query serves"
    )
    return deepest


def last_rows_of_query(one: Map, roles: Roles, rows: int) -> bool:
    """Whether the last rows follow the query alone, and rows before them do not."""
    query, support = one.rows_of(roles.query).any(1), one.rows_of(roles.support).any(1)
    last = bool(query[-rows:].all()) and not bool(support[-rows:].any())
    return last and one.shape[0] >= rows and not bool((query & ~support)[:-rows].any())


def _begins_with(whole: Map, one: Map) -> bool:
    """Whether a map is another's first channels: a pyramid sets pooled copies behind it."""
    channels = one.shape[1]
    alike = one.shape[2:] == whole.shape[2:] and one.shape[0] == whole.shape[0] and LEAST <= channels < whole.shape[1]
    return alike and _equal(one.print, whole.print[:, :channels])

"""What an input of the comparison holds, channel by channel, written as entries."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from selfcontrast.attach.host import Entry, channels_text
from selfcontrast.attach.probe.locate.comparison import (
    FEWEST,
    LEAST,
    Comparison,
    Roles,
    call_text,
    every_call,
    read_text,
    runs,
    starred,
)
from selfcontrast.attach.probe.locate.features import Placed
from selfcontrast.attach.probe.maps import Key, Map, Trace
from selfcontrast.errors import InputError

# What a certain object may count as in a prior that is no probability.
ROUND = (2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


@dataclass(frozen=True)
class Layout:
    """What one input holds.

    Attributes:
        entry: the input.
        placed: its features; those of the host for an input that holds the prototype beside no features.
        copies: channels of each copy of the prototype.
        priors: channels of prior masks, and the value of a certain object in them.
        rest: other channels that follow the support, and how.
    """

    entry: Map
    placed: Placed
    copies: list[slice]
    priors: list[tuple[slice, float]] = field(default_factory=list[tuple[slice, float]])
    rest: list[tuple[slice, str]] = field(default_factory=list[tuple[slice, str]])

    @property
    def channels(self) -> int:
        return self.placed.channels


def find_layouts(
    model: nn.Module,
    base: Trace,
    comparison: Comparison,
    placed: dict[Key, Placed],
    palettes: dict[Key, list[slice]],
    unsure: list[str],
) -> list[Layout]:
    """What every input of the comparison holds.

    Args:
        placed: the features of those that hold features.
        palettes: channels of those whose prototype differs from pixel to pixel.
    """
    first = placed[comparison.inputs[0].key]
    layouts: list[Layout] = []
    for one in comparison.inputs:
        own = placed.get(one.key)
        copies = _copies(one, comparison.roles, (own or first).channels, None if own is None else own.window, unsure)
        copies = sorted([*copies, *palettes.get(one.key, [])], key=lambda place: place.start)
        if copies:
            learned = _learned(model, one, base, comparison.roles)
            layouts.append(_with_extras(Layout(one, own or first, copies), comparison.roles, learned, layouts))
    if not layouts:
        raise InputError(
            f"model: expected a prototype of {first.channels} channels, as the features have, in "
            f"{comparison.inputs[0].name}, got none; write the Host(...) by hand"
        )
    return layouts


def _copies(one: Map, roles: Roles, channels: int, features: slice | None, unsure: list[str]) -> list[slice]:
    """The channels of the prototype, with dead ones, in whole copies of the features' channels."""
    prototype = roles.prototype(one)
    allowed = prototype | one.zero
    if features is not None:
        allowed[features] = False
    found: list[slice] = []
    for run in runs(allowed):
        live = torch.nonzero(prototype[run]).flatten()
        if len(live):
            tight = slice(run.start + int(live[0]), run.start + int(live[-1]) + 1)
            found += _snapped(one, roles, run, tight, channels, features, unsure)
    return found


def _snapped(
    one: Map, roles: Roles, run: slice, tight: slice, channels: int, features: slice | None, unsure: list[str]
) -> list[slice]:
    """Whole copies inside a run that may have dead channels at its ends; none for a few channels that stand alone."""
    width = -(-(tight.stop - tight.start) // channels) * channels
    starts = [
        start
        for start in range(run.start, run.stop - width + 1)
        if start <= tight.start and tight.stop <= start + width
    ]
    if not starts:
        if int(roles.prototype(one)[tight].sum()) < max(FEWEST, channels // 2):
            return []
        raise InputError(
            f"model: expected a prototype of {channels} channels, as the features have, in {one.name}, got channels "
            f"{tight.start}:{tight.stop}; write the Host(...) by hand"
        )
    likely = (run.start, run.stop - width) if features is None else (features.stop, features.start - width, 0)
    likely = (*likely, one.shape[1] - width)
    start = next((start for start in likely if start in starts), starts[0])
    if len(starts) > 1 and start not in likely[:2]:
        unsure.append(f"the prototype in {one.name} has dead channels at its ends: it may start at any of {starts}")
    return [slice(place, place + channels) for place in range(start, start + width, channels)]


def _with_extras(layout: Layout, roles: Roles, learned: Tensor, earlier: list[Layout]) -> Layout:
    """Finds prior masks among the channels that are left, and names what else follows the support."""
    one = layout.entry
    left = torch.ones(one.shape[1], dtype=torch.bool, device=one.print.device)
    for place in layout.copies:
        left[place] = False
    others = roles.both(one) & left
    # A channel that is dead in this batch, between two of a prior, is one of it.
    for run in _bridged(others & ~learned, one.zero & left):
        for place, scale in _priors(one, run, earlier):
            layout.priors.append((place, scale))
            others[place] = False
    low, high = one.low.amin(0), one.high.amax(0)
    layout.rest.extend(
        (
            place,
            f"follow query and support, {low[place].min():.2f} to {high[place].max():.2f}: no prior mask?",
        )
        for place in _bridged(others, one.zero & left)
    )
    layout.rest.extend(
        (run, "follow the support alone and vary over space: there the pass still sees the support")
        for run in _bridged(roles.support_map(one) & left, one.zero & left)
    )
    layout.rest.extend(
        (run, "are constant over space and follow the support, and are no whole prototype: they stay")
        for run in runs(roles.prototype(one) & left)
    )
    return layout


def _bridged(channels: Tensor, dead: Tensor) -> list[slice]:
    """Runs of channels, with the dead ones between them."""
    tight: list[slice] = []
    for run in runs(channels | dead):
        live = torch.nonzero(channels[run]).flatten()
        if len(live):
            tight.append(slice(run.start + int(live[0]), run.start + int(live[-1]) + 1))
    return tight


def _priors(one: Map, run: slice, earlier: list[Layout]) -> list[tuple[slice, float]]:
    """Prior masks in a run of channels that follow query and support: they lie in 0..1, or in 0..a round number."""
    low, high = one.low[:, run].amin(0), one.high[:, run].amax(0)
    positive = low > -0.01
    if bool((positive & (high <= 1.01)).all()):
        return [(run, 1.0)]
    known = next((scale for other in earlier for place, scale in other.priors if place == run), 1.0)
    scale = _round_peak(one, run) or known
    if scale > 1 and bool((positive & (high <= 1.01 * scale)).all()):
        return [(run, scale)]
    return [(slice(run.start + place.start, run.start + place.stop), 1.0) for place in runs(positive & (high <= 1.01))]


def _round_peak(one: Map, run: slice) -> float | None:
    """The round number that is the largest value of some channel in every image."""
    lowest, peaks = one.low[:, run], one.high[:, run]
    for number in ROUND:
        reached = ((peaks - number).abs() < 1e-2 * number).all(0) & (lowest.abs() < 1e-2 * number).all(0)
        if bool(reached.any()):
            return number
    return None


def _learned(model: nn.Module, one: Map, base: Trace, roles: Roles) -> Tensor:
    """Which channels are several channels that a module with weights gave: features, not masks."""
    learned = torch.zeros(one.shape[1], dtype=torch.bool, device=one.print.device)
    for other in base.outputs:
        wide, fits = other.shape[1], other.shape[0] == one.shape[0] and other.shape[2:] == one.shape[2:]
        if other.ended >= one.started or not fits or not LEAST <= wide <= one.shape[1] or not roles.follows_both(other):
            continue
        if next(model.get_submodule(other.name).parameters(), None) is None:
            continue
        for start in range(one.shape[1] - wide + 1):
            block = one.print[:, start : start + wide]
            if torch.allclose(other.print, block, rtol=1e-4, atol=1e-5 * float(block.abs().max())):
                learned[start : start + wide] = True
    return learned


def find_entries(
    model: nn.Module, base: Trace, layouts: list[Layout], background: set[tuple[Key, int]], unsure: list[str]
) -> tuple[Entry, ...]:
    """The entries, calls of a list of modules as one.

    Args:
        background: the copies that hold the background's prototype, by their input and first channel.
    """
    first = layouts[0].placed.features.key
    groups: dict[Entry, list[str]] = {}
    for layout in layouts:
        own = None if layout.placed.features.key == first else read_text(layout.placed.features, base)
        for entry in _entries_of(layout, background, own):
            groups.setdefault(entry, []).append(call_text(layout.entry, base))
    if any(layout.placed.features.key != first for layout in layouts):
        names = ", ".join(dict.fromkeys(layout.placed.features.name for layout in layouts))
        unsure.append(f"{names} give features of their own; the prototype may be made of others")
    _say_rest(model, base, layouts, unsure)
    entries: list[Entry] = []
    for entry, calls in groups.items():
        texts = starred(model, every_call(base, list(dict.fromkeys(calls))))
        entries += [replace(entry, call=text) for text in texts]
    return tuple(_foreground_first(entries))


def _entries_of(layout: Layout, background: set[tuple[Key, int]], own: str | None) -> Iterable[Entry]:
    """The entries of one input, still without its name."""
    channels, total, argument = layout.channels, layout.entry.shape[1], layout.entry.argument or 0
    priors = [(channels_text(place, channels, total), scale) for place, scale in layout.priors]
    for holds in ("foreground", "background"):
        copies = [
            one for one in layout.copies if ((layout.entry.key, one.start) in background) == (holds == "background")
        ]
        for place in _joined(copies):
            prior, scale = priors.pop(0) if priors else (None, 1.0)
            yield Entry("", channels_text(place, channels, total), prior, scale, argument, holds, own)
    for prior, scale in priors:
        yield Entry("", None, prior, scale, argument, "foreground", own)


def _joined(places: list[slice]) -> list[slice]:
    joined: list[slice] = []
    for place in places:
        if joined and joined[-1].stop == place.start:
            joined[-1] = slice(joined[-1].start, place.stop)
        else:
            joined.append(place)
    return joined


def _foreground_first(entries: list[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.holds == "background")


def _say_rest(model: nn.Module, base: Trace, layouts: list[Layout], unsure: list[str]) -> None:
    """A line for each kind of channels beside the prototype, calls of a list of modules as one."""
    said: dict[str, list[str]] = {}
    for layout in layouts:
        priors = [
            (place, f"follow query and support within 0..{scale:g}: taken for a prior mask")
            for place, scale in layout.priors
        ]
        for place, how in (*priors, *layout.rest):
            text = channels_text(place, layout.channels, layout.entry.shape[1])
            said.setdefault(f"channels {text} of {{}} {how}", []).append(call_text(layout.entry, base))
    for line, calls in said.items():
        unsure.extend(line.format(text) for text in starred(model, every_call(base, calls)))

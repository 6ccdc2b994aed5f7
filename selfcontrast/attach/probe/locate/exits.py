"""Where a comparison ends: what gives two-class logits of the query, or is given them."""

from dataclasses import dataclass

from torch import nn

from selfcontrast.attach.host import Exit
from selfcontrast.attach.probe.locate.comparison import Comparison, call_text, every_call, outermost, starred
from selfcontrast.attach.probe.maps import Map, Trace
from selfcontrast.errors import InputError


@dataclass(frozen=True)
class Exits:
    """The exits, their logits, and the criterion that judges such logits.

    Attributes:
        exits: as a host writes them.
        logits: the maps that they stand for.
        criterion: the module's name, None where no module judges logits.
        joined: whether no module gives the logits: they are read off what one is given.
    """

    exits: tuple[Exit, ...]
    logits: list[Map]
    criterion: str | None
    joined: bool


def find_exits(model: nn.Module, base: Trace, comparison: Comparison, unsure: list[str]) -> Exits:
    """Outermost modules behind the entry that give two channels a pixel of the query; else inputs that hold them.

    Raises:
        InputError: where there are neither.
    """
    judged = [one for one in _two_classes(base.inputs, comparison) if one.judged and (one.argument or 0) == 0]
    criterion = judged[0].name if judged and len({one.name for one in judged}) == 1 else None
    given = outermost(_two_classes(base.outputs, comparison))
    if given:
        return Exits(_written(model, base, given, unsure), given, criterion, False)
    taken = judged or _last(_two_classes(base.inputs, comparison))
    if not taken:
        raise InputError(
            "model: expected a module behind the comparison's start that gives logits (B, 2, h, w), or is given them, "
            f"got {_what_came(base, comparison)}; give the logits a module of their own, such as nn.Identity()"
        )
    unsure.append(
        f"no module gives two-class logits: they are read off what {taken[-1].name} is given, in a second forward"
    )
    return Exits(_written(model, base, taken, unsure), taken, criterion, True)


def _two_classes(maps: list[Map], comparison: Comparison) -> list[Map]:
    first, roles = comparison.inputs[0], comparison.roles
    rows = first.shape[0]
    return [
        one
        for one in sorted(maps, key=lambda one: one.started)
        if one.hooked and one.started >= first.started and one.shape[:2] == (rows, 2) and roles.follows_both(one)
    ]


def _last(inputs: list[Map]) -> list[Map]:
    return outermost(inputs)[-1:]


def _written(model: nn.Module, base: Trace, maps: list[Map], unsure: list[str]) -> tuple[Exit, ...]:
    maps = sorted(maps, key=lambda one: -one.ended)
    arguments = {one.name: one.argument for one in maps}
    calls = starred(model, every_call(base, list(dict.fromkeys(call_text(one, base) for one in maps))))
    if len(maps) > 1:
        last = max(maps, key=lambda one: one.ended)
        unsure.append(
            f"{last.name} gives the last logits; the weights of the other exits in the host's loss are guessed"
        )
    argument = next(iter(arguments.values()))
    return tuple(Exit(call, argument=argument) for call in calls)


def _what_came(base: Trace, comparison: Comparison) -> str:
    """The number of classes of the last map of query and support."""
    first = comparison.inputs[0]
    maps = [one for one in base.outputs if one.started >= first.started and comparison.roles.follows_both(one)]
    if not maps:
        return "none"
    last = max(maps, key=lambda one: one.ended)
    return f"maps of {last.shape[1]} channels last, from {last.name}"

"""What the self-contrastive pass holds where the host holds a prototype, a prior mask or another tensor beside them.

Axes: B episodes, C channels of the features, h x w their grid, D channels of an entry, s x t its grid. A fold needs 2B
rows of a tensor that stands beside the entry; a second forward needs the second B alone.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from selfcontrast.attach.hooks import Hooks
from selfcontrast.attach.host import Call, Doubled, Entry, Exit, channel_range
from selfcontrast.attach.nested_tensors import map_tensors, replace_item
from selfcontrast.errors import require
from selfcontrast.prototypes import resize_nearest

Change = Callable[[Any], Any]


def counterpart(
    entry: Entry,
    merged: Float[Tensor, "B D s t"],
    prototype_map: Float[Tensor, "B C h w"],
    counter_prior: Callable[[Tensor], Tensor],
    prior_of: Float[Tensor, "B D s t"] | None = None,
) -> Float[Tensor, "B D ..."]:
    """An entry's input with the map for the expanded prototype and the counter-prior for the prior mask.

    A prototype alone, (B, C, 1, 1), which the module itself spreads over the features, becomes the whole map. The prior
    is read off `prior_of`, another forward's input, where that is given.

    >>> entry, merged = Entry("merge", "C:2C", "2C:"), torch.tensor([1.0, 2.0, 0.3]).view(1, 3, 1, 1)
    >>> counterpart(entry, merged, torch.tensor([[[[7.0]]]]), lambda prior: 1 - prior).flatten()
    tensor([1.0000, 7.0000, 0.7000])
    """
    channels, total = prototype_map.shape[1], merged.shape[1]
    changes: list[tuple[slice, Tensor]] = []
    if entry.prototype is not None:
        place = channel_range(entry.prototype, channels, total)
        changes.append((place, _repeated(prototype_map, entry, place, merged)))
    if entry.prior is not None:
        place = channel_range(entry.prior, channels, total)
        prior = (merged if prior_of is None else prior_of)[:, place]
        changes.append((place, entry.prior_scale * counter_prior(prior / entry.prior_scale)))
    pieces: list[Tensor] = []
    position = 0
    for place, content in sorted(changes, key=lambda change: change[0].start):
        pieces += [merged[:, position : place.start], content]
        position = place.stop
    pieces.append(merged[:, position:])
    kept = [piece for piece in pieces if piece.shape[1] > 0]
    return kept[0] if len(kept) == 1 else torch.cat(kept, 1)


def _repeated(prototype_map: Tensor, entry: Entry, place: slice, merged: Tensor) -> Tensor:
    """The map at the entry's size and dtype, once for each copy of the prototype that the entry holds."""
    channels, width = prototype_map.shape[1], place.stop - place.start
    require(
        place.stop <= merged.shape[1] and width > 0 and width % channels == 0,
        f"entry {entry.call}",
        f"prototype channels {entry.prototype} that hold the features' {channels} channels once or more",
        f"{width} of an input of {merged.shape[1]} channels",
        "write the channels of this model, for instance prototype='C:2C'",
    )
    if width == merged.shape[1]:
        return prototype_map.to(merged.dtype)
    size = (merged.shape[2], merged.shape[3])
    # Nearest, not pooled: a cell is compared with one prototype, never with a mixture of two.
    resized = prototype_map if prototype_map.shape[2:] == size else resize_nearest(prototype_map, size)
    return resized.to(merged.dtype).repeat(1, width // channels, 1, 1)


def first_prototype(entry: Entry, merged: Float[Tensor, "B D s t"], channels: int) -> Float[Tensor, "B C s t"]:
    """The first copy of the prototype that an entry's input holds.

    >>> first_prototype(Entry("merge", "C:3C"), torch.arange(3.0).view(1, 3, 1, 1), 1).flatten()
    tensor([1.])
    """
    place = channel_range(entry.prototype or ":", channels, merged.shape[1])
    return merged[:, place.start : place.start + channels]


def second_half(tensor: Tensor, doubled: Doubled, counter_prior: Callable[[Tensor], Tensor]) -> Tensor:
    """What the self-contrastive pass gets in a tensor's place.

    >>> second_half(torch.ones(2), Doubled("", 0, fill=0.0), torch.neg)
    tensor([0., 0.])
    """
    if doubled.fill == "same":
        return tensor
    return counter_prior(tensor) if doubled.fill == "prior" else torch.full_like(tensor, doubled.fill)


def change_doubled(
    model: nn.Module,
    several: Sequence[Doubled],
    change: Callable[[Tensor, Doubled], Tensor],
    hooks: Hooks,
    arguments: list[Any],
    keywords: dict[str, Any],
) -> None:
    """Apply `change` to every tensor that `several` names: the model's own arguments now, the others when they come."""
    for doubled in several:
        call = Call.parse(doubled.call)
        if call.module == "":
            change_argument(model, doubled, _on_tensors(change, doubled), arguments, keywords)
        elif doubled.argument is None:
            hooks.after(call, _changing_output(call, _on_tensors(change, doubled)))
        else:
            hooks.before(call, _changing_argument(model, doubled, _on_tensors(change, doubled)))


def _on_tensors(change: Callable[[Tensor, Doubled], Tensor], doubled: Doubled) -> Change:
    """A tensor or a list of them."""
    return lambda value: map_tensors(value, lambda tensor: change(tensor, doubled))


def _changing_output(call: Call, change: Change) -> Callable[[str, Any], Any]:
    return lambda name, output: replace_item(output, call.items, change)


def _changing_argument(
    model: nn.Module, doubled: Doubled, change: Change
) -> Callable[[str, list[Any], dict[str, Any]], None]:
    return lambda name, arguments, keywords: change_argument(
        model.get_submodule(name), doubled, change, arguments, keywords
    )


def change_argument(
    module: nn.Module, named: Entry | Exit | Doubled, change: Change, arguments: list[Any], keywords: dict[str, Any]
) -> None:
    """Change the argument that an entry, an exit or a doubled tensor names, in place, given by position or by name."""
    position = named.argument or 0
    if position < len(arguments):
        arguments[position] = change(arguments[position])
        return
    names = list(inspect.signature(module.forward).parameters)
    name = names[position] if position < len(names) else ""
    got = ", ".join(keywords) or f"{len(arguments)} arguments"
    field = {Entry: "host.entries", Exit: "host.exits", Doubled: "host.doubled"}[type(named)]
    require(name in keywords, field, f"argument {position} of {named.call!r}", got, "mend the position")
    keywords[name] = change(keywords[name])

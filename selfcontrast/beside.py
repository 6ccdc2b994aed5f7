"""Tensors that enter the comparison beside the entry: what their half of the self-contrastive pass holds.

Axes: B episodes; a fold needs 2B rows of them, a second forward the second B alone.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from selfcontrast.errors import require
from selfcontrast.hooks import Hooks
from selfcontrast.host import Call, Doubled
from selfcontrast.trees import map_tensors, replace_item

Change = Callable[[Any], Any]


def second_half(tensor: Tensor, doubled: Doubled, counter_prior: Callable[[Tensor], Tensor]) -> Tensor:
    """What the self-contrastive pass gets in a tensor's place.

    >>> second_half(torch.ones(2), Doubled("", 0, fill=0.0), torch.neg)
    tensor([0., 0.])
    """
    if doubled.fill == "same":
        return tensor
    return counter_prior(tensor) if doubled.fill == "prior" else torch.full_like(tensor, doubled.fill)


def change_beside(
    model: nn.Module,
    several: Sequence[Doubled],
    change: Callable[[Tensor, Doubled], Tensor],
    hooks: Hooks,
    arguments: list[Any],
    keywords: dict[str, Any],
) -> None:
    """Let `change` have every tensor named by `several`: the model's own arguments now, others as they come."""
    for doubled in several:
        call = Call.parse(doubled.call)
        if call.module == "":
            _change_argument(model, doubled, _on_tensors(change, doubled), arguments, keywords)
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
    return lambda name, arguments, keywords: _change_argument(
        model.get_submodule(name), doubled, change, arguments, keywords
    )


def _change_argument(
    module: nn.Module, doubled: Doubled, change: Change, arguments: list[Any], keywords: dict[str, Any]
) -> None:
    """Change an argument in place, whether it was given by position or by name."""
    position = doubled.argument or 0
    if position < len(arguments):
        arguments[position] = change(arguments[position])
        return
    names = list(inspect.signature(module.forward).parameters)
    name = names[position] if position < len(names) else ""
    got = ", ".join(keywords) or f"{len(arguments)} arguments"
    require(name in keywords, "host.doubled", f"argument {position} of {doubled.call!r}", got, "mend the position")
    keywords[name] = change(keywords[name])

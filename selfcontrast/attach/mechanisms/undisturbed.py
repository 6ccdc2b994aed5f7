"""A second forward that leaves no trace in the host: it works on copies of what the host changes while it runs."""

import random
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from copy import copy, deepcopy
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

# What every module holds of torch's own.
OWN = frozenset(vars(nn.Module()))
# Most of what a module holds beside; asked first, as the other questions take longer.
UNCHANGING = frozenset({bool, int, float, str, type(None)})


@contextmanager
def undisturbed(model: nn.Module) -> Generator[None]:
    """A context in which forwards change neither buffers nor plain attributes of a model's modules.

    Inside it modules hold copies of their buffers and of tensors, arrays, lists, dictionaries, sets and sources of
    random numbers among their attributes; afterwards they hold the originals again, which a graph may have kept.
    Parameters and objects of other kinds are no copies.

    >>> layer = nn.BatchNorm1d(1)
    >>> layer.seen = []
    >>> with undisturbed(layer):
    ...     layer.seen.append(layer(torch.ones(2, 1)))
    >>> layer.num_batches_tracked, layer.seen
    (tensor(0), [])
    """
    copies: dict[int, Any] = {}
    kept = [(holder, dict(holder)) for module in model.modules() for holder in _holders(module)]
    try:
        for holder, before in kept:
            holder.update({name: _copied(value, copies) for name, value in before.items() if name not in OWN})
        yield
    finally:
        for holder, before in kept:
            for name in [name for name in holder if name not in before]:
                del holder[name]
            holder.update(before)


def copied_arguments(arguments: Sequence[Any], keywords: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Arguments of a forward that may fill lists and dictionaries which it is given, as a queue of earlier features.

    >>> queue = [1]
    >>> copies, _ = copied_arguments((queue,), {})
    >>> copies[0].append(2)
    >>> queue
    [1]
    """
    copies: dict[int, Any] = {}
    return [_copied(one, copies) for one in arguments], {name: _copied(one, copies) for name, one in keywords.items()}


def _holders(module: nn.Module) -> list[dict[str, Any]]:
    """Where a module keeps its plain attributes, its submodules and those buffers that a forward may change."""
    attributes: dict[str, Any] = vars(module)
    still = isinstance(module, _BatchNorm) and not module.training
    return [attributes, attributes["_modules"], *([] if still else [attributes["_buffers"]])]


def _copied(value: Any, copies: dict[int, Any]) -> Any:
    """A copy of what a forward may change in place, the same one wherever it is held; anything else is the value."""
    if id(value) not in copies:
        copies[id(value)] = _copy(value, copies)
    return copies[id(value)]


def _copy(value: Any, copies: dict[int, Any]) -> Any:
    if type(value) in UNCHANGING or isinstance(value, (nn.Module, nn.Parameter)):
        return value
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, torch.Generator):
        return value.clone_state()
    if isinstance(value, (np.random.RandomState, np.random.Generator, random.Random)):
        return deepcopy(value)
    if isinstance(value, np.ndarray):
        return cast(np.ndarray[Any, Any], value).copy()
    if isinstance(value, tuple):
        return _rebuilt(value, [_copied(item, copies) for item in cast(Iterable[Any], value)])
    if isinstance(value, (list, set, deque)):
        return _refilled(value, [_copied(item, copies) for item in cast(Iterable[Any], value)])
    if isinstance(value, dict):
        changed = copy(cast(dict[Any, Any], value))
        for key, item in cast(dict[Any, Any], value).items():
            changed[key] = _copied(item, copies)
        return changed
    return value


def _rebuilt(value: Any, items: list[Any]) -> Any:
    """A tuple of the same kind with these items; the very tuple where they are its own."""
    if all(one is other for one, other in zip(value, items, strict=True)):
        return value
    return value._make(items) if hasattr(value, "_make") else type(value)(items)


def _refilled(container: Any, content: Iterable[Any]) -> Any:
    """A container of the same kind with this content."""
    changed: Any = copy(container)
    changed.clear()
    (changed.update if isinstance(container, set) else changed.extend)(content)
    return changed

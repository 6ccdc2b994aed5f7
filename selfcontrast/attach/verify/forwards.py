"""Forwards that can be compared: the same numbers drawn, the same arguments, and a model that is as it was."""

import random
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd  # pyright: ignore[reportPrivateUsage]
from torch.utils import _pytree as pytree

from selfcontrast.attach.mechanisms.memory import replaced_forwards
from selfcontrast.attach.mechanisms.undisturbed import OWN, undisturbed

if TYPE_CHECKING:
    Trace: TypeAlias = "Tensor | list[Trace] | dict[str, Trace] | complex | str | None"
else:
    # Checks at run time cannot follow a type that holds itself.
    Trace = Any
Traces = dict[str, Trace]


class Batch:
    """The arguments of a training call, of which each forward gets copies: a host may change what it is given.

    >>> batch = Batch(([],), {})
    >>> batch.fresh()[0][0].append(1)
    >>> batch.fresh()
    (([],), {})
    """

    def __init__(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self.arguments, self.keywords = arguments, keywords

    def fresh(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Copies of all lists, dictionaries and tensors, which share no graph with the originals."""
        copies: dict[int, Any] = {}

        def copied(leaf: Any) -> Any:
            if id(leaf) not in copies:
                copies[id(leaf)] = _own(leaf)
            return copies[id(leaf)]

        return pytree.tree_map(copied, (self.arguments, self.keywords))

    def call(self, function: Callable[..., Any]) -> Any:
        """What a function returns for copies of the arguments."""
        arguments, keywords = self.fresh()
        return function(*arguments, **keywords)


def _own(leaf: Any) -> Any:
    if isinstance(leaf, Tensor):
        return leaf.detach().clone().requires_grad_(leaf.requires_grad)
    return copy(cast(Any, leaf)) if isinstance(leaf, (set, dict, list)) else leaf


def seeded(model: nn.Module, forward: Callable[[], Any]) -> Any:
    """What a forward from a fixed seed returns; the model is put back as it was."""
    with undisturbed(model):
        # Weights that autocast rounded under no_grad would carry no gradient.
        torch.clear_autocast_cache()
        torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
        np.random.seed(0)
        random.seed(0)
        return forward()


def traced(model: nn.Module, forward: Callable[[], Any]) -> tuple[Any, Traces]:
    """What a forward from a fixed seed returns, and the traces that it left in the model."""
    return seeded(model, lambda: (forward(), traces_of(model)))


def traces_of(model: nn.Module) -> Traces:
    """Copies of all buffers and plain attributes, by name.

    >>> model = nn.ReLU()
    >>> model.seen = [1]
    >>> traces_of(model)
    {'inplace': False, 'seen': [1]}
    """
    found: Traces = {}
    for name, module in cast(Iterable[tuple[str, nn.Module]], model.named_modules()):
        attributes = {key: value for key, value in vars(module).items() if key not in OWN}
        for key, value in [*module.named_buffers(recurse=False), *attributes.items()]:
            found[f"{name}.{key}".lstrip(".")] = _plain(value, 3)
    return found


def _plain(value: Any, depth: int) -> Trace:
    """A value as tensors, numbers and texts in lists and dictionaries; the content of a foreign object by its name."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, np.random.Generator):
        return repr(value.bit_generator.state)
    if isinstance(value, (np.random.RandomState, random.Random)):
        return repr(value.__getstate__())
    if isinstance(value, (bool, int, float, complex, str)):
        return value
    if depth == 0:
        return None
    if isinstance(value, np.ndarray):
        array = cast(np.ndarray[Any, Any], value)
        return array.tolist() if array.dtype.kind in "biuf" else None
    if isinstance(value, dict):
        return {repr(key): _plain(item, depth - 1) for key, item in cast(dict[Any, Any], value).items()}
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return [_plain(item, depth - 1) for item in cast(Iterable[Any], value)]
    if isinstance(value, (nn.Module, type)) or callable(value):
        return None
    return {key: _plain(item, depth - 1) for key, item in getattr(value, "__dict__", {}).items()}


@contextmanager
def random_numbers_kept(generator: torch.Generator | None = None) -> Generator[None]:
    """A context that may draw random numbers: afterwards every source continues where it was before."""
    of_numpy, of_python = np.random.get_state(), random.getstate()
    of_task = None if generator is None else generator.get_state()
    try:
        with torch.random.fork_rng():  # pyright: ignore[reportUnknownMemberType]
            yield
    finally:
        np.random.set_state(of_numpy)
        random.setstate(of_python)
        if generator is not None and of_task is not None:
            generator.set_state(of_task)


@contextmanager
def without_dropout(model: nn.Module) -> Generator[None]:
    """A context in which dropout layers pass on a copy of their input, so that two forwards can be compared.

    A copy, as in training: in eval mode they pass the tensor itself on, which the host may then change in place.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, _DropoutNd) and layer.training]
    with replaced_forwards(dict.fromkeys(layers, torch.clone)):
        yield

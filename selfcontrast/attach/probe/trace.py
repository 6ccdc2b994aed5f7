"""Trace a forward from outside: the maps that every module is given and gives.

Axes: B images, D channels, s x t a grid.
"""

import inspect
import weakref
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.utils import _pytree as pytree

from selfcontrast.attach.probe.forwards import Forwards
from selfcontrast.attach.probe.maps import Key, Map, Trace
from selfcontrast.precision import at_least_float32


def trace(
    forwards: Forwards,
    purpose: str,
    changes: Mapping[int, Tensor] = MappingProxyType({}),
    only: Iterable[Map] | None = None,
    keep: Iterable[Map] = (),
    alter: Mapping[Key, Callable[[Tensor], Tensor]] = MappingProxyType({}),
    first: bool = False,
) -> Trace:
    """The maps of a forward.

    Args:
        purpose: what the user reads where it takes long.
        changes: other tensors for some of the arguments.
        only: maps whose modules are watched, None for all modules.
        keep: maps to keep whole.
        alter: other tensors in the place of some inputs.
        first: whether to measure the channels' values too.
    """
    names = None if only is None else {*(one.name for one in (*only, *keep)), *(key[0] for key in alter)}
    watcher = _Watcher(forwards, {one.key for one in keep}, alter, first)
    output = forwards.run(purpose, changes, lambda: watcher.watching(forwards.model, names))
    watcher.found.returned = tensors_by_place(output)
    return watcher.found


def tensors_by_place(output: Any) -> dict[str, Tensor]:
    """The tensors in an output, by their place in it.

    >>> list(tensors_by_place((torch.zeros(1), {"loss": torch.zeros(1)})))
    ['[0]', "[1]['loss']"]
    """
    pairs, _ = pytree.tree_flatten_with_path(output)
    return {pytree.keystr(path): leaf.detach().clone() for path, leaf in pairs if isinstance(leaf, Tensor)}


class _Watcher:
    """Measures what modules are given and give, in one forward."""

    def __init__(
        self, forwards: Forwards, keep: set[Key], alter: Mapping[Key, Callable[[Tensor], Tensor]], first: bool
    ) -> None:
        self.found = Trace()
        self._keep, self._alter, self._first = keep, alter, first
        self._rows, self._grid = forwards.most_rows, forwards.size
        self._called: nn.Module | None = None
        self._clock = 0
        self._seen: dict[int, tuple[weakref.ref[Tensor], int, tuple[Tensor, Tensor, Tensor]]] = {}
        self._weights: dict[int, Tensor] = {}

    @contextmanager
    def watching(self, model: nn.Module, names: set[str] | None) -> Generator[None]:
        """A context in which every module's forward is watched, whoever calls it."""
        modules = cast(Iterable[tuple[str, nn.Module]], model.named_modules())
        watched = [(name, one) for name, one in modules if name and (names is None or name in names)]
        watched = [(name, one) for name, one in watched if not isinstance(one, torch.jit.ScriptModule)]
        own = [(one, vars(one).get("forward")) for _, one in watched]
        handle = register_module_forward_pre_hook(self._note)
        try:
            for name, one in watched:
                one.forward = self._wrapped(name, one)
            yield
        finally:
            handle.remove()
            for one, forward in own:
                del one.forward
                if forward is not None:
                    one.forward = forward

    def _note(self, module: nn.Module, args: Any) -> None:
        self._called = module

    def _wrapped(self, name: str, module: nn.Module) -> Callable[..., Any]:
        forward = module.forward

        def watched(*args: Any, **kwargs: Any) -> Any:
            hooked, self._called = self._called is module, None
            turn, started = self._count(name, hooked), self._tick()
            args = tuple(self._altered((name, turn, hooked, (), place), value) for place, value in enumerate(args))
            kwargs = {
                key: self._altered((name, turn, hooked, (), place), value)
                for (place, value), key in zip(_positions(forward, kwargs), kwargs, strict=True)
            }
            given = [(place, value) for place, value in (*enumerate(args), *_positions(forward, kwargs))]
            given = [(place, value) for place, value in given if isinstance(value, Tensor)]
            before = len(self.found.inputs)
            for place, value in given:
                if self._is_map(value):
                    self._add(self.found.inputs, value, name, turn, (), place, started, hooked)
            # Four axes of space, none of a single episode or shot, which lists of support maps have.
            if any(value.dim() > 5 and min(value.shape[-4:]) > 1 for _, value in given):
                self.found.deep = self.found.deep or name
            own = self.found.inputs[before:]
            output = forward(*args, **kwargs)
            maps = [(items, value) for items, value in _items_of(output) if self._is_map(value)]
            if not maps:
                for one in own:
                    one.judged = any(_is_mask_of(value, one) for place, value in given if place != one.argument)
            for items, value in maps:
                self._add(self.found.outputs, value, name, turn, items, None, started, hooked)
            if not hooked:
                self.found.unhooked.add(name)
            return output

        return watched

    def _altered(self, key: Key, value: Any) -> Any:
        return self._alter[key](value) if key in self._alter else value

    def _count(self, name: str, hooked: bool) -> int:
        calls, forwards = self.found.calls.get(name, 0), self.found.forwards.get(name, 0)
        self.found.calls[name], self.found.forwards[name] = calls + hooked, forwards + 1
        return calls if hooked else forwards

    def _tick(self) -> int:
        self._clock += 1
        return self._clock

    def _is_map(self, value: Any) -> bool:
        """Whether a tensor is a map of images; attention and windows have more rows, or more places, than images."""
        if not isinstance(value, Tensor) or value.dim() != 4 or not value.is_floating_point():
            return False
        rows, _, height, width = value.shape
        return rows <= self._rows and height * width > 1 and height <= self._grid[0] and width <= self._grid[1]

    def _add(
        self,
        maps: list[Map],
        value: Tensor,
        name: str,
        turn: int,
        items: tuple[int | str, ...],
        argument: int | None,
        started: int,
        hooked: bool,
    ) -> None:
        print, low, high = self._measured(value)
        noise, shape, ended = torch.zeros_like(print), tuple(value.shape), self._tick()
        one = Map(name, turn, items, argument, started, ended, hooked, False, shape, print, low, high, noise)
        maps.append(one)
        if one.key in self._keep:
            # A copy, for the next module may work in place.
            self.found.kept[one.key] = value.detach().clone()

    def _measured(self, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Fingerprint, smallest and largest value; that of one tensor, which many modules pass on, is made once."""
        known = self._seen.get(id(value))
        if known is not None and known[0]() is value and known[1] == value._version:
            return known[2]
        pixels = at_least_float32(value.detach()).flatten(2)
        print = pixels @ self._weights_for(pixels)
        low = high = print.new_zeros(0)
        if self._first:
            low, high = torch.aminmax(pixels, dim=2)
        measured = print, low, high
        self._seen[id(value)] = weakref.ref(value), value._version, measured
        return measured

    def _weights_for(self, pixels: Tensor) -> Tensor:
        places = pixels.shape[2]
        if places not in self._weights:
            self._weights[places] = torch.rand(places, generator=torch.Generator().manual_seed(0)).to(pixels)
        return self._weights[places].to(pixels)


def _positions(forward: Callable[..., Any], kwargs: dict[str, Any]) -> list[tuple[int, Any]]:
    """Arguments given by name, with their positions; those that have none count from the last."""
    names = list(inspect.signature(forward).parameters) if kwargs else []
    return [(names.index(name) if name in names else -1, value) for name, value in kwargs.items()]


def _items_of(output: Any) -> list[tuple[tuple[int | str, ...], Any]]:
    """An output's tensors: itself, or those in a list or dictionary, and in those inside these."""
    if isinstance(output, Tensor):
        return [((), output)]
    if isinstance(output, dict):
        pairs = list(output.items())  # pyright: ignore
    elif isinstance(output, list | tuple):
        pairs = list(enumerate(output))  # pyright: ignore
    else:
        return []
    inner = ((key, _items_of(value)) for key, value in pairs if isinstance(key, int | str))  # pyright: ignore
    return [((key, *items), value) for key, several in inner for items, value in several]


def _is_mask_of(value: Tensor, one: Map) -> bool:
    rows, _, *grid = one.shape
    shapes = ((rows, *grid), (rows, 1, *grid))
    return tuple(value.shape) in shapes

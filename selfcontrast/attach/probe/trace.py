"""Trace a forward from outside: the calls of every module, and which channels follow the query or the support.

Axes: B images, D channels, s x t a grid.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]
from torch.utils import _pytree as pytree
from torch.utils.hooks import RemovableHandle

from selfcontrast.precision import at_least_float32

# Of a channel's size: what is left of the same value at every place after it was pooled, resized and added up.
ROUNDING = 1e-5


@dataclass
class Map:
    """A feature map in a module's input or output, summarised by a few numbers for each channel.

    Attributes:
        name, turn, items: whose it is: module, number of its call, item of its output.
        started, ended: order of the call's start and end among all.
        shape: (B, D, s, t).
        flat: (D,) bool, channels that are constant over space.
        zero: (D,) bool, channels that are 0 everywhere.
        values: smallest and largest value of each channel, (2, D).
        print: (B, D), a fingerprint of each channel.
        noise: (B, D), how far the fingerprints of two equal forwards lie apart: 0 where sums are deterministic.
        follows: for each input that was changed, (D,) bool, the channels that changed with it.
    """

    name: str
    turn: int
    items: tuple[int | str, ...]
    started: int
    ended: int
    shape: tuple[int, ...]
    flat: Tensor
    zero: Tensor
    values: Tensor
    print: Tensor
    noise: Tensor
    follows: list[Tensor] = field(default_factory=list[Tensor])

    @property
    def key(self) -> tuple[str, int, tuple[int | str, ...]]:
        return self.name, self.turn, self.items

    def any_of(self, changes: list[int]) -> Tensor:
        """(D,) bool: channels that follow one of these inputs."""
        return torch.stack([self.follows[change] for change in changes]).any(0)


@dataclass
class Trace:
    """All maps of one forward: what modules got as their first argument, and what they gave."""

    inputs: list[Map] = field(default_factory=list[Map])
    outputs: list[Map] = field(default_factory=list[Map])
    calls: dict[str, int] = field(default_factory=dict[str, int])


def trace(model: nn.Module, forward: Callable[[], Any]) -> Trace:
    """The maps of a forward."""
    found, handles, clock = Trace(), list[RemovableHandle](), iter(range(1 << 62))
    modules = cast(Iterable[tuple[str, nn.Module]], model.named_modules())
    for name, module in modules:
        if name:
            handles += _watch(name, module, found, clock)
    try:
        with torch.no_grad():
            forward()
    finally:
        for handle in handles:
            handle.remove()
    return found


def _watch(name: str, module: nn.Module, found: Trace, clock: Iterator[int]) -> list[RemovableHandle]:
    open_calls: list[tuple[int, int]] = []

    def before(module: nn.Module, args: tuple[Any, ...]) -> None:
        turn = found.calls.get(name, 0)
        found.calls[name] = turn + 1
        open_calls.append((turn, next(clock)))
        if args and _is_map(args[0]):
            found.inputs.append(_measure(args[0], name, turn, (), open_calls[-1][1], -1))

    def after(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        turn, started = open_calls.pop()
        ended = next(clock)
        for items, tensor in _maps_in(output):
            found.outputs.append(_measure(tensor, name, turn, items, started, ended))

    return [module.register_forward_pre_hook(before), module.register_forward_hook(after)]


def _maps_in(output: Any) -> list[tuple[tuple[int | str, ...], Tensor]]:
    """The maps in an output, which may be a map, a list of maps or a dictionary of maps."""
    if isinstance(output, Tensor):
        pairs: list[tuple[tuple[int | str, ...], Any]] = [((), output)]
    elif isinstance(output, dict):
        pairs = [((key,), value) for key, value in output.items()]  # pyright: ignore
    elif isinstance(output, list | tuple):
        pairs = [((index,), value) for index, value in enumerate(output)]  # pyright: ignore
    else:
        pairs = []
    return [(items, value) for items, value in pairs if _is_map(value)]


def _is_map(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() == 4 and value.is_floating_point() and value[0, 0].numel() > 1


def _measure(tensor: Tensor, name: str, turn: int, items: tuple[int | str, ...], started: int, ended: int) -> Map:
    pixels = at_least_float32(tensor.detach()).flatten(2)
    low, high = pixels.amin(2), pixels.amax(2)
    size = torch.maximum(low.abs(), high.abs())
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(pixels.shape[2], generator=generator).to(pixels)
    return Map(
        name,
        turn,
        items,
        started,
        ended,
        tuple(tensor.shape),
        flat=(high - low <= ROUNDING * size).all(0),
        zero=(size == 0).all(0),
        values=torch.stack([low.amin(0), high.amax(0)]),
        print=pixels @ weights,
        noise=torch.zeros(pixels.shape[:2], device=pixels.device),
    )


def gauge(base: Trace, again: Trace) -> None:
    """Note on every map of `base` how far it differs from `again`, an equal forward."""
    for one, other in _pairs(base, again):
        if other is not None:
            one.noise = (one.print - other.print).abs()


def follow(base: Trace, changed: Trace) -> None:
    """Note on every map of `base` which of its channels differ in `changed`, a forward with another input."""
    for one, other in _pairs(base, changed):
        gap = one.print - other.print if other is not None else torch.full_like(one.print, torch.inf)
        one.follows.append((gap.abs() > 4 * one.noise).any(0))


def _pairs(base: Trace, other: Trace) -> Iterator[tuple[Map, Map | None]]:
    """Every map of a trace beside the same one of another, if that has it."""
    for ours, theirs in ((base.inputs, other.inputs), (base.outputs, other.outputs)):
        by_key = {(one.key, one.shape): one for one in theirs}
        for one in ours:
            yield one, by_key.get((one.key, one.shape))


def image_leaves(arguments: Any) -> list[int]:
    """Which leaves of the arguments are images: floating point, three channels."""
    leaves = pytree.tree_leaves(arguments)
    return [
        index
        for index, leaf in enumerate(leaves)
        if isinstance(leaf, Tensor) and leaf.is_floating_point() and leaf.dim() >= 4 and leaf.shape[-3] == 3
    ]


def with_leaf(arguments: Any, index: int, change: Callable[[Tensor], Tensor]) -> Any:
    """The same arguments with one leaf changed."""
    leaves, structure = pytree.tree_flatten(arguments)
    leaves[index] = change(leaves[index])
    return pytree.tree_unflatten(leaves, structure)


def other_image(image: Tensor) -> Tensor:
    """Noise of the image's own spread."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(image.shape, generator=generator).to(image)
    return image.mean() + noise * image.std().clamp(min=0.1)


@contextmanager
def fixed_statistics(model: nn.Module) -> Generator[None]:
    """A context in which batch normalisation uses its running statistics, so that no image affects another."""
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm) and layer.training]
    for layer in layers:
        layer.eval()
    try:
        yield
    finally:
        for layer in layers:
            layer.train()

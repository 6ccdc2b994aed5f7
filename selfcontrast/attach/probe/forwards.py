"""The same training forward again and again, with some of its arguments changed; the model is left as it was."""

import inspect
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from selfcontrast.attach.following import image_leaves, other_image
from selfcontrast.attach.verify import seeded

PATIENCE = 3.0
"""Seconds after which the probe says what it does."""


@dataclass(frozen=True)
class Leaf:
    """A tensor, or another thing that is no container, among the arguments.

    Attributes:
        path: the argument's name, and the keys inside it.
        value: itself.
    """

    path: tuple[str, ...]
    value: Any


class Forwards:
    """Runs a model's training forward from the same seed each time.

    Attributes:
        model: whose forward it is.
        leaves: all of its arguments.
        images: which leaves are images, by the argument that holds them; where one argument holds all, by its items.
    """

    def __init__(self, model: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self.model = model
        self._bound = inspect.signature(model.forward).bind(*arguments, **keywords)
        pairs, self._structure = pytree.tree_flatten_with_path(dict(self._bound.arguments))
        self.leaves = [Leaf(tuple(_key(key) for key in path), value) for path, value in pairs]
        self.images = self._grouped(image_leaves(dict(self._bound.arguments)))
        self._began, self._line = time.monotonic(), ""

    def run(
        self,
        purpose: str,
        changes: Mapping[int, Tensor] = MappingProxyType({}),
        within: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> Any:
        """What the forward returns, with these leaves changed.

        Args:
            purpose: what the user reads where it takes long.
            changes: other tensors for some leaves.
            within: a context for the forward alone.
        """
        self._say(purpose)
        own: list[Any] = [changes.get(place, leaf.value) for place, leaf in enumerate(self.leaves)]
        # Copies, for old code writes into its arguments; their containers are new ones anyhow.
        own = [value.clone() if isinstance(value, Tensor) else value for value in own]
        bound = inspect.BoundArguments(self._bound.signature, self._bound.arguments)
        bound.arguments = pytree.tree_unflatten(own, self._structure)

        def forward() -> Any:
            with within():
                return self.model(*bound.args, **bound.kwargs)

        with torch.no_grad():
            return seeded(self.model, forward)

    def other_images(self, group: str) -> dict[int, Tensor]:
        """Noise in the place of all images of a group."""
        return {place: other_image(self.leaves[place].value) for place in self.images[group]}

    @property
    def size(self) -> tuple[int, int]:
        """The largest height and width of an image."""
        shapes = [self.leaves[place].value.shape for places in self.images.values() for place in places]
        return max(shape[-2] for shape in shapes), max(shape[-1] for shape in shapes)

    @property
    def switches(self) -> list[str]:
        """The arguments that are True."""
        return [leaf.path[0] for leaf in self.leaves if leaf.value is True and len(leaf.path) == 1]

    def rows_in(self, group: str) -> int:
        """How many images a group has."""
        return sum(prod(self.leaves[place].value.shape[:-3]) for place in self.images[group])

    @property
    def most_rows(self) -> int:
        """How many images a tensor can hold at most, support and query together."""
        return sum(map(self.rows_in, self.images))

    @property
    def deterministic(self) -> bool:
        """Whether two equal forwards give equal sums: not where a GPU adds in any order."""
        return all(parameter.device.type == "cpu" for parameter in self.model.parameters())

    def done(self) -> None:
        """Take the line about the work away."""
        if self._line:
            print("\r" + " " * len(self._line) + "\r", end="", file=sys.stderr, flush=True)

    def _say(self, purpose: str) -> None:
        seconds = time.monotonic() - self._began
        if seconds > PATIENCE:
            line = f"probe: {purpose} ({seconds:.0f} s)"
            print("\r" + line.ljust(len(self._line)), end="", file=sys.stderr, flush=True)
            self._line = line

    def _grouped(self, places: list[int]) -> dict[str, list[int]]:
        deepest = max((len(self.leaves[place].path) for place in places), default=0)
        groups: dict[tuple[str, ...], list[int]] = {}
        for depth in range(1, deepest + 1):
            groups = {}
            for place in places:
                groups.setdefault(self.leaves[place].path[:depth], []).append(place)
            if len(groups) > 1:
                break
        return {path[0] + "".join(f"[{key}]" for key in path[1:]): several for path, several in groups.items()}


def _key(key: Any) -> str:
    """A key of a path through containers, as it is written."""
    return str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key))))

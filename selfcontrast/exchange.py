"""The explicit second comparison of a cosine host: its own forward with other prototypes in its similarities.

Axes: B query images over all episodes of a forward, C channels, h x w the feature grid.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from selfcontrast.entering import Reading
from selfcontrast.hooks import Hooks
from selfcontrast.host import CosineHost


class Exchange(TorchFunctionMode):
    """Inside it the query's similarities are listened to and, where there are prototypes for them, computed with those.

    Args:
        reading: knows the query's features.
        prototypes: for each query tensor in the order of its first similarity, those to put in the places of its own.
    """

    def __init__(self, reading: Reading, prototypes: Sequence[Sequence[Tensor]] = ()) -> None:
        super().__init__()
        self._reading, self._prototypes = reading, prototypes
        self._queries: dict[int, int] = {}
        self.features: list[Tensor] = []
        self.heard: list[list[Tensor]] = []

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        keywords = dict(kwargs or {})
        if func is torch.cosine_similarity:
            keywords |= dict(zip(("x1", "x2", "dim", "eps"), args, strict=False))
            args = ()
            if self._reading.rows_of(keywords["x1"]):
                keywords["x2"] = self._exchanged(keywords["x1"], keywords["x2"])
        return func(*args, **keywords)

    def _exchanged(self, features: Tensor, prototype: Tensor) -> Tensor:
        query = self._queries.setdefault(features.data_ptr(), len(self._queries))
        if query == len(self.heard):
            self.heard.append([])
            self.features.append(features)
        place = len(self.heard[query])
        self.heard[query].append(prototype)
        wanted = self._prototypes[query] if self._prototypes else ()
        return wanted[place] if place < len(wanted) else prototype


def exchanged_forward(
    model: nn.Module,
    host: CosineHost,
    reading: Reading,
    prototype_map: Tensor,
    arguments: Sequence[Any],
    keywords: dict[str, Any],
) -> Any:
    """The host's forward with the map for the foreground prototype, and that for the background's."""
    heard = Exchange(reading)
    _forward(model, host, reading, heard, arguments, keywords)
    exchanged: list[list[Tensor]] = []
    for features, prototypes in zip(heard.features, heard.heard, strict=True):
        pair = [prototypes[host.foreground]] * 2
        pair[host.foreground] = prototype_map[reading.rows_of(features)].reshape(features.shape)
        exchanged.append(pair)
    return _forward(model, host, reading, Exchange(reading, exchanged), arguments, keywords)


def _forward(
    model: nn.Module,
    host: CosineHost,
    reading: Reading,
    within: Exchange,
    arguments: Sequence[Any],
    keywords: dict[str, Any],
) -> Any:
    hooks = Hooks(model)
    reading.watch(hooks, joint=True, features=host.features)
    try:
        with within:
            return model.forward(*arguments, **keywords)
    finally:
        hooks.remove()

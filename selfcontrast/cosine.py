"""Cosine hosts: their comparison is `cosine_similarity` of the query's features and a prototype: nothing is learned.

The pass is those similarities once more: the map takes the foreground prototype's place, and the foreground prototype
the background's, for the support's background there would contradict the target.

Axes: B query images over all episodes of a forward, C channels, h x w the feature grid.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from selfcontrast.entering import Reading
from selfcontrast.errors import require
from selfcontrast.hooks import Hooks, check_fired
from selfcontrast.host import CosineHost


class Similarity(NamedTuple):
    """One call of the host: its function, the query's features, the foreground prototype, and further arguments."""

    function: Any
    features: Tensor
    prototype: Tensor
    rest: tuple[Any, ...]
    keywords: dict[str, Any]

    def to(self, features: Tensor, prototype: Tensor) -> Tensor:
        return self.function(features, prototype, *self.rest, **self.keywords)


class Cosine(TorchFunctionMode):
    """A forward of a host whose similarities are overheard.

    Args:
        model: the host model.
        host: which of its calls compare the query with the foreground.
        reading: the pass's features, mask and map.
    """

    def __init__(self, model: nn.Module, host: CosineHost, reading: Reading) -> None:
        super().__init__()
        self._host, self._reading = host, reading
        self._hooks = Hooks(model)
        self._calls = 0
        self._similarities: list[Similarity] = []
        self._listening = False

    def open(self, arguments: list[Any], keywords: dict[str, Any]) -> None:
        """Listen to one forward."""
        if self._host.high_level is not None:
            self._reading.watch(self._hooks, high_level=self._host.high_level)
        self.__enter__()
        self._listening = True

    def finish(self, arguments: list[Any], keywords: dict[str, Any]) -> dict[str, list[Tensor]]:
        """The self-contrastive logits: the background's score is the cosine with the foreground prototype."""
        self.close()
        check_fired(self._hooks)
        require(
            bool(self._similarities),
            "host.foreground",
            f"at least {self._host.foreground + 1} calls of cosine_similarity in a training forward",
            self._calls,
            "count them: indices shift with ways, shots and an alignment loss; or pass another CosineHost",
        )
        features = torch.cat([similarity.features for similarity in self._similarities])
        self._reading.read("features", features)
        if self._host.high_level is None:
            self._reading.read("high_level", features)
        sizes = [len(one.features) for one in self._similarities]
        maps = torch.split(self._reading.prepared.prototype_map, sizes)
        scores = [
            torch.stack([one.to(one.features, one.prototype), one.to(one.features, its_map)], 1)
            for one, its_map in zip(self._similarities, maps, strict=True)
        ]
        return {"cosine_similarity": [self._host.scale * torch.cat(scores)]}

    def close(self) -> None:
        """Listen no longer."""
        self._hooks.remove()
        if self._listening:
            self._listening = False
            self.__exit__(None, None, None)  # pyright: ignore[reportUnknownMemberType]

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        keywords = dict(kwargs or {})
        if func is torch.cosine_similarity:
            if self._is_foreground(self._calls):
                self._similarities.append(_overheard(func, args, keywords))
            self._calls += 1
        return func(*args, **keywords)

    def _is_foreground(self, call: int) -> bool:
        first, step = self._host.foreground, self._host.step
        return call == first if step is None else call >= first and (call - first) % step == 0


def _overheard(function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Similarity:
    names = dict(zip(("x1", "x2"), args, strict=False)) | keywords
    rest = {name: value for name, value in names.items() if name not in ("x1", "x2")}
    return Similarity(function, names["x1"], names["x2"], args[2:], rest)

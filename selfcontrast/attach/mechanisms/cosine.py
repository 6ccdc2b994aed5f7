"""Cosine hosts: their comparison is `cosine_similarity` of the query's features and a prototype: nothing is learned.

The pass is those similarities once more: the map takes the foreground prototype's place, and the foreground prototype
the background's, for the support's background there would contradict the target.

Axes: B query images over all episodes of a forward, C channels, h x w the feature grid, P parts of a prototype.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from selfcontrast.attach.hooks import Hooks, check_fired
from selfcontrast.attach.host import Call, CosineHost
from selfcontrast.attach.mechanisms.query_features import QueryFeatures, pick_item
from selfcontrast.errors import require


class Similarity(NamedTuple):
    """A call of the host on some rows of the batch.

    Features (b, C, h, w) or (b, 1, C, h, w), a prototype that broadcasts to them, and the call's other arguments.
    """

    rows: list[int]
    features: Tensor
    prototype: Tensor
    keywords: dict[str, Any]

    def to(self, prototype: Tensor) -> Tensor:
        """(b, h, w): the cosine with a prototype or a map of them; of several parts the best counts."""
        scores = torch.cosine_similarity(self.features, prototype, **self.keywords)
        return scores.amax(1) if scores.dim() == 4 else scores


class Cosine(TorchFunctionMode):
    """A forward of a host in which the query's similarities are listened to.

    Args:
        model: the host model.
        host: which of its calls compare the query with the foreground.
        query: the pass's features, mask and map.
    """

    def __init__(self, model: nn.Module, host: CosineHost, query: QueryFeatures) -> None:
        super().__init__()
        self._host, self._query = host, query
        self._hooks = Hooks(model)
        self._calls: dict[int, int] = {}
        self._overheard: list[Similarity] = []
        self._listening = False

    def open(self, arguments: list[Any], keywords: dict[str, Any]) -> None:
        """Listen to one forward."""
        self._query.watch(self._hooks, joint=True, features=self._host.features, high_level=self._host.high_level)
        self.__enter__()
        self._listening = True

    def finish(self, arguments: list[Any], keywords: dict[str, Any]) -> dict[str, list[Tensor]]:
        """The self-contrastive logits: the background's score is the cosine with the foreground prototype."""
        self.close()
        check_fired(self._hooks)
        rows = [row for one in self._overheard for row in one.rows]
        require(
            sorted(rows) == list(range(self._query.queries)),
            "host.foreground",
            f"a cosine_similarity of each of the {self._query.queries} query images with its foreground prototype",
            f"{len(rows)} of them",
            "name the call that gives the query's features, and the place of the foreground's among the calls on them",
        )
        prototype_map = self._query.prepared.prototype_map
        scores = [
            torch.stack([one.to(one.prototype), one.to(prototype_map[one.rows].reshape(one.features.shape))], 1)
            for one in self._overheard
        ]
        in_order = [rows.index(row) for row in range(len(rows))]
        return {"cosine_similarity": [self._host.scale * torch.cat(scores)[in_order]]}

    def rest(self) -> bool:
        """After the forward: listen no longer."""
        self.close()
        return False

    def close(self) -> None:
        """Listen no longer."""
        self._hooks.remove()
        if self._listening:
            self._listening = False
            self.__exit__(None, None, None)  # pyright: ignore[reportUnknownMemberType]

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        keywords = dict(kwargs or {})
        if func is torch.cosine_similarity:
            self._hear(**dict(zip(("x1", "x2", "dim", "eps"), args, strict=False)), **keywords)
        return func(*args, **keywords)

    def _hear(self, x1: Tensor, x2: Tensor, **keywords: Any) -> None:
        """Keep a call that compares the query's features with the foreground prototype.

        Known by the memory they lie in: calls on the support come and go with what the model predicts, so no count of
        calls could tell.
        """
        rows = self._query.rows_of(x1)
        if not rows:
            return
        place = self._calls.get(x1.data_ptr(), 0)
        self._calls[x1.data_ptr()] = place + 1
        if place == self._host.foreground:
            self._overheard.append(Similarity(rows, x1, x2, keywords))


def check_queries(host: CosineHost, output: Any, queries: int) -> None:
    """Refuse a mask of fewer images than the forward had: the other images would be left out in silence."""
    if host.output is not None:
        given = len(pick_item(output, Call.parse(host.output), "output"))
        require(given == queries, "mask", f"a mask for each of the {given} query images", queries, "give all of them")


class SwappedPrototypes(TorchFunctionMode):
    """A context that listens to the query's similarities and computes them with other prototypes, where it has some.

    Args:
        query: knows the query's features.
        prototypes: for each query tensor in the order of its first similarity, those to put in the places of its own.
    """

    def __init__(self, query: QueryFeatures, prototypes: Sequence[Sequence[Tensor]] = ()) -> None:
        super().__init__()
        self._query, self._prototypes = query, prototypes
        self._queries: dict[int, int] = {}
        self.features: list[Tensor] = []
        self.heard: list[list[Tensor]] = []

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        keywords = dict(kwargs or {})
        if func is torch.cosine_similarity:
            keywords |= dict(zip(("x1", "x2", "dim", "eps"), args, strict=False))
            args = ()
            if self._query.rows_of(keywords["x1"]):
                keywords["x2"] = self._swapped(keywords["x1"], keywords["x2"])
        return func(*args, **keywords)

    def _swapped(self, features: Tensor, prototype: Tensor) -> Tensor:
        query = self._queries.setdefault(features.data_ptr(), len(self._queries))
        if query == len(self.heard):
            self.heard.append([])
            self.features.append(features)
        place = len(self.heard[query])
        self.heard[query].append(prototype)
        wanted = self._prototypes[query] if self._prototypes else ()
        return wanted[place] if place < len(wanted) else prototype


def swapped_forward(
    model: nn.Module,
    host: CosineHost,
    query: QueryFeatures,
    prototype_map: Tensor,
    arguments: Sequence[Any],
    keywords: dict[str, Any],
) -> Any:
    """The host's forward with the map as foreground prototype and the foreground prototype as background prototype."""
    heard = SwappedPrototypes(query)
    _forward(model, host, query, heard, arguments, keywords)
    swapped: list[list[Tensor]] = []
    for features, prototypes in zip(heard.features, heard.heard, strict=True):
        pair = [prototypes[host.foreground]] * 2
        pair[host.foreground] = prototype_map[query.rows_of(features)].reshape(features.shape)
        swapped.append(pair)
    return _forward(model, host, query, SwappedPrototypes(query, swapped), arguments, keywords)


def _forward(
    model: nn.Module,
    host: CosineHost,
    query: QueryFeatures,
    within: SwappedPrototypes,
    arguments: Sequence[Any],
    keywords: dict[str, Any],
) -> Any:
    hooks = Hooks(model)
    query.watch(hooks, joint=True, features=host.features)
    try:
        with within:
            return model.forward(*arguments, **keywords)
    finally:
        hooks.remove()

"""Listening to a forward of a cosine host: what compares the query's features with prototypes, and in what order."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._C import _len_torch_function_stack  # pyright: ignore
from torch.overrides import TorchFunctionMode, _pop_mode, _push_mode  # pyright: ignore

from selfcontrast.attach.checkpointing import refuse_checkpointed
from selfcontrast.attach.hooks import Hooks
from selfcontrast.attach.host import Call, CosineHost
from selfcontrast.attach.mechanisms.exchange.following_query import QueryFollower
from selfcontrast.attach.mechanisms.exchange.recognition import recognise
from selfcontrast.attach.mechanisms.exchange.similarities import Similarity
from selfcontrast.attach.mechanisms.query_features import QueryFeatures, pick_item
from selfcontrast.attach.mechanisms.token_grid import channels_last
from selfcontrast.errors import require


class Listener(TorchFunctionMode):
    """Hears each comparison of the query with a prototype, and keeps those with the foreground's.

    Args:
        host: names the features, and counts the comparisons.
        query: how many images there are, and the map.
        begin: called at the first comparison.

    Attributes:
        heard: of each query image of each scale, what compared it so far, in order.
    """

    def __init__(self, host: CosineHost, query: QueryFeatures, begin: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._host, self._query, self._begin = host, query, begin
        self._follower = QueryFollower(query.queries)
        self._foregrounds: dict[tuple[str, tuple[int, ...]], Similarity] = {}
        self.heard: dict[tuple[str, int], list[str]] = {}
        self._depth, self._listening = 0, False

    def open(self, hooks: Hooks) -> None:
        """Listen as soon as features come. What is computed before them can be compiled."""
        self._depth = _len_torch_function_stack()
        for text in self._query.feature_calls:
            call = Call.parse(text)
            turn = None if call.turn == -1 else call.turn or 0
            hooks.sees(call._replace(turn=turn), self._starter(text, call))

    def _starter(self, text: str, call: Call) -> Callable[[str, Any], None]:
        def start(name: str, output: Any) -> None:
            self._listen()
            features = pick_item(output, call, "features")
            last = "features" in self._host.channels_last
            self._forget(text)
            make = self._map_of_tokens if last else self._map_of
            self._follower.begin(text, features, features.dim() - 1 if last else 1, lambda: make(text, features))

        return start

    def _listen(self) -> None:
        """Enter below the modes that the host has entered since, for it will leave them first."""
        if not self._listening:
            self._listening = True
            others = [_pop_mode() for _ in range(_len_torch_function_stack() - self._depth)]
            for mode in (self, *reversed(others)):
                _push_mode(mode)

    def release(self) -> None:
        """Hold nothing of the forward any more: what was heard holds its graph, and is held by what heard it."""
        self._follower.forget()
        self._foregrounds.clear()

    def close(self) -> None:
        """Listen no longer; an interrupted host may have left modes of its own behind."""
        if self._listening:
            self._listening = False
            others = list(iter(_pop_mode, self))
            for mode in reversed(others):
                _push_mode(mode)

    def _map_of(self, text: str, features: Tensor) -> Tensor:
        return self._query.map_of(text)

    def _map_of_tokens(self, text: str, features: Tensor) -> Tensor:
        return channels_last(self._query.map_of(text), self._query.rows(features))

    def _forget(self, text: str) -> None:
        """A later call of the module gives the features: what compared those of an earlier one does not count."""
        self.heard = {key: names for key, names in self.heard.items() if key[0] != text}
        self._foregrounds = {key: one for key, one in self._foregrounds.items() if key[0] != text}

    # A compiled forward stops here at every function after the features, and runs as it would without the compiler.
    @torch._disable_dynamo  # pyright: ignore
    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        keywords = dict(kwargs or {})
        if not self._follower.begun or torch.compiler.is_compiling():
            return func(*args, **keywords)
        similarity = recognise(func, args, keywords, self._follower)
        if similarity is not None:
            refuse_checkpointed(similarity.name)
            return self._compare(similarity, self._count(similarity))
        output = func(*args, **keywords)
        self._follower.follow(func, args, keywords, output)
        return output

    def _count(self, similarity: Similarity) -> int:
        if self._begin is not None:
            self._begin()
        call, rows = similarity.known.call, similarity.known.rows
        before = [self.heard.setdefault((call, row), []) for row in rows]
        place = len(before[0])
        for names in before:
            names.append(similarity.name)
        return place

    def _compare(self, similarity: Similarity, place: int) -> Tensor:
        if place == self._host.foreground:
            self._foregrounds[similarity.known.call, similarity.known.rows] = similarity
        return similarity.again(similarity.prototypes)

    def foreground(self, similarity: Similarity) -> Similarity:
        """What compared the same images with the foreground prototype."""
        found = self._foregrounds.get((similarity.known.call, similarity.known.rows))
        require(
            found is not None,
            "host.background",
            f"a similarity of the same images as the foreground's at place {self._host.foreground}",
            f"images {', '.join(map(str, similarity.known.rows))} by {similarity.name}",
            "name the place of the similarity that belongs to the foreground's",
        )
        assert found is not None
        return found

    @property
    def prototypes(self) -> dict[tuple[str, tuple[int, ...]], Tensor]:
        """The foreground's prototypes heard so far, by the features' call and the images compared with them."""
        return {key: similarity.prototypes for key, similarity in self._foregrounds.items()}

    def check(self) -> None:
        """Refuse a forward without a comparison at the places that the host names, for each image of each scale."""
        self._check_place("foreground", self._host.foreground)
        if self._host.background is not None:
            self._check_place("background", self._host.background)

    def _check_place(self, field: str, place: int) -> None:
        for text in self._query.feature_calls:
            heard = [self.heard.get((text, row), []) for row in range(self._query.queries)]
            found = sum(len(names) > place for names in heard)
            fewest = min(heard, key=len)
            require(
                found == len(heard),
                f"host.{field}",
                f"a similarity of each of the {len(heard)} query images of {text} with a prototype at place {place}",
                f"{found} of them (heard of the image with fewest: {', '.join(fewest) or 'none'})",
                "name the call that gives the query's features, give a mask for each query image, and count the "
                "similarities of one image from 0",
            )


@contextmanager
def listening_to(model: nn.Module, listener: Listener) -> Generator[None]:
    """A context in which a forward of the model is listened to."""
    hooks = Hooks(model)
    listener.open(hooks)
    try:
        yield
    finally:
        hooks.remove()
        listener.close()

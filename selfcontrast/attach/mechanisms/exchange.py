"""Exchange: a second forward of a cosine host, in which prototypes are exchanged where the host compares with them.

The map takes the foreground prototype's place, and the foreground prototype the background's, for the support's
background there would contradict the target. The logits are the host's own output: whatever it does after the
comparison, with a learned threshold or by mixing scales, takes part.

Axes: B query images over all episodes of a forward, h x w the feature grid, H x W the images.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from selfcontrast.attach.checkpointing import refuse_checkpointed
from selfcontrast.attach.hooks import Hooks, check_fired
from selfcontrast.attach.host import Call, CosineHost
from selfcontrast.attach.mechanisms.following_query import QueryFollower
from selfcontrast.attach.mechanisms.memory import Memory, before_comparison
from selfcontrast.attach.mechanisms.query_features import ExitLogits, QueryFeatures, pick_item
from selfcontrast.attach.mechanisms.similarities import EntryByEntry, Similarity, recognise
from selfcontrast.attach.mechanisms.token_grid import channels_last
from selfcontrast.attach.mechanisms.undisturbed import undisturbed
from selfcontrast.errors import require


class Exchange:
    """A forward of a host, remembered up to its comparison and listened to, and a second one that exchanges.

    Args:
        model: the host model; nothing is attached to it until `open`.
        host: which of its comparisons are those with the foreground and the background.
        query: the pass's features, mask and map.
    """

    def __init__(self, model: nn.Module, host: CosineHost, query: QueryFeatures) -> None:
        self._model, self._host, self._query = model, host, query
        self._hooks, self._memory = Hooks(model), Memory(model)
        self._listener = Listener(host, query, self._memory.stop)
        self._listening = False

    def open(self, arguments: list[Any], keywords: dict[str, Any]) -> None:
        """Listen to one forward."""
        self._query.watch(self._hooks)
        self._listener.watch(self._hooks)
        self._memory.watch(self._hooks, before_comparison(self._model, _holders(self._query)))
        self._listener.__enter__()
        self._listening = True

    def finish(self, arguments: list[Any], keywords: dict[str, Any]) -> list[ExitLogits]:
        """The self-contrastive logits, from the second forward."""
        self.close()
        check_fired(self._hooks)
        self._listener.check()
        with self._memory.again():
            return _exchanged(self._model, self._host, self._query, self._listener, arguments, keywords)

    @property
    def prototypes(self) -> dict[tuple[str, tuple[int, ...]], Tensor]:
        """The foreground's prototypes of the forward that was listened to, by the features' call and the images."""
        return self._listener.prototypes

    def rest(self) -> bool:
        """After the forward: listen no longer."""
        self.close()
        return False

    def close(self) -> None:
        """Listen no longer."""
        self._hooks.remove()
        if self._listening:
            self._listening = False
            self._listener.__exit__(None, None, None)  # pyright: ignore[reportUnknownMemberType]


def explicit_exchange(
    model: nn.Module, host: CosineHost, query: QueryFeatures, arguments: Sequence[Any], keywords: dict[str, Any]
) -> list[ExitLogits]:
    """The explicit second comparison: two whole forwards, of which the first is listened to and the second exchanges.

    Args:
        query: holds the map; prototypes and features are those of these forwards.
    """
    listener = Listener(host, query)
    with undisturbed(model):
        _forward(model, listener, arguments, keywords)
    listener.check()
    with undisturbed(model):
        return _exchanged(model, host, query, listener, arguments, keywords)


class Listener(TorchFunctionMode):
    """A context that hears each comparison of the query with a prototype, and keeps those with the foreground's.

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

    def watch(self, hooks: Hooks) -> None:
        """Follow the features from the calls on that give them."""
        for text in self._query.feature_calls:
            call = Call.parse(text)
            turn = None if call.turn == -1 else call.turn or 0
            hooks.sees(call._replace(turn=turn), self._starter(text, call))

    def _starter(self, text: str, call: Call) -> Callable[[str, Any], None]:
        def start(name: str, output: Any) -> None:
            features = pick_item(output, call, "features")
            last = "features" in self._host.channels_last
            self._forget(text)
            make = self._map_of_tokens if last else self._map_of
            self._follower.begin(text, features, features.dim() - 1 if last else 1, lambda: make(text, features))

        return start

    def _map_of(self, text: str, features: Tensor) -> Tensor:
        return self._query.map_of(text)

    def _map_of_tokens(self, text: str, features: Tensor) -> Tensor:
        return channels_last(self._query.map_of(text), self._query.rows(features))

    def _forget(self, text: str) -> None:
        """A later call of the module gives the features: what compared those of an earlier one does not count."""
        self.heard = {key: names for key, names in self.heard.items() if key[0] != text}
        self._foregrounds = {key: one for key, one in self._foregrounds.items() if key[0] != text}

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
                "name the call that gives the query's features, give a mask for each of them, and count the similarities "
                "of one image from 0",
            )


class _Exchanger(Listener):
    """A context in which the query is compared with the map and the foreground's prototype.

    Args:
        host, query: as for a `Listener`.
        listener: heard the foreground's prototype in another forward.
    """

    def __init__(self, host: CosineHost, query: QueryFeatures, listener: Listener) -> None:
        super().__init__(host, query)
        self._listener = listener
        self._scores: dict[str, list[tuple[tuple[int, ...], Tensor]]] = {"background": [], "foreground": []}

    def _compare(self, similarity: Similarity, place: int) -> Tensor:
        fore, back = place == self._host.foreground, place == self._host.background
        if fore and back:
            result = similarity.with_both(self._listener.foreground(similarity))
        elif fore:
            result = similarity.with_map()
        elif back:
            result = similarity.with_those_of(self._listener.foreground(similarity))
        else:
            return similarity.again(similarity.prototypes)
        if self._host.output is None:
            self._keep(similarity, result, fore, back)
        return result

    def _keep(self, similarity: Similarity, result: Tensor, fore: bool, back: bool) -> None:
        require(
            not isinstance(similarity, EntryByEntry) and len(self._query.feature_calls) == 1,
            "host.output",
            "the item of the forward's output that holds the logits, where the host itself sums over channels or "
            "compares at several scales",
            "None",
            "name it, as output='[0]'",
        )
        rows, axis = similarity.known.rows, similarity.axis
        grid = self._query.map_of().shape[2:]
        if fore and back and axis is not None:
            parts = zip(("background", "foreground"), result.unbind(axis), strict=True)
        else:
            parts = [("foreground" if fore else "background", result if axis is None else result.amax(axis))]
        for name, part in parts:
            self._scores[name].append((rows, part.reshape(len(rows), *grid)))

    def similarities(self) -> Tensor:
        """(B, 2, h, w): the similarities themselves, background first."""
        both = [self._in_order(several) for several in self._scores.values()]
        return self._host.scale * torch.stack(both, 1)

    def _in_order(self, several: list[tuple[tuple[int, ...], Tensor]]) -> Tensor:
        of_image = {row: one for rows, scores in several for row, one in zip(rows, scores.unbind(), strict=True)}
        return torch.stack([of_image[row] for row in range(self._query.queries)])


def _exchanged(
    model: nn.Module,
    host: CosineHost,
    query: QueryFeatures,
    listener: Listener,
    arguments: Sequence[Any],
    keywords: dict[str, Any],
) -> list[ExitLogits]:
    exchanger = _Exchanger(host, query, listener)
    output = _forward(model, exchanger, arguments, keywords)
    exchanger.check()
    if host.output is None:
        return [ExitLogits("output", exchanger.similarities(), 1.0)]
    logits = pick_item(output, Call.parse(host.output), "output")
    images = len(logits) if logits.dim() else 0
    require(images == query.queries, "mask", f"a mask for each of the {images} query images", query.queries, _ALL)
    if host.output_holds == "probabilities":
        # As small as hosts let them become before they take the logarithm themselves.
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        logits = logits.clamp(min=torch.finfo(torch.float32).eps).log()
    return [ExitLogits("output", logits, 1.0)]


_ALL = "give the masks of all of them, and name the output that holds a row for each"


def _forward(model: nn.Module, listener: Listener, arguments: Sequence[Any], keywords: dict[str, Any]) -> Any:
    hooks = Hooks(model)
    listener.watch(hooks)
    try:
        with listener:
            return model.forward(*arguments, **keywords)
    finally:
        hooks.remove()


def _holders(query: QueryFeatures) -> set[str]:
    """The modules that hold those which give the features: the comparison may lie in them."""
    parents = {Call.parse(text).module.removesuffix(".forward").rpartition(".")[0] for text in query.feature_calls}
    return parents - {""}

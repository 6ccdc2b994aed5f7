"""Exchange: a second forward of a cosine host, in which prototypes are exchanged where the host compares with them.

The map takes the foreground prototype's place, and the foreground prototype the background's, for the support's
background there would contradict the target. The logits are the host's own output: whatever it does after the
comparison, with a learned threshold or by mixing scales, takes part.

Axes: B query images over all episodes of a forward, h x w the feature grid, H x W the images.
"""

import inspect
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from selfcontrast.attach.hooks import Hooks, check_fired
from selfcontrast.attach.host import Call, CosineHost
from selfcontrast.attach.mechanisms.exchange.listening import Listener, listening_to
from selfcontrast.attach.mechanisms.exchange.similarities import Distance, EntryByEntry, Similarity
from selfcontrast.attach.mechanisms.memory import Memory, before_comparison
from selfcontrast.attach.mechanisms.query_features import ExitLogits, QueryFeatures, pick_item
from selfcontrast.attach.mechanisms.undisturbed import copied_arguments, undisturbed
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

    def open(self, arguments: list[Any], keywords: dict[str, Any]) -> None:
        """Listen to one forward."""
        self._query.watch(self._hooks)
        self._listener.open(self._hooks)
        self._memory.watch(self._hooks, before_comparison(self._model, _holders(self._query)))

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
        """After the forward: listen no longer, and hold nothing of it."""
        self.close()
        self._listener.release()
        return False

    def close(self) -> None:
        """Listen no longer."""
        self._hooks.remove()
        self._listener.close()


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
        logits = _exchanged(model, host, query, listener, arguments, keywords)
    listener.release()
    return logits


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
            not isinstance(similarity, EntryByEntry | Distance) and len(self._query.feature_calls) == 1,
            "host.output",
            "the item of the forward's output that holds the logits, where the host makes them of distances or of "
            "products that it sums itself, or compares at several scales",
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
    with _without_losses(model, host.losses_off, arguments, keywords) as (own, named):
        output = _forward(model, exchanger, own, named)
    exchanger.check()
    similarities = exchanger.similarities() if host.output is None else None
    exchanger.release()
    if similarities is not None:
        return [ExitLogits("output", similarities, 1.0)]
    assert host.output is not None
    logits = pick_item(output, Call.parse(host.output), "output")
    images = len(logits) if logits.dim() else 0
    require(
        images == query.queries,
        "mask",
        f"a mask for each of the {images} query images",
        query.queries,
        "give the masks of all of them, and name the output that holds a row for each",
    )
    if host.output_holds == "probabilities":
        # As small as hosts let them become before they take the logarithm themselves.
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        logits = logits.clamp(min=torch.finfo(torch.float32).eps).log()
    return [ExitLogits("output", logits, 1.0)]


@contextmanager
def _without_losses(
    model: nn.Module, switch: str | None, arguments: Sequence[Any], keywords: dict[str, Any]
) -> Generator[tuple[Sequence[Any], dict[str, Any]]]:
    """A context in which the host forms no loss of its own: of exchanged prototypes it would be of no use.

    Args:
        switch: "training", the flag of the model alone, or the name of an argument of its forward, given as False.
    """
    if switch == "training":
        model.training = False
        try:
            yield arguments, keywords
        finally:
            model.training = True
    elif switch is None:
        yield arguments, keywords
    else:
        bound = inspect.signature(model.forward).bind(*arguments, **keywords)
        bound.arguments[switch] = False
        yield bound.args, bound.kwargs


def _forward(model: nn.Module, listener: Listener, arguments: Sequence[Any], keywords: dict[str, Any]) -> Any:
    own, named = copied_arguments(arguments, keywords)
    with listening_to(model, listener):
        return model.forward(*own, **named)


def _holders(query: QueryFeatures) -> set[str]:
    """The modules that hold those which give the features: the comparison may lie in them."""
    parents = {Call.parse(text).module.removesuffix(".forward").rpartition(".")[0] for text in query.feature_calls}
    return parents - {""}

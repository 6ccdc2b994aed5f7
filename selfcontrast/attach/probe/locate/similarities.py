"""Which comparisons of the query with prototypes a forward makes, outside of any module of their own.

Axes: B query images, P prototypes, h x w the feature grid.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from selfcontrast.attach.host import CosineHost
from selfcontrast.attach.mechanisms.exchange import Listener, listening_to
from selfcontrast.attach.mechanisms.exchange.similarities import Similarity
from selfcontrast.attach.mechanisms.query_features import QueryFeatures
from selfcontrast.attach.probe.forwards import Forwards
from selfcontrast.attach.probe.locate.comparison import Roles, call_text
from selfcontrast.attach.probe.locate.features import last_rows_of_query
from selfcontrast.attach.probe.maps import Map, Trace
from selfcontrast.attach.probe.trace import tensors_by_place
from selfcontrast.auxiliary import SelfContrastiveAuxiliary


@dataclass
class Heard:
    """The comparisons of one forward.

    Attributes:
        prototypes: what the query was compared with, by the features' call and the place.
        dense: names of functions that compared it with each pixel of a whole map.
        returned: the tensors of the forward's output, by their place in it.
    """

    prototypes: dict[tuple[str, int], list[Tensor]] = field(default_factory=dict[tuple[str, int], list[Tensor]])
    dense: list[str] = field(default_factory=list[str])
    returned: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    @property
    def calls(self) -> list[str]:
        """The calls whose output was compared."""
        return list(dict.fromkeys(call for call, _ in self.prototypes))

    @property
    def places(self) -> list[int]:
        return sorted({place for _, place in self.prototypes})


def candidates(base: Trace, roles: Roles, queries: int) -> dict[str, Map]:
    """Calls that may give the query's features: of several modules that pass one map on, the outermost."""
    found: list[Map] = []
    for one in sorted(base.outputs, key=lambda one: -one.ended):
        if last_rows_of_query(one, roles, queries) and not any(_same(one, other) for other in found):
            found.append(one)
    return {last_call_text(one, base): one for one in reversed(found)}


def _same(one: Map, other: Map) -> bool:
    return one.shape == other.shape and torch.equal(one.print, other.print)


def last_call_text(one: Map, base: Trace) -> str:
    """A call as a host writes it, the last one of several by -1: support comes before the query in any number."""
    text, calls = call_text(one, base), base.calls[one.name] if one.hooked else base.forwards[one.name]
    return text.replace(f"#{one.turn}", "#-1", 1) if calls > 1 and one.turn == calls - 1 else text


def listen(
    forwards: Forwards,
    purpose: str,
    calls: list[str],
    queries: int,
    changes: dict[int, Tensor] | None = None,
    lower: int | None = None,
) -> Heard:
    """Hear the comparisons of one forward.

    Args:
        calls: that may give the features.
        queries: B.
        changes: other tensors for some of the arguments.
        lower: the place of a comparison whose result is lowered at one pixel.
    """
    heard = Heard()
    host = CosineHost(tuple(calls), calls[0], foreground=-1, background=None)
    query = QueryFeatures(SelfContrastiveAuxiliary(), torch.zeros(queries, *forwards.size), host)
    listener = _Listener(host, query, heard, lower)

    heard.returned = tensors_by_place(
        forwards.run(purpose, changes or {}, lambda: listening_to(forwards.model, listener))
    )
    return heard


class _Listener(Listener):
    """A context that notes all comparisons, and lowers the result of those at one place."""

    def __init__(self, host: CosineHost, query: QueryFeatures, heard: Heard, lower: int | None) -> None:
        super().__init__(host, query)
        self._noted, self._lower = heard, lower

    def _compare(self, similarity: Similarity, place: int) -> Tensor:
        result, pixels = similarity.again(similarity.prototypes), _vectors(similarity)
        # A pooled vector of the query, compared with the support's pixels, is a prototype itself.
        if pixels > 1:
            key = similarity.known.call, place
            self._noted.prototypes.setdefault(key, []).append(similarity.prototypes.detach().clone())
            if similarity.axis is not None and result.shape[similarity.axis] >= pixels:
                self._noted.dense.append(similarity.name)
        return _lowered(result, similarity.axis) if place == self._lower else result


def _vectors(similarity: Similarity) -> int:
    """How many vectors of one image are compared."""
    known = similarity.known
    if known.channels is None:
        return 0
    return similarity.query.numel() // (similarity.query.shape[known.channels] * max(1, len(known.rows)))


def _lowered(result: Tensor, axis: int | None) -> Tensor:
    """Lowered at one pixel, or at one place of the axis that holds all; most are high, and no sigmoid hides it."""
    axes = [one for one in range(result.dim()) if axis is None or one != axis % result.dim()]
    lowered = result.clone()
    pixel = lowered
    for one in axes[-2:] if len(axes) > 2 else axes[-1:]:
        pixel = pixel.narrow(one, result.shape[one] // 2, 1)
    # Of prototypes of the query itself, all similarities may be nearly the same.
    pixel.sub_(float(torch.maximum(result.std(), 0.3 * result.abs().amax()).clamp(min=0.01)))
    return lowered

"""A comparison by cosine similarity, or another product: its features, the places of its prototypes, its output.

A comparison is raised at one column of its pixels. The output that is read off it changes there alone; where it only
guides another prototype, the output changes everywhere, or nowhere.

Axes: B query images, H x W the output.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from selfcontrast.attach.host import CosineHost
from selfcontrast.attach.probe.forwards import Forwards
from selfcontrast.attach.probe.locate.comparison import Roles
from selfcontrast.attach.probe.locate.features import find_high_level
from selfcontrast.attach.probe.locate.mask import find_masks
from selfcontrast.attach.probe.locate.similarities import Heard, candidates, last_call_text, listen
from selfcontrast.attach.probe.maps import Map, Trace

# Of an output's pixels: how many a column of a comparison reaches at most, once it is resized.
COLUMN = 0.6


@dataclass(frozen=True)
class _Read:
    """What one output is read off.

    Attributes:
        output: its place in the forward's output.
        foreground, background: the places of comparisons that raise or lower its foreground.
    """

    output: str
    foreground: list[int]
    background: list[int]

    @property
    def clear(self) -> bool:
        return len(self.foreground) == 1 and len(self.background) <= 1


def find_cosine(forwards: Forwards, base: Trace, unsure: list[str]) -> CosineHost | None:
    """The host of such a comparison; None where there is none whose output can be read."""
    for query in forwards.images:
        roles = Roles((query,), tuple(group for group in forwards.images if group != query))
        outputs = _outputs(base, roles)
        queries = forwards.rows_in(query)
        maps = candidates(base, roles, queries)
        if not maps or not outputs:
            continue
        heard = listen(forwards, "listens for similarities", list(maps), queries)
        if not heard.prototypes or heard.dense:
            continue
        calls = heard.calls
        read = _read_off(forwards, heard, calls, queries, outputs)
        if read is not None:
            return _written(forwards, base, roles, queries, {call: maps[call] for call in calls}, read, unsure)
    return None


def dense_functions(forwards: Forwards, base: Trace) -> list[str]:
    """Functions that compare each pixel of the query with each of the support."""
    for query in forwards.images:
        roles = Roles((query,), tuple(group for group in forwards.images if group != query))
        queries = forwards.rows_in(query)
        maps = candidates(base, roles, queries)
        if maps:
            dense = listen(forwards, "looks for correlations", list(maps), queries).dense
            if dense:
                return dense
    return []


def _outputs(base: Trace, roles: Roles) -> list[str]:
    """Outputs of two classes that follow query and support."""
    groups = (roles.query, roles.support)
    followed = [set[str]().union(*(base.follows[group] for group in several)) for several in groups]
    return [
        place
        for place, tensor in base.returned.items()
        if tensor.dim() == 4
        and tensor.shape[1] == 2
        and tensor.is_floating_point()
        and all(place in one for one in followed)
    ]


def _read_off(forwards: Forwards, heard: Heard, calls: list[str], queries: int, outputs: list[str]) -> _Read | None:
    """The first output with one foreground's comparison, and at most one background's."""
    sides: dict[str, dict[int, int]] = {output: {} for output in outputs}
    for place in heard.places:
        bumped = listen(forwards, f"changes similarity {place}", calls, queries, bump=place)
        for output in outputs:
            side = _side(heard.returned[output], bumped.returned.get(output))
            if side is not None:
                sides[output][place] = side
    read = [
        _Read(output, *([place for place, side in several.items() if side == wanted] for wanted in (1, 0)))
        for output, several in sides.items()
        if len(heard.returned[output]) == queries
    ]
    return next((one for one in read if one.clear), None)


def _side(base: Tensor, bumped: Tensor | None) -> int | None:
    """1 where an output's foreground rose with a comparison, 0 where it fell; None where it is not read off it."""
    if bumped is None or bumped.shape != base.shape:
        return None
    gap = (bumped - base).float()
    changed = gap.abs().amax(1) > 1e-6 * base.abs().max()
    share = float(changed.float().mean())
    if not 0 < share <= COLUMN:
        return None
    return int(float((gap[:, 1] - gap[:, 0]).sum()) > 0)


def _written(
    forwards: Forwards,
    base: Trace,
    roles: Roles,
    queries: int,
    maps: dict[str, Map],
    read: _Read,
    unsure: list[str],
) -> CosineHost:
    calls = tuple(maps)
    ended = max(one.ended for one in maps.values())
    high_level = find_high_level(base, ended + 1, roles, queries, True, unsure)
    masks = find_masks(forwards, base, [], read.output, roles.support, unsure)
    logits = base.returned[read.output]
    probable = bool((logits >= 0).all()) and torch.allclose(logits.sum(1), torch.ones_like(logits[:, 0]), atol=1e-4)
    if not read.background:
        unsure.append("background is None: no comparison with a prototype of the background was heard")
    return CosineHost(
        features=calls[0] if len(calls) == 1 else calls,
        high_level=last_call_text(high_level, base),
        foreground=read.foreground[0],
        background=read.background[0] if read.background else None,
        output=read.output,
        output_holds="probabilities" if probable else "logits",
        mask=masks.query,
    )

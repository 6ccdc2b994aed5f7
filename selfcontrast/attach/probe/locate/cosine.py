"""A comparison by cosine similarity, or another product: its features, the places of its prototypes, its output.

A comparison is lowered at one of its pixels. The output that is read off it changes there alone; where it only
guides another prototype, the output changes everywhere, or nowhere.

Axes: B query images, H x W the output.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from selfcontrast.attach.host import CosineHost
from selfcontrast.attach.probe.forwards import Forwards
from selfcontrast.attach.probe.locate.comparison import Roles
from selfcontrast.attach.probe.locate.features import find_high_level
from selfcontrast.attach.probe.locate.mask import find_masks
from selfcontrast.attach.probe.locate.similarities import Heard, candidates, last_call_text, listen
from selfcontrast.attach.probe.maps import Map, Trace

# Of an output's pixels: how many a pixel of a comparison reaches at most, once it is resized.
REACH = 0.6
# Of the largest change: what is much and what is little beside it, and what is none.
MUCH, LITTLE, SLIGHT = 0.2, 0.05, 1e-3


@dataclass(frozen=True)
class _Read:
    """What one output is read off.

    Attributes:
        output: its place in the forward's output.
        foreground, background: the places of comparisons that raise or lower its foreground, pixel by pixel.
        guides: the places of those that it follows in another way.
    """

    output: str
    foreground: list[int]
    background: list[int]
    guides: list[int]

    @property
    def clear(self) -> bool:
        return len(self.foreground) == 1 and len(self.background) <= 1


def find_cosine(forwards: Forwards, base: Trace) -> list[tuple[CosineHost, list[str]]]:
    """The hosts of such comparisons whose output can be read, the likeliest first, and what is unsure about each."""
    found: list[tuple[int, int, Roles, dict[str, Map], list[str], _Read]] = []
    for query in forwards.images:
        roles = Roles((query,), tuple(group for group in forwards.images if group != query))
        outputs = _outputs(base, roles)
        queries = forwards.rows_in(query)
        maps = candidates(base, roles, queries)
        if not maps or not outputs:
            continue
        heard = _heard(forwards, maps, queries)
        if heard is None or heard.dense:
            continue
        read = _read_off(forwards, heard, heard.calls, queries, outputs)
        if read is not None:
            found.append((list(base.returned).index(read.output), len(found), roles, maps, heard.calls, read))
    hosts: list[tuple[CosineHost, list[str]]] = []
    # A host may segment the support by the query too, for a loss: what it is there for comes first.
    for _, _, roles, maps, calls, read in sorted(found, key=lambda one: one[:2]):
        unsure: list[str] = []
        host = _written(forwards, base, roles, {call: maps[call] for call in calls}, read, unsure)
        hosts.append((host, unsure))
        for switch in ("training", *forwards.switches):
            line = f"losses_off: with its own losses in it, its second forward did not fit; {switch} is off there"
            hosts.append((replace(host, losses_off=switch), [*unsure, line]))
    return hosts


def _heard(forwards: Forwards, maps: dict[str, Map], queries: int) -> Heard | None:
    """The comparisons, with the last call that can stand for each one compared; None where there are none."""
    heard = listen(forwards, "listens for similarities", list(maps), queries)
    for call in heard.calls:
        own = maps[call]
        later = [name for name, one in maps.items() if one.shape == own.shape and one.ended > own.ended]
        for name in reversed(later):
            calls = [name if one == call else one for one in heard.calls]
            again = listen(forwards, "listens for similarities", calls, queries)
            if len(again.prototypes) >= len(heard.prototypes):
                heard = again
                break
    again = listen(forwards, "listens for similarities", heard.calls, queries) if heard.calls else heard
    return again if again.prototypes else None


def heard_anyhow(forwards: Forwards, base: Trace) -> Heard:
    """The comparisons of the query that were heard although none of them leads to an output; the dense ones first."""
    several = [Heard()]
    for query in forwards.images:
        roles = Roles((query,), tuple(group for group in forwards.images if group != query))
        queries = forwards.rows_in(query)
        maps = candidates(base, roles, queries)
        if maps:
            several.append(listen(forwards, "listens for similarities", list(maps), queries))
    return max(several, key=lambda heard: (bool(heard.dense), len(heard.prototypes)))


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
    outputs = [output for output in outputs if len(heard.returned[output]) == queries]
    gaps: dict[str, dict[int, Tensor]] = {output: {} for output in outputs}
    for place in heard.places:
        lowered = listen(forwards, f"changes similarity {place}", calls, queries, lower=place)
        for output in outputs:
            gaps[output][place] = (lowered.returned[output] - heard.returned[output]).float()
    for output, several in gaps.items():
        largest = max((float(gap.abs().max()) for gap in several.values()), default=0.0)
        sizes = {place: float(gap.abs().max()) for place, gap in several.items()}
        sides = {
            place: _side(gap) if sizes[place] > MUCH * largest else None
            for place, gap in several.items()
            if sizes[place] > SLIGHT * largest
        }
        read = _Read(output, *([place for place, side in sides.items() if side == wanted] for wanted in (1, 0, None)))
        if read.clear:
            return read
    return None


def _side(gap: Tensor) -> int | None:
    """1 where an output's foreground fell with a comparison, 0 where it rose; None where it is not read off it."""
    sizes = gap.abs().amax(1)
    # What is read off a comparison may follow it everywhere too, but there alone it follows it much.
    if float(torch.quantile(sizes.flatten()[:: max(1, sizes.numel() // 100_000)], REACH)) > LITTLE * float(sizes.max()):
        return None
    return int(float((gap[:, 1] - gap[:, 0]).sum()) < 0)


def _written(
    forwards: Forwards,
    base: Trace,
    roles: Roles,
    maps: dict[str, Map],
    read: _Read,
    unsure: list[str],
) -> CosineHost:
    calls, queries = tuple(maps), len(base.returned[read.output])
    ended = max(one.ended for one in maps.values())
    high_level = find_high_level(base, ended + 1, roles, queries, True, unsure)
    masks = find_masks(forwards, base, [], read.output, roles.support, unsure)
    logits = base.returned[read.output]
    probable = bool((logits >= 0).all()) and torch.allclose(logits.sum(1), torch.ones_like(logits[:, 0]), atol=1e-4)
    if read.guides:
        places = ", ".join(map(str, read.guides))
        unsure.append(
            f"similarities at places {places} lead to the prototype at {read.foreground[0]}; what else they do stays"
        )
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

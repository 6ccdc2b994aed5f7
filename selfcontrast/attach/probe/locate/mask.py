"""Which of a forward's arguments is the query's mask, and which are masks of the support."""

from dataclasses import dataclass

import torch
from torch import Tensor

from selfcontrast.attach.probe.forwards import Forwards, Leaf
from selfcontrast.attach.probe.maps import Map, Trace, differing, returned_otherwise
from selfcontrast.attach.probe.trace import trace


@dataclass(frozen=True)
class Masks:
    """The name of the argument that is the query's mask, None where none is; and the leaves that are the support's."""

    query: str | None
    support: list[int]


def find_masks(
    forwards: Forwards,
    base: Trace,
    compared: list[Map],
    logits: list[Map] | str,
    support: tuple[str, ...],
    unsure: list[str],
) -> Masks:
    """Masks are told apart by what follows them.

    The support's change what is compared. The query's changes neither that nor the logits, but a loss; where several
    do, a loss that follows the support too. Others, such as padding or the classes of a base learner, do not.

    Args:
        compared: the inputs where the comparison starts, if it starts at some.
        logits: the maps of the query's logits, or their place in the forward's output.
        support: the groups of the support's images.
    """
    of_support: list[int] = []
    ranks: dict[str, int] = {}
    followed: dict[str, set[str]] = {}
    for name, places in _masks(forwards).items():
        changes = {place: _flipped(forwards.leaves[place].value) for place in places}
        maps = [] if isinstance(logits, str) else logits
        changed = trace(forwards, f"changes the mask {name}", changes, only=[*compared, *maps])
        held = {logits} if isinstance(logits, str) else set[str]()
        if differing(base, changed, compared) or held & returned_otherwise(base, changed):
            of_support += places
        elif len(places) == 1 and len(forwards.leaves[places[0]].path) == 1 and _rows(forwards, places) is not None:
            rank = _rank(base, changed, maps, support)
            if rank is not None:
                ranks[name], followed[name] = rank, returned_otherwise(base, changed)
    return Masks(_chosen(ranks, followed, unsure), of_support)


def _masks(forwards: Forwards) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for place, leaf in enumerate(forwards.leaves):
        if _looks_like_mask(leaf, forwards):
            found.setdefault(leaf.path[0], []).append(place)
    return found


def _looks_like_mask(leaf: Leaf, forwards: Forwards) -> bool:
    value = leaf.value
    if not isinstance(value, Tensor) or value.dim() < 3 or value.dtype == torch.bool:
        return False
    return bool(((value == 0) | (value == 1) | (value == 255)).all()) and min(value.shape[-2:]) > 1


def _rows(forwards: Forwards, places: list[int]) -> Tensor | None:
    """A mask as `episode` takes it: (B, H, W) or (B, 1, H, W)."""
    value = forwards.leaves[places[0]].value
    return value if value.dim() == 3 or (value.dim() == 4 and value.shape[1] == 1) else None


def _flipped(mask: Tensor) -> Tensor:
    return torch.where(mask <= 1, 1 - mask, mask)


def _rank(base: Trace, changed: Trace, logits: list[Map], support: tuple[str, ...]) -> int | None:
    """2 where an output that follows the support too follows a mask, 1 where another does, 0 where none does.

    None where the logits do, or another map that follows the support: that is no query's mask.
    """
    if differing(base, changed, logits):
        return None
    places = returned_otherwise(base, changed)
    both = places & set[str]().union(*(base.follows[group] for group in support))
    if any(base.returned[place].dim() > 2 and base.returned[place].is_floating_point() for place in both):
        return None
    return 2 if both else int(bool(places))


def _chosen(ranks: dict[str, int], followed: dict[str, set[str]], unsure: list[str]) -> str | None:
    best = [name for name, rank in ranks.items() if rank == max(ranks.values())]
    # That which all losses follow which follow another, and more.
    first = [name for name in best if all(followed[other] < followed[name] for other in best if other != name)]
    best = first or best
    if len(best) == 1 and (ranks[best[0]] > 0 or len(ranks) == 1):
        if len(ranks) > 1:
            unsure.append(
                f"mask: {best[0]} is followed by a loss of the comparison; {', '.join(ranks)} look like masks"
            )
        elif ranks[best[0]] == 0:
            unsure.append(f"mask: {best[0]} looks like the query's mask, but no output follows it")
        return best[0]
    unsure.append(
        f"mask: {', '.join(ranks) or 'no argument'} may be the query's mask; else `with attachment.episode(mask):`"
    )
    return None

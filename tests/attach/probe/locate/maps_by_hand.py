"""Maps of a forward without one: what a part of the search looks at, written down."""

import torch
from torch import Tensor

from selfcontrast.attach.probe.maps import Map

QUERY, SUPPORT = "query", "support"


def map_of(
    name: str = "module",
    shape: tuple[int, ...] = (2, 8, 4, 4),
    print: Tensor | None = None,
    started: int = 0,
    turn: int = 0,
    hooked: bool = True,
    query: Tensor | bool = True,
    support: Tensor | bool = False,
) -> Map:
    """A map whose channels, or rows and channels, follow query and support as told."""
    rows, channels = shape[:2]
    print = torch.arange(1.0, 1 + rows * channels).view(rows, channels) if print is None else print
    changed = {
        group: torch.as_tensor(follows).expand(rows, channels)
        for group, follows in ((QUERY, query), (SUPPORT, support))
    }
    noise = torch.zeros(rows, channels)
    return Map(name, turn, (), 0, started, started + 1, hooked, False, shape, print, -print, print, noise, changed)

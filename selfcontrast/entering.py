"""What every mechanism does inside a host's forward: read F and F̄, make the map, put it where the prototype stood.

Axes: B episodes, C channels of the features, D channels of an entry, s x s its grid, h x w the features' grid.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from selfcontrast.auxiliary import Prepared, SelfContrastiveAuxiliary
from selfcontrast.errors import require
from selfcontrast.hooks import Hooks
from selfcontrast.host import Call, Entry, channel_range
from selfcontrast.prototypes import resize_nearest


class Reading:
    """The features that a forward has shown so far, and what the task makes of them when the comparison starts.

    Args:
        auxiliary: the task.
        mask: M, (B, H, W) or (B, 1, H, W).
    """

    def __init__(self, auxiliary: SelfContrastiveAuxiliary, mask: Tensor) -> None:
        self._auxiliary = auxiliary
        self._mask = mask[:, 0] if mask.dim() == 4 and mask.shape[1] == 1 else mask
        self._read: dict[str, Tensor] = {}
        self._prepared: Prepared | None = None

    def watch(self, hooks: Hooks, **calls: str) -> None:
        """Read `features` and `high_level` off these calls, without changing them."""
        for role, text in calls.items():
            call = Call.parse(text)
            # Of a module that is called often and named without #k, the first call counts.
            hooks.after(call._replace(turn=call.turn or 0), self._reader(role, call))

    def _reader(self, role: str, call: Call) -> Any:
        def read(name: str, output: Any) -> None:
            self.read(role, pick_item(output, call, role))

        return read

    def read(self, role: str, tensor: Tensor) -> None:
        self._read[role] = tensor

    @property
    def features(self) -> Tensor:
        return self._get("features")

    @property
    def prepared(self) -> Prepared:
        """Regions, prototypes, map and target, made when they are first asked for."""
        if self._prepared is None:
            # No gradient reaches F̄ through labels.
            self._prepared = self._auxiliary.prepare(self.features, self._get("high_level").detach(), self._mask)
        return self._prepared

    def counterpart(self, entry: Entry, merged: Float[Tensor, "B D s t"]) -> Float[Tensor, "B D s t"]:
        """An entry's input as the self-contrastive pass sees it: the map for the prototype, the counter-prior."""
        channels, total = self.features.shape[1], merged.shape[1]
        pieces: list[Tensor] = []
        changes: list[tuple[slice, Tensor]] = []
        if entry.prototype is not None:
            changes.append(self._map(entry, channel_range(entry.prototype, channels, total), merged))
        if entry.prior is not None:
            place = channel_range(entry.prior, channels, total)
            changes.append((place, self._auxiliary.counter_prior(merged[:, place])))
        position = 0
        for place, content in sorted(changes, key=lambda change: change[0].start):
            pieces += [merged[:, position : place.start], content]
            position = place.stop
        return torch.cat([*pieces, merged[:, position:]], 1)

    def _map(self, entry: Entry, place: slice, merged: Tensor) -> tuple[slice, Tensor]:
        channels, width = self.features.shape[1], place.stop - place.start
        require(
            place.stop <= merged.shape[1] and width > 0 and width % channels == 0,
            f"entry {entry.call}",
            f"prototype channels {entry.prototype} that hold the features' {channels} channels once or more",
            f"{width} of an input of {merged.shape[1]} channels",
            "write the channels of this model, for instance prototype='C:2C'",
        )
        size = (merged.shape[2], merged.shape[3])
        prototype_map = self.prepared.prototype_map.to(merged.dtype)
        if prototype_map.shape[2:] != merged.shape[2:]:
            prototype_map = resize_nearest(prototype_map, size)
        return place, prototype_map.repeat(1, width // channels, 1, 1)

    def _get(self, role: str) -> Tensor:
        require(
            role in self._read,
            f"host.{role}",
            "a call that comes before the comparison starts",
            "none when the entry was called",
            "name an earlier call; probe(model, ...) finds one",
        )
        return self._read[role]


def pick_item(output: Any, call: Call, argument: str) -> Tensor:
    """The tensor that `call` names in a module's output."""
    try:
        for item in call.items:
            output = output[item]
    except (LookupError, TypeError):
        output = None
    require(
        isinstance(output, Tensor),
        f"host.{argument}",
        f"a tensor at {call.module}{''.join(f'[{item!r}]' for item in call.items)}",
        type(output).__name__,
        "name the item of the module's output, as in model_res#1[2]",
    )
    return output

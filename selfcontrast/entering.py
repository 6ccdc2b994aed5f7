"""What every mechanism does inside a host's forward: read F and F̄, make the map, put it where the prototype stood.

Axes: B episodes, C channels of the features, h x w their grid, D channels of an entry, s x t its grid.
"""

from collections.abc import Callable
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
        mask: M, (B, H, W).
    """

    def __init__(self, auxiliary: SelfContrastiveAuxiliary, mask: Tensor) -> None:
        self._auxiliary = auxiliary
        self._mask = mask
        self._features: dict[str, Tensor] = {}
        self._prepared: Prepared | None = None

    def watch(self, hooks: Hooks, *, joint: bool = False, **calls: str) -> None:
        """Read `features` and `high_level` off these calls, without changing them.

        Of a `joint` pass of support and query only the query's rows, the last ones, are kept.
        """
        for role, text in calls.items():
            call = Call.parse(text)
            # The last call is that which came last when the comparison starts.
            turn = None if call.turn == -1 else call.turn or 0
            hooks.after(call._replace(turn=turn), self._reader(role, call, -self.queries if joint else 0))

    def _reader(self, role: str, call: Call, first: int) -> Callable[[str, Any], None]:
        def read(name: str, output: Any) -> None:
            self._features[role] = pick_item(output, call, role)[first:]

        return read

    @property
    def queries(self) -> int:
        """B, the query images of the forward."""
        return len(self._mask)

    def rows_of(self, tensor: Tensor) -> list[int]:
        """Which rows of the features a tensor is a view of, known by the memory they share; none of other memory."""
        features = self._features.get("features")
        if features is None or features.untyped_storage().data_ptr() != tensor.untyped_storage().data_ptr():
            return []
        row = int(features.stride(0))
        first = int(tensor.storage_offset()) - int(features.storage_offset())
        rows = [(first + index * int(tensor.stride(0))) // row for index in range(len(tensor))]
        return rows if min(rows) >= 0 and max(rows) < len(features) else []

    @property
    def prepared(self) -> Prepared:
        """Regions, prototypes, map and target, made when they are first asked for."""
        if self._prepared is None:
            for role in ("features", "high_level"):
                require(
                    role in self._features,
                    f"host.{role}",
                    "a call that comes before the comparison starts",
                    "none when the entry was called",
                    "name an earlier call; probe(model, ...) finds one",
                )
            self._prepared = self._auxiliary.prepare(
                self._features["features"], self._features["high_level"].detach(), self._mask
            )
            self._features.clear()
        return self._prepared

    def counterpart(self, entry: Entry, merged: Tensor) -> Tensor:
        """An entry's input as the self-contrastive pass sees it."""
        return counterpart(entry, merged, self.prepared.prototype_map, self.counter_prior)

    def counter_prior(self, prior: Tensor) -> Tensor:
        """A prior mask as the self-contrastive pass sees it."""
        return self._auxiliary.counter_prior(prior)


def counterpart(
    entry: Entry,
    merged: Float[Tensor, "B D s t"],
    prototype_map: Float[Tensor, "B C h w"],
    counter_prior: Callable[[Tensor], Tensor],
    prior_of: Float[Tensor, "B D s t"] | None = None,
) -> Float[Tensor, "B D ..."]:
    """An entry's input with the map for the expanded prototype and the counter-prior for the prior mask.

    A prototype alone, (B, C, 1, 1), which the module itself spreads over the features, becomes the whole map. The prior
    is read off `prior_of`, another forward's input, where that is given.

    >>> entry, merged = Entry("merge", "C:2C", "2C:"), torch.tensor([1.0, 2.0, 0.3]).view(1, 3, 1, 1)
    >>> counterpart(entry, merged, torch.tensor([[[[7.0]]]]), lambda prior: 1 - prior).flatten()
    tensor([1.0000, 7.0000, 0.7000])
    """
    channels, total = prototype_map.shape[1], merged.shape[1]
    changes: list[tuple[slice, Tensor]] = []
    if entry.prototype is not None:
        place = channel_range(entry.prototype, channels, total)
        changes.append((place, _repeated(prototype_map, entry, place, merged)))
    if entry.prior is not None:
        place = channel_range(entry.prior, channels, total)
        prior = (merged if prior_of is None else prior_of)[:, place]
        changes.append((place, entry.prior_scale * counter_prior(prior / entry.prior_scale)))
    pieces: list[Tensor] = []
    position = 0
    for place, content in sorted(changes, key=lambda change: change[0].start):
        pieces += [merged[:, position : place.start], content]
        position = place.stop
    pieces.append(merged[:, position:])
    kept = [piece for piece in pieces if piece.shape[1] > 0]
    return kept[0] if len(kept) == 1 else torch.cat(kept, 1)


def _repeated(prototype_map: Tensor, entry: Entry, place: slice, merged: Tensor) -> Tensor:
    """The map at the entry's size and dtype, once for each copy of the prototype that the entry holds."""
    channels, width = prototype_map.shape[1], place.stop - place.start
    require(
        place.stop <= merged.shape[1] and width > 0 and width % channels == 0,
        f"entry {entry.call}",
        f"prototype channels {entry.prototype} that hold the features' {channels} channels once or more",
        f"{width} of an input of {merged.shape[1]} channels",
        "write the channels of this model, for instance prototype='C:2C'",
    )
    if width == merged.shape[1]:
        return prototype_map.to(merged.dtype)
    size = (merged.shape[2], merged.shape[3])
    # Nearest, not pooled: a cell is compared with one prototype, never with a mixture of two.
    resized = prototype_map if prototype_map.shape[2:] == size else resize_nearest(prototype_map, size)
    return resized.to(merged.dtype).repeat(1, width // channels, 1, 1)


def pick_item(output: Any, call: Call, role: str) -> Tensor:
    """The tensor that `call` names in a module's output."""
    try:
        for item in call.items:
            output = output[item]
    except (LookupError, TypeError):
        output = None
    require(
        isinstance(output, Tensor),
        f"host.{role}",
        f"a tensor at {call.module}{''.join(f'[{item!r}]' for item in call.items)}",
        type(output).__name__,
        "name the item of the module's output, as in model_res#1[2]",
    )
    return output


def check_rows(name: str, tensor: Tensor, allowed: tuple[int, ...]) -> None:
    """Refuse a call of another batch: with B = 1 a doubled tensor would broadcast against a single one in silence."""
    rows = tensor.shape[0]
    require(
        rows in allowed,
        f"host {name}",
        f"a call with {' or '.join(map(str, allowed))} rows",
        rows,
        "name the call that belongs to the comparison, as in cls#1",
    )

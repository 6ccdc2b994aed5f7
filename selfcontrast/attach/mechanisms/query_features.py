"""What every mechanism reads in a host's forward: F and F̄ of the query, from which it makes the prototype map.

Axes: B episodes, C channels of the features, h x w their grid.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from selfcontrast.attach.checkpointing import OutsideCheckpoint, recomputing
from selfcontrast.attach.hooks import Hooks
from selfcontrast.attach.host import Call, Entry
from selfcontrast.attach.mechanisms.counterparts import counterpart
from selfcontrast.auxiliary import SelfContrastiveAuxiliary
from selfcontrast.contrast import Prepared
from selfcontrast.errors import require


class QueryFeatures:
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
            # The high-level features are clustered, and nothing learns through them.
            hooks.after(
                call._replace(turn=turn),
                self._reader(role, call, -self.queries if joint else 0),
                learns=role != "high_level",
            )

    def _reader(self, role: str, call: Call, first: int) -> Callable[[str, Any], None]:
        def read(name: str, output: Any) -> None:
            if recomputing():
                return
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
                    "name an earlier call, or ask selfcontrast.probe(model, *batch)",
                )
            # The entry may lie in a checkpointed part; this is made once, and not again with that.
            with OutsideCheckpoint():
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
        "name the call that belongs to the comparison, as in cls#1, and give the mask of this very batch",
    )

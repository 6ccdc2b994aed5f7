"""What every mechanism reads in a host's forward: F and F̄ of the query, from which it makes the prototype map.

Axes: B episodes, C channels of the features, h x w their grid.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from selfcontrast.attach.checkpointing import OutsideCheckpoint, recomputing
from selfcontrast.attach.hooks import Hooks
from selfcontrast.attach.host import Call, CosineHost, Entry, Exit, Host, feature_calls
from selfcontrast.attach.mechanisms.counterparts import counterpart, first_prototype
from selfcontrast.attach.mechanisms.token_grid import channels_first, channels_last, refuse_other_tokens
from selfcontrast.auxiliary import SelfContrastiveAuxiliary
from selfcontrast.contrast import Prepared, check_logits
from selfcontrast.errors import require
from selfcontrast.prototypes import masked_average_pool, place_prototypes, resize_nearest

_HIGH_LEVEL = "high_level"


class ExitLogits(NamedTuple):
    """Logits of a pass, the exit that they left by, and its weight in the host's own loss."""

    exit: str
    logits: Tensor
    weight: float


def exit_logits(logits: dict[Exit, list[Tensor]]) -> list[ExitLogits]:
    """Each exit's logits with its weight, shared equally among its calls."""
    return [
        ExitLogits(exit.call, one, exit.weight / len(several)) for exit, several in logits.items() for one in several
    ]


def check_exits(host: Host | CosineHost, exits: Sequence[ExitLogits], batch: int) -> None:
    """Refuse logits that are not (B, 2, h, w), with the name of the exit that they left by."""
    for one in exits:
        name = f"host.exits {one.exit}" if isinstance(host, Host) else f"host.{one.exit}"
        fix = "name the module that gives the two-class logits, before any softmax or argmax"
        if one.logits.dim() == 4 and one.logits.shape[1] == 1:
            fix = (
                "two one-channel heads joined by cat? read the logits off the criterion's argument: "
                "Exit('criterion#0', argument=0)"
            )
        check_logits(one.logits, batch, name, fix)


class QueryFeatures:
    """The features that a forward has shown so far, and what the task makes of them when the comparison starts.

    Args:
        auxiliary: the task.
        mask: M, (B, H, W).
        host: names the calls to read.
    """

    def __init__(self, auxiliary: SelfContrastiveAuxiliary, mask: Tensor, host: Host | CosineHost) -> None:
        self._auxiliary, self._mask, self._host = auxiliary, mask, host
        self._read: dict[str, Tensor] = {}
        self._maps: dict[str, Tensor] = {}
        self._prepared: Prepared | None = None
        self._foregrounds: dict[str, Tensor] = {}
        self._priors: dict[str, list[Tensor]] = {}

    def watch(self, hooks: Hooks) -> None:
        """Read features and deep features off the calls that the host names, without changing them."""
        for text in self.feature_calls:
            self._watch(hooks, "features", text)
        self._watch(hooks, "high_level", self._host.high_level)

    def _watch(self, hooks: Hooks, role: str, text: str) -> None:
        call = Call.parse(text)
        # The last call is that which came last when the comparison starts.
        turn = None if call.turn == -1 else call.turn or 0
        # The high-level features are clustered, and nothing learns through them.
        learns, key = role != "high_level", _HIGH_LEVEL if role == "high_level" else text
        hooks.sees(call._replace(turn=turn), self._reader(role, call, key), learns=learns)

    def _reader(self, role: str, call: Call, key: str) -> Callable[[str, Any], None]:
        def read(name: str, output: Any) -> None:
            if not recomputing():
                self._read[key] = self.as_map(self.rows(pick_item(output, call, role)), role)

        return read

    @property
    def feature_calls(self) -> list[str]:
        """The calls that give features, the host's own first."""
        return feature_calls(self._host)

    @property
    def features(self) -> dict[str, Tensor]:
        """The query's features that came so far, by the call that gave them."""
        return {call: self._read[call] for call in self.feature_calls if call in self._read}

    @property
    def high_level(self) -> Tensor | None:
        """The query's deep features, if they came already and the regions are not yet made of them."""
        return self._read.get(_HIGH_LEVEL)

    def rows(self, tensor: Tensor) -> Tensor:
        """Of a joint pass of support and query only the query's rows, the last ones."""
        return tensor[-self.queries :] if isinstance(self._host, CosineHost) else tensor

    def as_map(self, tensor: Tensor, role: str) -> Tensor:
        """A tensor of the host in the order (B, C, h, w)."""
        if role not in self._host.channels_last:
            return tensor
        return channels_first(tensor, (self._mask.shape[-2], self._mask.shape[-1]), f"host.{role}")

    @property
    def queries(self) -> int:
        """B, the query images of the forward."""
        return len(self._mask)

    @property
    def prepared(self) -> Prepared:
        """Regions, prototypes, map and target, made when they are first asked for."""
        if self._prepared is None:
            features = self._shown(self.feature_calls[0], "features")
            high_level = self._shown(_HIGH_LEVEL, "high_level")
            # The entry may lie in a checkpointed part; this is made once, and not again with that.
            with OutsideCheckpoint():
                self._prepared = self._auxiliary.prepare(features, high_level.detach(), self._mask)
            self._read.pop(_HIGH_LEVEL, None)
        return self._prepared

    def _shown(self, key: str, role: str) -> Tensor:
        require(
            key in self._read,
            f"host.{role}",
            "a call that comes before the comparison starts",
            "none when the entry was called",
            "name an earlier call, or ask selfcontrast.probe(model, *batch)",
        )
        return self._read[key]

    def map_of(self, features_call: str | None = None) -> Tensor:
        """The prototype map of the host's features, or of others: pooled from these under the same regions."""
        if features_call is None or features_call == self.feature_calls[0]:
            return self.prepared.prototype_map
        if features_call not in self._maps:
            with OutsideCheckpoint():
                self._maps[features_call] = self._other_map(self._shown(features_call, "features"))
        return self._maps[features_call]

    def _other_map(self, features: Tensor) -> Tensor:
        """Each cell holds the prototype of the region whose prototype it holds in the map of the host's features."""
        size = (features.shape[2], features.shape[3])
        prototypes = masked_average_pool(features, resize_nearest(self.prepared.regions, size))
        held = resize_nearest(self.prepared.held, size)
        return place_prototypes(prototypes, held).to(features.dtype)

    def note(self, entry: Entry, name: str, merged: Tensor) -> None:
        """Keep of an entry's input in the host's own forward what a second forward asks for."""
        as_map = self.as_map(merged, "entries")
        if entry.prior is not None:
            # A host may draw its prior anew in each forward; the pass counters that of the first.
            self._priors.setdefault(name, []).append(as_map.detach())
        key = entry.features or self.feature_calls[0]
        if entry.holds == "foreground" and entry.prototype is not None and key not in self._foregrounds:
            self._foregrounds[key] = first_prototype(entry, as_map, self._shown(key, "features").shape[1])

    def counterpart(self, entry: Entry, merged: Tensor, name: str = "", turn: int = 0) -> Tensor:
        """An entry's input as the self-contrastive pass sees it: that of call `turn` of module `name`."""
        noted = self._priors.get(name, [])
        prior_of = noted[turn] if turn < len(noted) else None
        changed = counterpart(
            entry, self.as_map(merged, "entries"), self._held(entry), self._auxiliary.counter_prior, prior_of
        )
        if "entries" not in self._host.channels_last:
            return changed
        refuse_other_tokens(merged, (self._mask.shape[-2], self._mask.shape[-1]), f"entry {entry.call}")
        return channels_last(changed, merged)

    def _held(self, entry: Entry) -> Tensor:
        """What stands in the prototype's place."""
        if entry.holds == "foreground":
            return self.map_of(entry.features)
        key = entry.features or self.feature_calls[0]
        require(
            key in self._foregrounds,
            f"entry {entry.call}",
            "an entry that holds the foreground's prototype beside it",
            "none in this forward",
            "name it too, with holds='foreground'",
        )
        return self._foregrounds[key]

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

"""Replay: a second forward in which everything before the comparison returns what it returned before.

For hosts that carry batch-sized state of their own through the comparison, where a doubled batch would not fit, and for
those whose heads are joined after they ran; and for `check`, which compares a pass with it.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from selfcontrast.attach.checkpointing import refuse_checkpointed
from selfcontrast.attach.hooks import Before, Hooks, check_fired
from selfcontrast.attach.host import Call, Entry, Exit, Host, matching
from selfcontrast.attach.mechanisms.counterparts import change_argument, change_doubled, second_half
from selfcontrast.attach.mechanisms.memory import Memory, before_comparison
from selfcontrast.attach.mechanisms.query_features import ExitLogits, QueryFeatures, check_rows, exit_logits, pick_item
from selfcontrast.attach.mechanisms.undisturbed import copied_arguments, undisturbed


class Replay:
    """A forward of a host, remembered up to its comparison, and a second forward that starts from there.

    Args:
        model: the host model; nothing is attached to it until `open`.
        host: where its comparison starts and ends.
        query: the pass's features, mask and map.
    """

    def __init__(self, model: nn.Module, host: Host, query: QueryFeatures) -> None:
        self._model, self._host, self._query = model, host, query
        self._hooks, self._memory = Hooks(model), Memory(model)

    def open(self, arguments: list[Any], keywords: dict[str, Any]) -> None:
        """Enter the model for one forward."""
        self._query.watch(self._hooks)
        for entry in self._host.entries:
            self._hooks.before(Call.parse(entry.call), self._note(entry))
        self._memory.watch(self._hooks, before_comparison(self._model, compared(self._model, self._host)))

    def finish(self, arguments: list[Any], keywords: dict[str, Any]) -> list[ExitLogits]:
        """The self-contrastive logits of each exit, from the second forward."""
        check_fired(self._hooks)
        self._hooks.remove()
        with self._memory.again():
            return _second_forward(self._model, self._host, self._query, arguments, keywords)

    def rest(self) -> bool:
        """After the forward: leave the model as it was."""
        self.close()
        return False

    def close(self) -> None:
        """Leave the model as it was."""
        self._hooks.remove()

    def _note(self, entry: Entry) -> Before:
        def note(name: str, arguments: list[Any], keywords: dict[str, Any]) -> None:
            refuse_checkpointed(name)
            self._memory.stop()

            def keep(merged: Tensor) -> Tensor:
                self._query.note(entry, name, merged)
                return merged

            change_argument(self._model.get_submodule(name), entry, keep, arguments, keywords)

        return note


def second_forward(
    model: nn.Module, host: Host, query: QueryFeatures, arguments: Sequence[Any], keywords: dict[str, Any]
) -> list[ExitLogits]:
    """The host's whole forward once more with the map in the prototype's place: the explicit second comparison."""
    with undisturbed(model):
        return _second_forward(model, host, query, arguments, keywords)


def _second_forward(
    model: nn.Module, host: Host, query: QueryFeatures, arguments: Sequence[Any], keywords: dict[str, Any]
) -> list[ExitLogits]:
    hooks, logits = Hooks(model), {exit: list[Tensor]() for exit in host.exits}
    own, named = copied_arguments(arguments, keywords)
    change_doubled(
        model,
        host.doubled,
        lambda tensor, doubled: second_half(tensor, doubled, query.counter_prior),
        hooks,
        own,
        named,
    )
    for entry in host.entries:
        hooks.before(Call.parse(entry.call), _entering(model, query, entry))
    for exit in host.exits:
        _read_exit(model, query, exit, hooks, logits[exit])
    try:
        model.forward(*own, **named)
    finally:
        hooks.remove()
    check_fired(hooks)
    return exit_logits(logits)


def _entering(model: nn.Module, query: QueryFeatures, entry: Entry) -> Before:
    turns: dict[str, int] = {}

    def enter(name: str, arguments: list[Any], keywords: dict[str, Any]) -> None:
        turn = turns.get(name, 0)
        turns[name] = turn + 1

        def exchange(merged: Tensor) -> Tensor:
            check_rows(name, merged, (query.queries,))
            return query.counterpart(entry, merged, name, turn)

        change_argument(model.get_submodule(name), entry, exchange, arguments, keywords)

    return enter


def _read_exit(model: nn.Module, query: QueryFeatures, exit: Exit, hooks: Hooks, logits: list[Tensor]) -> None:
    """Keep the logits that leave by an exit, from its output or from what it is given."""
    call = Call.parse(exit.call)

    def keep(tensor: Tensor) -> Tensor:
        logits.append(query.as_map(tensor, "exits"))
        return tensor

    def leave(name: str, output: Any) -> None:
        keep(pick_item(output, call, f"exits {exit.call}"))

    def given(name: str, arguments: list[Any], keywords: dict[str, Any]) -> None:
        change_argument(model.get_submodule(name), exit, keep, arguments, keywords)

    if exit.argument is None:
        hooks.after(call, leave)
    else:
        hooks.before(call, given)


def compared(model: nn.Module, host: Host) -> set[str]:
    """The modules where the comparison starts and ends."""
    calls = [*(entry.call for entry in host.entries), *(exit.call for exit in host.exits)]
    return {name for call in calls for name in matching(model, Call.parse(call).module)}

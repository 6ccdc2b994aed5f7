"""Replay: a second forward in which everything before the comparison returns what it returned before.

For hosts that carry batch-sized state of their own through the comparison, where a doubled batch would not fit; and for
`check`, which compares a fold with it.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from selfcontrast.attach.checkpointing import RefuseCheckpointedStatistics, refuse_checkpointed
from selfcontrast.attach.hooks import After, Before, Hooks, check_fired
from selfcontrast.attach.host import Call, Entry, Exit, Host, matching
from selfcontrast.attach.mechanisms.counterparts import change_doubled, counterpart, second_half
from selfcontrast.attach.mechanisms.query_features import QueryFeatures, check_rows, pick_item
from selfcontrast.batchnorm import KeepRunningStatistics


class Replay:
    """A forward of a host, remembered up to its comparison, and a second forward that starts from there.

    Args:
        model: the host model; nothing is attached to it until `open`.
        host: where its comparison starts and ends.
        query: the pass's features, mask and map.
    """

    def __init__(self, model: nn.Module, host: Host, query: QueryFeatures) -> None:
        self._model, self._host, self._query = model, host, query
        self._hooks = Hooks(model)
        self._remembered: dict[nn.Module, list[Any]] = {}
        self._priors: dict[str, list[Tensor]] = {}
        self._entered = False

    def open(self, arguments: list[Any], keywords: dict[str, Any]) -> None:
        """Enter the model for one forward."""
        self._query.watch(self._hooks, features=self._host.features, high_level=self._host.high_level)
        for entry in self._host.entries:
            self._hooks.before(Call.parse(entry.call), self._note(entry))
        for name, module in before_comparison(self._model, self._host).items():
            self._hooks.after(Call(name, None, ()), self._rememberer(module), required=False)

    def finish(self, arguments: list[Any], keywords: dict[str, Any]) -> dict[str, list[Tensor]]:
        """The self-contrastive logits of each exit, from the second forward."""
        check_fired(self._hooks)
        self._hooks.remove()
        replayed = {module: _replayer(module, outputs) for module, outputs in self._remembered.items()}
        with RefuseCheckpointedStatistics(), replaced_forwards(replayed):
            return second_forward(
                self._model,
                self._host,
                self._query.prepared.prototype_map,
                self._query.counter_prior,
                arguments,
                keywords,
                self._priors,
            )

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
            self._entered = True
            # A host may draw its prior anew in each forward; the pass counters that of the first.
            if entry.prior is not None:
                self._priors.setdefault(name, []).append(arguments[entry.argument].detach())

        return note

    def _rememberer(self, module: nn.Module) -> After:
        def remember(name: str, output: Any) -> None:
            if not self._entered:
                self._remembered.setdefault(module, []).append(output)

        return remember


def second_forward(
    model: nn.Module,
    host: Host,
    prototype_map: Tensor,
    counter_prior: Callable[[Tensor], Tensor],
    arguments: Sequence[Any],
    keywords: dict[str, Any],
    priors: Mapping[str, Sequence[Tensor]] = MappingProxyType({}),
) -> dict[str, list[Tensor]]:
    """The host's forward once more with the map in the prototype's place: the explicit second comparison.

    Args:
        priors: for a module's name the inputs, call by call, whose prior masks are countered instead of its own.
    """
    hooks, logits = Hooks(model), {exit.call: list[Tensor]() for exit in host.exits}
    earlier = {name: iter(inputs) for name, inputs in priors.items()}

    def entering(entry: Entry) -> Before:
        def enter(name: str, args: list[Any], kwargs: dict[str, Any]) -> None:
            check_rows(name, args[entry.argument], (len(prototype_map),))
            prior_of = next(earlier[name], None) if name in earlier else None
            args[entry.argument] = counterpart(entry, args[entry.argument], prototype_map, counter_prior, prior_of)

        return enter

    def leaving(exit: Exit) -> After:
        call = Call.parse(exit.call)

        def leave(name: str, output: Any) -> None:
            logits[exit.call].append(pick_item(output, call, f"exits {exit.call}"))

        return leave

    own, named = list(arguments), dict(keywords)
    change_doubled(
        model, host.doubled, lambda tensor, doubled: second_half(tensor, doubled, counter_prior), hooks, own, named
    )
    for entry in host.entries:
        hooks.before(Call.parse(entry.call), entering(entry))
    for exit in host.exits:
        hooks.after(Call.parse(exit.call), leaving(exit))
    try:
        with KeepRunningStatistics():
            model.forward(*own, **named)
    finally:
        hooks.remove()
    check_fired(hooks)
    return logits


@contextmanager
def replaced_forwards(forwards: Mapping[nn.Module, Callable[..., Any]]) -> Generator[None]:
    """A context in which each of these modules runs the function given for it."""
    for module, forward in forwards.items():
        module.forward = forward
    try:
        yield
    finally:
        for module in forwards:
            del module.forward


def _replayer(module: nn.Module, outputs: list[Any]) -> Callable[..., Any]:
    """A forward that returns the remembered outputs, call by call, and computes after the last of them."""
    forward, left = module.forward, iter(outputs)

    def replay(*args: Any, **kwargs: Any) -> Any:
        for output in left:
            return output
        return forward(*args, **kwargs)

    return replay


def before_comparison(model: nn.Module, host: Host) -> dict[str, nn.Module]:
    """The outermost modules that hold no part of the comparison."""
    entered = {name for entry in host.entries for name in matching(model, Call.parse(entry.call).module)}
    left = {name for exit in host.exits for name in matching(model, Call.parse(exit.call).module)}
    found: dict[str, nn.Module] = {}

    def descend(parent: nn.Module, prefix: str) -> None:
        for child_name, child in parent.named_children():
            name = f"{prefix}{child_name}"
            inside = any(other == name or other.startswith(f"{name}.") for other in entered | left)
            if inside or isinstance(child, (nn.ModuleList, nn.ModuleDict)):
                descend(child, f"{name}.")
            else:
                found[name] = child

    descend(model, "")
    return found

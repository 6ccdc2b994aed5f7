"""Fold: one forward, twice the batch from the comparison on; the encoder runs once.

Axes: B episodes; rows 0..B−1 are the host's, rows B..2B−1 those of the self-contrastive pass.
"""

from typing import Any

import torch
from torch import Tensor, nn

from selfcontrast.attach.checkpointing import recomputing
from selfcontrast.attach.hooks import After, Before, Hooks, check_fired
from selfcontrast.attach.host import Call, Doubled, Entry, Exit, Host
from selfcontrast.attach.mechanisms.counterparts import change_argument, change_doubled, second_half
from selfcontrast.attach.mechanisms.query_features import ExitLogits, QueryFeatures, check_rows, exit_logits, pick_item
from selfcontrast.attach.mechanisms.split_batchnorm import normalise_apart
from selfcontrast.attach.nested_tensors import map_tensors
from selfcontrast.errors import require

ONE_BY_ONE = "with torch.utils.checkpoint in the host, call backward after each forward"


class Fold:
    """A forward of a host with the self-contrastive pass folded into it.

    Args:
        model: the host model; nothing is attached to it until `open`.
        host: where its comparison starts and ends.
        query: the pass's features, mask and map.
    """

    def __init__(self, model: nn.Module, host: Host, query: QueryFeatures) -> None:
        self._model, self._host, self._query = model, host, query
        self._hooks = Hooks(model)
        self._logits: dict[Exit, list[Tensor]] = {exit: [] for exit in host.exits}
        self._folded = False
        self._marks: dict[str, Tensor] = {}

    def open(self, arguments: list[Any], keywords: dict[str, Any]) -> None:
        """Enter the model for one forward with these arguments, which may be doubled in place."""
        self._query.watch(self._hooks)
        for entry in self._host.entries:
            self._hooks.before(Call.parse(entry.call), self._entering(entry))
        for exit in self._host.exits:
            if exit.argument is None:
                self._hooks.after(Call.parse(exit.call), self._leaving(exit))
            else:
                self._hooks.before(Call.parse(exit.call), self._given(exit))
        for name in self._host.cut:
            self._hooks.before(Call.parse(name), self._cut)
        change_doubled(self._model, self._host.doubled, self._double, self._hooks, arguments, keywords)

    def finish(self, arguments: list[Any], keywords: dict[str, Any]) -> list[ExitLogits]:
        """The self-contrastive logits of each exit, after a whole forward."""
        check_fired(self._hooks)
        return exit_logits(self._logits)

    def rest(self) -> bool:
        """After the forward: leave the model as it was, or say that backward computes a part of it again."""
        return self._hooks.rest()

    def close(self) -> None:
        """Leave the model as it was."""
        self._hooks.remove()

    @property
    def _batch(self) -> int:
        return self._query.queries

    def _entering(self, entry: Entry) -> Before:
        def enter(name: str, arguments: list[Any], keywords: dict[str, Any]) -> None:
            change_argument(
                self._model.get_submodule(name),
                entry,
                lambda merged: self._enter(name, entry, merged),
                arguments,
                keywords,
            )

        return enter

    def _enter(self, name: str, entry: Entry, merged: Tensor) -> Tensor:
        batch = self._batch
        check_rows(name, merged, (batch, 2 * batch) if self._folded else (batch,))
        self._recognise(name, merged)
        if not self._folded:
            self._folded = True
            self._hooks.keep(normalise_apart(self._model, batch, self._hooks.awake))
        # An entry behind the first one is twice as long already; elsewhere both halves start from the same.
        return torch.cat([merged[:batch], self._query.counterpart(entry, merged[-batch:])])

    def _recognise(self, name: str, merged: Tensor) -> None:
        """Refuse to act in a part of another forward that backward computes again: its prototypes would be others."""
        if not self._hooks.checkpointed:
            return
        mark = merged[: self._batch].detach().float().square().mean()
        if recomputing():
            alike = torch.isclose(mark, self._marks[name], rtol=1e-3, equal_nan=True)
            # Without a wait on a GPU, where it ends the process as any assertion in a kernel does.
            torch._assert_async(alike, f"{name} of another forward is computed again; {ONE_BY_ONE}")  # pyright: ignore
        self._marks[name] = mark

    def _leaving(self, exit: Exit) -> After:
        call = Call.parse(exit.call)

        def leave(name: str, output: Any) -> Any:
            self._leave(name, exit, pick_item(output, call, f"exits {exit.call}"))
            return _first_half(output, self._batch)

        return leave

    def _given(self, exit: Exit) -> Before:
        def given(name: str, arguments: list[Any], keywords: dict[str, Any]) -> None:
            def take(logits: Tensor) -> Tensor:
                self._leave(name, exit, logits)
                return logits[: self._batch]

            change_argument(self._model.get_submodule(name), exit, take, arguments, keywords)

        return given

    def _leave(self, name: str, exit: Exit, logits: Tensor) -> None:
        require(
            self._folded,
            "host.entries",
            f"a call of {', '.join(entry.call for entry in self._host.entries)} before {name}",
            "none",
            "look whether the model calls it by .forward(...), or whether the exit meant is a later call, as cls#1",
        )
        check_rows(name, logits, (2 * self._batch,))
        if not recomputing():
            self._logits[exit].append(self._query.as_map(logits[self._batch :], "exits"))

    def _cut(self, name: str, arguments: list[Any], keywords: dict[str, Any]) -> None:
        arguments[:] = _first_half(arguments, self._batch)

    def _double(self, tensor: Tensor, doubled: Doubled) -> Tensor:
        return torch.cat([tensor, second_half(tensor, doubled, self._query.counter_prior)])


def _first_half(tree: Any, batch: int) -> Any:
    return map_tensors(tree, lambda tensor: tensor[:batch] if tensor.shape[:1] == (2 * batch,) else tensor)

"""Hooks that live for one forward: each knows which call of its module it sees, and all are removed together.

Where torch.utils.checkpoint will compute a part of the forward again, they rest until then and act once more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from selfcontrast.attach.checkpointing import recomputing, refuse_reentrant, region
from selfcontrast.attach.direct_calls import DIRECT, SeenForward
from selfcontrast.attach.host import Call, matching
from selfcontrast.errors import require

Before = Callable[[str, list[Any], dict[str, Any]], None]
After = Callable[[str, Any], Any]


class Uncopied:
    """A hook that copies and pickles of the model do not keep, because a copy belongs to no attachment."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    # A graph could keep neither what the task computes nor hooks that are others in each forward: it breaks here. This
    # is torch.compiler.disable, but for loading the compiler only when it is called.
    @torch._disable_dynamo  # pyright: ignore
    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[..., None]:
        return no_hook

    def __reduce__(self) -> tuple[Callable[[], Callable[..., None]], tuple[()]]:
        return _no_hook, ()


def no_hook(*args: Any) -> None:
    """Does nothing: a copied model has this in place of an attachment's hook."""


def _no_hook() -> Callable[..., None]:
    return no_hook


@dataclass
class _Watch:
    """Counts the calls of one module and says which of them are asked for."""

    name: str
    turn: int | None
    calls: int = 0
    fired: bool = False

    def due(self) -> bool:
        due = self.turn is None or self.turn == self.calls
        self.calls += 1
        self.fired |= due
        return due

    def due_again(self) -> bool:
        """Whether a call that is computed again was asked for; the calls of one module come in another order then."""
        require(
            self.turn is None or self.calls <= 1,
            f"host {self.name}#{self.turn}",
            "a module that is called once, where torch.utils.checkpoint computes its call again",
            f"{self.calls} calls",
            "leave this call out of checkpointing",
        )
        return self.fired


def count_hooks(model: nn.Module) -> int:
    """How many hooks of an attachment a model holds, inside it too.

    >>> count_hooks(nn.ReLU())
    0
    """
    kept = (hooks for module in model.modules() for hooks in (module._forward_hooks, module._forward_pre_hooks))  # pyright: ignore
    return sum(isinstance(hook, Uncopied) for hooks in kept for hook in hooks.values())  # pyright: ignore


class Hooks:
    """Hooks on calls of a model's modules, by name.

    >>> import torch
    >>> model, seen = nn.Sequential(nn.ReLU(), nn.Identity()), []
    >>> hooks = Hooks(model)
    >>> hooks.after(Call.parse("1"), lambda name, output: seen.append(name))
    >>> hooks.unfired
    ['1']
    >>> _ = model(torch.zeros(1))
    >>> hooks.remove()
    >>> seen, hooks.unfired
    (['1'], [])
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._watches: list[_Watch] = []
        self._handles: list[RemovableHandle] = []
        self._seen: list[SeenForward] = []
        self._resting = False
        self._checkpointed = False

    @property
    def unfired(self) -> list[str]:
        """The calls that did not come, written as in the host."""
        return [w.name if w.turn is None else f"{w.name}#{w.turn}" for w in self._watches if not w.fired]

    def keep(self, handles: list[RemovableHandle]) -> None:
        """Remove these together with the others."""
        self._handles += handles

    @property
    def checkpointed(self) -> bool:
        """Whether a part that these hooks act in will be computed again."""
        return self._checkpointed

    def awake(self) -> bool:
        """Whether hooks act now: in the forward, and when a part of it is computed again."""
        if self._resting:
            return recomputing()
        self._checkpointed |= region() is not None
        return True

    def rest(self) -> bool:
        """After the forward: be removed, unless a part that they act in will be computed again, and say so."""
        if self._checkpointed:
            self._resting = True
            self._see_no_more()
        else:
            self.remove()
        return self._checkpointed

    def before(self, call: Call, function: Before) -> None:
        """`function(name, arguments, keywords)` may change a call's arguments in place."""
        for name, module in matching(self._model, call.module).items():
            hook = Uncopied(self._pre_hook(self._watch(name, call), function))
            self._handles.append(module.register_forward_pre_hook(hook, with_kwargs=True))

    def after(self, call: Call, function: After, required: bool = True, learns: bool = True) -> None:
        """`function(name, output)` may return another output for a call; None keeps it.

        Of an output that is only looked at, and through which nothing `learns`, any checkpoint may be the origin.
        """
        for name, module in matching(self._model, call.module).items():
            watch = self._watch(name, call) if required else _Watch(name, call.turn)
            self._handles.append(module.register_forward_hook(Uncopied(self._hook(watch, function, learns))))

    def sees(self, call: Call, function: Callable[[str, Any], None], learns: bool = True) -> None:
        """`function(name, output)` looks at a call's output; `layer4.forward` are calls as `layer4.forward(...)` too.

        These are not seen when they are computed again.
        """
        if not call.module.endswith(DIRECT):
            self.after(call, function, learns=learns)
            return
        for name, module in matching(self._model, call.module).items():
            hook = Uncopied(self._hook(self._watch(f"{name}{DIRECT}", call), function, learns))
            self._seen.append(SeenForward(module, hook))

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._see_no_more()

    def _see_no_more(self) -> None:
        while self._seen:
            self._seen.pop().remove()

    def _watch(self, name: str, call: Call) -> _Watch:
        watch = _Watch(name, call.turn)
        self._watches.append(watch)
        return watch

    def _due(self, watch: _Watch, learns: bool) -> bool:
        if not self.awake():
            return False
        if self._resting:
            return watch.due_again()
        due = watch.due()
        if due and learns:
            refuse_reentrant(watch.name)
        return due

    def _pre_hook(self, watch: _Watch, function: Before) -> Callable[..., Any]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if not self._due(watch, True):
                return None
            arguments, keywords = list(args), dict(kwargs)
            function(watch.name, arguments, keywords)
            return tuple(arguments), keywords

        return hook

    def _hook(self, watch: _Watch, function: After, learns: bool) -> Callable[..., Any]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            return function(watch.name, output) if self._due(watch, learns) else None

        return hook


def check_fired(hooks: Hooks) -> None:
    """Refuse a forward without a call that the host names, so that no part of the task is lost in silence."""
    missing = hooks.unfired
    require(
        not missing,
        "host",
        f"calls of {', '.join(missing)} in a training forward",
        "none",
        "look whether the model calls them by .forward(...) (features can be read there: write layer4.forward), was "
        "compiled before attach or while the weight was 0, or needs another host",
    )

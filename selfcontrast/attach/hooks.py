"""Hooks that live for one forward: each knows which call of its module it sees, and all are removed together."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle

from selfcontrast.attach.host import Call, matching
from selfcontrast.errors import require

Before = Callable[[str, list[Any], dict[str, Any]], None]
After = Callable[[str, Any], Any]


class Uncopied:
    """A hook that copies and pickles of the model do not keep, because a copy belongs to no attachment."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

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

    @property
    def unfired(self) -> list[str]:
        """The calls that did not come, written as in the host."""
        return [w.name if w.turn is None else f"{w.name}#{w.turn}" for w in self._watches if not w.fired]

    def keep(self, handles: list[RemovableHandle]) -> None:
        """Remove these together with the others."""
        self._handles += handles

    def before(self, call: Call, function: Before) -> None:
        """`function(name, arguments, keywords)` may change a call's arguments in place."""
        for name, module in matching(self._model, call.module).items():
            hook = Uncopied(_pre_hook(self._watch(name, call), function))
            self._handles.append(module.register_forward_pre_hook(hook, with_kwargs=True))

    def after(self, call: Call, function: After, required: bool = True) -> None:
        """`function(name, output)` may return another output for a call; None keeps it."""
        for name, module in matching(self._model, call.module).items():
            watch = self._watch(name, call) if required else _Watch(name, call.turn)
            self._handles.append(module.register_forward_hook(Uncopied(_hook(watch, function))))

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _watch(self, name: str, call: Call) -> _Watch:
        watch = _Watch(name, call.turn)
        self._watches.append(watch)
        return watch


def check_fired(hooks: Hooks) -> None:
    """Refuse a forward without a call that the host names, so that no part of the task is lost in silence."""
    missing = hooks.unfired
    require(
        not missing,
        "host",
        f"calls of {', '.join(missing)} in a training forward",
        "none",
        "look whether the model calls them by .forward(...), was compiled before attach, or needs another host",
    )


def _pre_hook(watch: _Watch, function: Before) -> Callable[..., Any]:
    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not watch.due():
            return None
        arguments, keywords = list(args), dict(kwargs)
        function(watch.name, arguments, keywords)
        return tuple(arguments), keywords

    return hook


def _hook(watch: _Watch, function: After) -> Callable[..., Any]:
    def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        return function(watch.name, output) if watch.due() else None

    return hook

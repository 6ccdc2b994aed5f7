"""What the host computed before its comparison, remembered so that a second forward need not compute it again."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

from selfcontrast.attach.checkpointing import RefuseCheckpointedStatistics
from selfcontrast.attach.hooks import After, Hooks
from selfcontrast.attach.host import Call
from selfcontrast.attach.mechanisms.undisturbed import undisturbed


class Memory:
    """A forward of a host, remembered up to its comparison, and a second forward that starts from there.

    Args:
        model: the host model.

    >>> import torch
    >>> model, calls = nn.Sequential(nn.ReLU()), []
    >>> _ = model[0].register_forward_hook(lambda *_: calls.append("ReLU"))
    >>> hooks, memory = Hooks(model), Memory(model)
    >>> memory.watch(hooks, before_comparison(model, ()))
    >>> first = model(torch.ones(1))
    >>> hooks.remove()
    >>> with memory.again():
    ...     model(torch.zeros(1)) is first
    True
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._outputs: dict[nn.Module, list[Any]] = {}
        self._compares = False

    def watch(self, hooks: Hooks, modules: Mapping[str, nn.Module], learns: bool = True) -> None:
        """Remember what these modules return until `stop`; whether the second forward `learns` through it."""
        # A module under two names is heard once, or each of its calls would count twice.
        for name, module in {module: (name, module) for name, module in modules.items()}.values():
            hooks.after(Call(name, None, ()), self._rememberer(module), required=False, learns=learns)

    def stop(self) -> None:
        """The comparison starts: what comes from here on is computed in both forwards."""
        self._compares = True

    @contextmanager
    def again(self) -> Generator[None]:
        """A context for the second forward: modules return what they returned, and the host keeps no trace of it."""
        replayed = {module: _replayer(module, outputs) for module, outputs in self._outputs.items()}
        with undisturbed(self._model), RefuseCheckpointedStatistics(), replaced_forwards(replayed):
            yield

    def _rememberer(self, module: nn.Module) -> After:
        def remember(name: str, output: Any) -> None:
            if not self._compares:
                self._outputs.setdefault(module, []).append(output)

        return remember


@contextmanager
def replaced_forwards(forwards: Mapping[nn.Module, Callable[..., Any]]) -> Generator[None]:
    """A context in which each of these modules runs the function given for it."""
    own = {module: vars(module)["forward"] for module in forwards if "forward" in vars(module)}
    for module, forward in forwards.items():
        module.forward = forward
    try:
        yield
    finally:
        for module in forwards:
            del module.forward
        for module, forward in own.items():
            module.forward = forward


def _replayer(module: nn.Module, outputs: list[Any]) -> Callable[..., Any]:
    """A forward that returns the remembered outputs, call by call, and computes after the last of them."""
    forward, left = module.forward, iter(outputs)

    def replay(*args: Any, **kwargs: Any) -> Any:
        for output in left:
            return output
        return forward(*args, **kwargs)

    return replay


def before_comparison(model: nn.Module, inside: Iterable[str]) -> dict[str, nn.Module]:
    """The outermost modules that hold none of the modules `inside` the comparison."""
    found: dict[str, nn.Module] = {}

    def descend(parent: nn.Module, prefix: str) -> None:
        for child_name, child in parent.named_children():
            name = f"{prefix}{child_name}"
            compares = any(other == name or other.startswith(f"{name}.") for other in inside)
            if compares or isinstance(child, (nn.ModuleList, nn.ModuleDict)):
                descend(child, f"{name}.")
            else:
                found[name] = child

    descend(model, "")
    return found

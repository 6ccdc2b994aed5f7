"""Calls as `module.forward(...)`, which hooks do not meet: they are seen by the module's own `forward`."""

from collections.abc import Callable
from typing import Any

from torch import nn

DIRECT = ".forward"


class SeenForward:
    """A module whose outputs are looked at, whether it is called as `module(...)` or as `module.forward(...)`.

    Args:
        module: its `forward` is another until `remove`; of several on one module the last must be removed first.
        see: `see(module, arguments, output)` after each call; what it returns is not used.

    >>> import torch
    >>> module, seen = nn.ReLU(), []
    >>> handle = SeenForward(module, lambda _, arguments, output: seen.append(output.item()))
    >>> _ = module.forward(torch.tensor(-1.0)), module(torch.tensor(2.0))
    >>> handle.remove()
    >>> seen, "forward" in vars(module)
    ([0.0, 2.0], False)
    """

    def __init__(self, module: nn.Module, see: Callable[[nn.Module, tuple[Any, ...], Any], None]) -> None:
        self._module, self._before = module, vars(module).get("forward")
        forward = module.forward

        def seen(*arguments: Any, **keywords: Any) -> Any:
            output = forward(*arguments, **keywords)
            see(module, arguments, output)
            return output

        module.forward = seen

    def remove(self) -> None:
        """Give the module its `forward` back."""
        if self._before is None:
            vars(self._module).pop("forward", None)
        else:
            self._module.forward = self._before

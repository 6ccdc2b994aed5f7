"""What code of 2019 to 2024 needs to run on a CPU and a new Python: every change is made from outside and undone."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

EXAMPLES = Path(__file__).parents[2] / "examples"


@contextmanager
def on_cpu() -> Iterator[None]:
    """Let code that moves everything to a GPU run where there is none; needed while building and while running."""
    arange, to = torch.arange, torch.Tensor.to

    def arange_on_cpu(*arguments: Any, **keywords: Any) -> Tensor:
        return arange(*arguments, **{**keywords, "device": None})

    def stay(tensor: Tensor, *arguments: Any, **keywords: Any) -> Tensor:
        return tensor if arguments == (torch.device("cuda"),) else to(tensor, *arguments, **keywords)

    with ExitStack() as patches:
        # PFENet's family calls .cuda() even in the default arguments of forward.
        patches.enter_context(mock.patch.object(torch.Tensor, "cuda", lambda self, *_, **__: self))
        patches.enter_context(mock.patch.object(nn.Module, "cuda", lambda self, *_, **__: self))
        # BAM and HDMNet name the device of one index vector.
        patches.enter_context(mock.patch.object(torch, "arange", arange_on_cpu))
        # PPNet names it for its zeros.
        patches.enter_context(mock.patch.object(torch.Tensor, "to", stay))
        yield


@contextmanager
def importing(
    folder: Path, absent: tuple[str, ...] = (), stand_ins: Mapping[str, ModuleType] | None = None
) -> Iterator[None]:
    """Import from one published repository; `absent` modules are imported by it but not used by its model.

    Nearly all repositories name their packages `model`, `models` or `util`, so what another left is forgotten first.
    What this one imports stays until then: a model can be pickled only while its module can be imported. Our example's
    modules, which have such names too, stand aside meanwhile.
    """
    for name in [name for name, module in sys.modules.items() if _lies_below(folder.parent, module)]:
        del sys.modules[name]
    ours = {name: module for name, module in sys.modules.items() if _lies_below(EXAMPLES, module)}
    for name in ours:
        del sys.modules[name]
    modules = {name: mock.MagicMock(name=name) for name in absent} | dict(stand_ins or {})
    added = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(added)
    # Our example has a package `model` too, and wins over a folder without `__init__.py` wherever it stands.
    places = [str(folder), *(place for place in sys.path if not Path(place).is_relative_to(EXAMPLES))]
    try:
        # The checkouts are the user's: no bytecode is left in them.
        with mock.patch.object(sys, "path", places), mock.patch.object(sys, "dont_write_bytecode", True):
            yield
    finally:
        for name in added:
            del sys.modules[name]
        sys.modules.update(ours)


def _lies_below(folder: Path, module: ModuleType) -> bool:
    spec = vars(module).get("__spec__")
    places = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or [])]
    return any(place is not None and Path(place).is_relative_to(folder) for place in places)


@contextmanager
def untrained(module: Any, *names: str) -> Iterator[None]:
    """Let the named constructors of `module` ignore `pretrained`: the weights' files are not part of a checkout."""
    with ExitStack() as patches:
        for name in names:
            constructor: Callable[..., nn.Module] = getattr(module, name)

            def without_weights(
                *arguments: Any, constructor: Callable[..., nn.Module] = constructor, **keywords: Any
            ) -> nn.Module:
                return constructor(*arguments, **{**keywords, "pretrained": False})

            patches.enter_context(mock.patch.object(module, name, without_weights))
        yield


@contextmanager
def mended(*faults: tuple[bytes, bytes]) -> Iterator[None]:
    """Import modules whose source cannot run as published: each fault's pattern, with what stands in its place."""
    compiled = SourceFileLoader.source_to_code

    def mend(loader: SourceFileLoader, data: bytes, *arguments: Any, **keywords: Any) -> CodeType:
        for pattern, instead in faults:
            data = re.sub(pattern, instead, data, flags=re.MULTILINE)
        return compiled(loader, data, *arguments, **keywords)

    with mock.patch.object(SourceFileLoader, "source_to_code", mend):
        yield


def python_2() -> AbstractContextManager[None]:
    """Import modules of Python 2 (SG-One's) whose only difference is the print statement."""
    return mended((rb"^(\s*)print +(?!\()(.+)$", rb"\1print(\2)"))

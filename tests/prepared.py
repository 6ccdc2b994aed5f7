"""A process that runs tests, prepared for them; conftest.py loads it as a plugin.

Shape annotations are enforced under tests only; draws of hypothesis are the same on every machine but at night.
"""

import gc
import importlib
import multiprocessing.spawn
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import shape_checks
import torch
import warm_python
from browsers import CHROMIUM
from hypothesis import HealthCheck, settings
from nightly import NIGHTLY, often

# Annotations are read when a module is loaded, so nothing of the package may have been imported before this line.
assert "selfcontrast" not in sys.modules
shape_checks.install()

settings.register_profile(
    "ours",
    deadline=None,
    max_examples=often(25, nightly=10_000),
    derandomize=not NIGHTLY,
    # Another night draws others, so what failed is printed in a form that can be run again.
    print_blob=NIGHTLY,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("ours")
# Collecting makes nothing but what stays to the end.
gc.disable()


def pytest_collection_finish() -> None:
    """The garbage collector leaves modules and tests alone: to go over them each time takes long."""
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    """pytest collects garbage five times when all is over; what the first time leaves stays."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def same_numbers_in_any_order() -> None:
    """Without it the numbers of a test would depend on which ones ran before it in the same process."""
    # torch.manual_seed writes down the whole stack for a GPU that is not in use.
    torch.default_generator.manual_seed(0)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(0)


@pytest.fixture
def no_shape_checks(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """The package loaded once more without shape checks, which a graph cannot hold even when they are switched off."""
    for name in list(sys.modules):
        if name.partition(".")[0] == "selfcontrast":
            monkeypatch.delitem(sys.modules, name)
    hooks = [finder for finder in sys.meta_path if not type(finder).__module__.startswith("jaxtyping")]
    assert len(hooks) < len(sys.meta_path)
    monkeypatch.setattr(sys, "meta_path", hooks)
    yield importlib.import_module("selfcontrast")
    # Those loaded in between too, which the package imports only when they are asked for.
    for name in list(sys.modules):
        if name.partition(".")[0] == "selfcontrast":
            del sys.modules[name]
    # The compiler of torch 2.6 leaves their names in the test's own module.
    for name in [name for name in vars(request.module) if name.startswith("__import_selfcontrast")]:
        delattr(request.module, name)


@pytest.fixture(scope="module")
def quickly_spawned() -> Iterator[None]:
    """Spawned processes, which need not import torch first."""
    before = multiprocessing.spawn.get_executable()
    multiprocessing.set_executable(warm_python.python())
    yield
    multiprocessing.set_executable(before)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The browser of `browsers.py`; a test that asks for it is marked `needs_browser`."""
    # The library's own tests run where it is not installed.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def values_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the package believe that reading a value makes the host wait, as on an accelerator."""
    for name, module in list(sys.modules.items()):
        if name.startswith("selfcontrast") and isinstance(module, ModuleType) and hasattr(module, "values_are_free"):
            monkeypatch.setattr(module, "values_are_free", lambda _: False)


@pytest.fixture
def fresh_compiler() -> Iterator[None]:
    """Forget compiled graphs before and after, so that no test meets another's."""
    torch.compiler.reset()
    yield
    torch.compiler.reset()

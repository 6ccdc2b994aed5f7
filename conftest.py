"""Where tests run, tests/prepared.py prepares for them; a process that only shares them out imports nothing of it."""

import os
import tempfile
from importlib.util import find_spec

import pytest

# For the processes that this one starts: memory that is freed stays with them, as to ask the system for it anew takes
# long. They are as many as there are cores already: threads below them only fight each other.
os.environ |= {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "4294967296", "OMP_NUM_THREADS": "1"}

# What the processes of one run draw, count and compute once, away from the user's own; the first of them removes it.
if "PYTEST_XDIST_WORKER" not in os.environ:
    SHARED = tempfile.TemporaryDirectory(prefix="selfcontrast-tests-")
    os.environ |= {"SELFCONTRAST_TESTS": SHARED.name, "SELFCONTRAST_CACHE": os.path.join(SHARED.name, "cache")}

# Doctests are looked for in every module; two cannot be imported everywhere.
collect_ignore = [] if find_spec("triton") else ["selfcontrast/clustering/triton_kernels.py"]


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """The first that is called with the options known: conftest.py of other folders load the package."""
    config = pluginmanager.get_plugin("pytestconfig")
    assert config is not None
    asked = config.known_args_namespace
    shares_out = getattr(asked, "numprocesses", None) and not asked.collectonly
    if shares_out and "PYTEST_XDIST_WORKER" not in os.environ:
        return
    pluginmanager.import_plugin("prepared")
    import torch

    if not (torch.cuda.is_available() or os.environ.get("TRITON_INTERPRET")):
        # tests/clustering/test_triton_engine.py runs it in Triton's interpreter, in a process of its own.
        collect_ignore.append("tests/clustering/kernels_against_loops.py")

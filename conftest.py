"""Where tests run, tests/prepared.py prepares for them; a process that only shares them out imports nothing of it."""

import os
from importlib.util import find_spec

import pytest

# For the processes that this one starts: memory that is freed stays with them, as to ask the system for it anew takes
# long.
os.environ |= {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "4294967296"}

# Doctests are looked for in every module; two cannot be imported everywhere.
collect_ignore = [] if find_spec("triton") else ["selfcontrast/clustering/triton_kernels.py"]


def pytest_sessionstart(session: pytest.Session) -> None:
    plugins = session.config.pluginmanager
    if plugins.has_plugin("dsession"):
        return
    plugins.import_plugin("prepared")
    import torch

    if not (torch.cuda.is_available() or os.environ.get("TRITON_INTERPRET")):
        # tests/clustering/test_triton_engine.py runs it in Triton's interpreter, in a process of its own.
        collect_ignore.append("tests/clustering/kernels_against_loops.py")

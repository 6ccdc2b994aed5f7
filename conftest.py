"""Doctests are looked for in every module; two cannot be imported everywhere."""

import os
from importlib.util import find_spec

import torch

collect_ignore = [] if find_spec("triton") else ["selfcontrast/clustering/triton_kernels.py"]
if not (torch.cuda.is_available() or os.environ.get("TRITON_INTERPRET")):
    # tests/clustering/test_triton_engine.py runs it in Triton's interpreter, in a process of its own.
    collect_ignore.append("tests/clustering/kernels_against_loops.py")

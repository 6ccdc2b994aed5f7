"""Every module is searched for doctests; the one that imports Triton has none, and is left out where Triton is missing."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("triton") else ["selfcontrast/clustering/triton_kernels.py"]

"""Doctests are looked for in every module; without Triton, the one that imports it is left out."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("triton") else ["selfcontrast/clustering/triton_kernels.py"]

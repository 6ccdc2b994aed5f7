"""Versions, machine and commit, which every result file records."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch

from runtime.device import device_name


def environment() -> dict[str, str]:
    """What a result depends on besides its recipe."""
    packages = ("torch", "torchvision", "numpy", "selfcontrast")
    return {name: version(name) for name in packages} | {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "device": device_name(),
        "commit": _commit(),
    }


def _commit() -> str:
    """The commit of this checkout and whether files differ from it, or why there is none to name."""
    try:
        commit, changed = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
    except OSError:
        return "unknown, as git is not installed"
    return f"{commit}{' with uncommitted changes' if changed else ''}" if commit else "not a checkout"


def _git(*words: str) -> str:
    found = subprocess.run(["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return found.stdout.strip()

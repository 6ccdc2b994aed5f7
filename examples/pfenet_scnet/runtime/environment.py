"""Versions, machine and commit, which every result file records."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch


def environment() -> dict[str, str]:
    """What a result depends on besides its recipe."""
    here = Path(__file__).parent
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)
    packages = ("torch", "torchvision", "numpy", "selfcontrast")
    return {name: version(name) for name in packages} | {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "commit": commit.stdout.strip() or "not a checkout",
    }

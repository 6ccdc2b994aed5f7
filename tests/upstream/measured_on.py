"""What a file of figures says of how it came about."""

import os
import platform
import subprocess
import time
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]


def about(command: str, *also: str) -> dict[str, object]:
    """Date, command, commit, versions and machine; the commit is that of the package and of the folders in `also`."""
    run = {"cwd": ROOT, "capture_output": True, "text": True}
    commit = subprocess.run(["git", "rev-parse", "HEAD"], **run).stdout.strip()
    changed = subprocess.run(["git", "status", "--porcelain", "--", "selfcontrast", *also], **run).stdout.strip()
    return {
        "date": time.strftime("%Y-%m-%d"),
        "command": command,
        "commit": commit + (" with changes" if changed else ""),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": "cpu",
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "seed": 0,
    }

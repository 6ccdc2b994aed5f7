"""The one place that chooses a device: an NVIDIA GPU, else Apple's (MPS), else the processor."""

import os

import torch

CHOSEN = "SELFCONTRAST_DEVICE"


def best_device() -> torch.device:
    """The fastest device that is there, or the one that the environment's SELFCONTRAST_DEVICE names.

    Raises:
        ValueError: it names one that is not there.
    """
    there = _there()
    wanted = os.environ.get(CHOSEN) or there[0]
    if wanted not in there:
        raise ValueError(f"{CHOSEN}: expected one of {', '.join(there)}, got {wanted!r}; unset it or name one of these")
    return torch.device(wanted)


def device_name() -> str:
    """The device in words, for what a result records."""
    device = best_device().type
    return {"cuda": torch.cuda.get_device_name, "mps": lambda: "Apple GPU (MPS)", "cpu": lambda: "cpu"}[device]()


def _there() -> list[str]:
    """The kinds of device that torch can use, the fastest first."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [name for name, found in available.items() if found]

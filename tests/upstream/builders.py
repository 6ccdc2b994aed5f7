"""Every published model that `selfcontrast` has a preset for, built from the user's checkouts."""

from collections.abc import Callable
from pathlib import Path

import attention
import canet_family
import correlation
import cosine
import pfenet_family
import torch
from patches import on_cpu
from published import Published

BUILDERS: dict[str, tuple[str, Callable[[Path], Published]]] = {
    "pfenet": ("pfenet", pfenet_family.pfenet),
    "hpa": ("hpa", pfenet_family.hpa),
    "bam": ("bam", pfenet_family.bam),
    "scl": ("scl", pfenet_family.scl),
    "asgnet_pyramid": ("asgnet", pfenet_family.asgnet_pyramid),
    "asgnet_aspp": ("asgnet", pfenet_family.asgnet_aspp),
    "canet": ("canet", canet_family.canet),
    "pmms": ("pmms", canet_family.pmms),
    "rpmms": ("pmms", canet_family.rpmms),
    "sgone": ("sgone", cosine.sgone),
    "panet": ("panet", cosine.panet),
    "ppnet": ("ppnet", cosine.ppnet),
    "mlc": ("mlc", cosine.mlc),
    "ssp": ("ssp", cosine.ssp),
    "cyctr": ("cyctr", attention.cyctr),
    "sccan": ("sccan", attention.sccan),
    "hdmnet": ("hdmnet", attention.hdmnet),
    "hsnet": ("hsnet", correlation.hsnet),
}
"""Preset name to the checkout's folder below SELFCONTRAST_UPSTREAM and the builder that is given that folder."""


def build(name: str, checkouts: Path) -> Published:
    """Build one published model, the same weights and episode each time; run it inside `patches.on_cpu()` too."""
    folder, builder = BUILDERS[name]
    with on_cpu(), torch.random.fork_rng():
        torch.manual_seed(0)
        return builder(checkouts.resolve() / folder)

"""Every published model that `selfcontrast` has a preset for, built from the user's checkouts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import attention
import canet_family
import correlation
import cosine
import pfenet_family
import torch
from patches import on_cpu
from published import Published, Size

ONE_SHOT = (Size(2), Size(1))
ANY_SHOT = (*ONE_SHOT, Size(2, shots=5))


@dataclass(frozen=True)
class Builder:
    """Where a preset's published model comes from, and in which sizes its code trains.

    Attributes:
        folder: the checkout's name below SELFCONTRAST_UPSTREAM.
        make: given that folder and a size.
        sizes: those to run it in. Some networks train with one shot only, and have another or none for five.
    """

    folder: str
    make: Callable[[Path, Size], Published]
    sizes: tuple[Size, ...] = ONE_SHOT


BUILDERS = {
    "pfenet": Builder("pfenet", pfenet_family.pfenet, ANY_SHOT),
    "hpa": Builder("hpa", pfenet_family.hpa, ANY_SHOT),
    "bam": Builder("bam", pfenet_family.bam, ANY_SHOT),
    "scl": Builder("scl", pfenet_family.scl),
    "asgnet_pyramid": Builder("asgnet", pfenet_family.asgnet_pyramid, ANY_SHOT),
    "asgnet_aspp": Builder("asgnet", pfenet_family.asgnet_aspp, ANY_SHOT),
    "canet": Builder("canet", canet_family.canet),
    "pmms": Builder("pmms", canet_family.pmms),
    "rpmms": Builder("pmms", canet_family.rpmms),
    "sgone": Builder("sgone", cosine.sgone, (Size(1),)),
    "panet": Builder("panet", cosine.panet, ANY_SHOT),
    "ppnet": Builder("ppnet", cosine.ppnet, ANY_SHOT),
    "mlc": Builder("mlc", cosine.mlc, ANY_SHOT),
    "ssp": Builder("ssp", cosine.ssp, ANY_SHOT),
    "cyctr": Builder("cyctr", attention.cyctr, ANY_SHOT),
    "sccan": Builder("sccan", attention.sccan, ANY_SHOT),
    "hdmnet": Builder("hdmnet", attention.hdmnet, ANY_SHOT),
    "hsnet": Builder("hsnet", correlation.hsnet),
}


def build(name: str, checkouts: Path, size: Size | None = None) -> Published:
    """Build one published model, the same weights and episode each time; run it inside `patches.on_cpu()` too."""
    builder = BUILDERS[name]
    with on_cpu(), torch.random.fork_rng():
        torch.manual_seed(0)
        return builder.make(checkouts.resolve() / builder.folder, size or builder.sizes[0])

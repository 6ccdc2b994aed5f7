"""Every published model that `selfcontrast` has a preset for, built from the user's checkouts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import attention
import attention_followers
import canet_family
import correlation
import cosine
import cosine_followers
import pfenet_family
import pfenet_followers
import torch
import two_branches
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
    "mianet": Builder("mianet", pfenet_followers.mianet),
    "msanet": Builder("msanet", pfenet_followers.msanet, ANY_SHOT),
    # Its batch normalisation takes one value an episode.
    "pfenet2plus": Builder("pfenet2plus", pfenet_followers.pfenet2plus, (Size(2), Size(2, shots=5))),
    "qgnet": Builder("qgnet", pfenet_followers.qgnet, ANY_SHOT),
    "svf_bam": Builder("svf", pfenet_followers.svf_bam, ANY_SHOT),
    "svf_pfenet": Builder("svf", pfenet_followers.svf_pfenet, ANY_SHOT),
    "dcp": Builder("dcp", two_branches.dcp, ANY_SHOT),
    # Its inference takes one query at a time.
    "r2net": Builder("r2net", two_branches.r2net, (Size(1), Size(2), Size(2, shots=5))),
    "ntrenet": Builder("ntrenet", two_branches.ntrenet),
    "ipmt": Builder("ipmt", attention_followers.ipmt),
    "aenet_hdmnet": Builder("aenet", attention_followers.aenet_hdmnet, ANY_SHOT),
    "aenet_sccan": Builder("aenet", attention_followers.aenet_sccan, ANY_SHOT),
    "aenet_cyctr": Builder("aenet", attention_followers.aenet_cyctr, ANY_SHOT),
    "ifa": Builder("ifa", cosine_followers.ifa, ANY_SHOT),
    "qnet": Builder("qnet", cosine_followers.qnet, (Size(1), Size(1, shots=5))),
    "rpt": Builder("rpt", cosine_followers.rpt, (Size(1),)),
    "alpnet": Builder("alpnet", cosine_followers.alpnet, (Size(1), Size(1, shots=5))),
    "hsnet": Builder("hsnet", correlation.hsnet),
    "patnet": Builder("patnet", correlation.patnet),
    "fecanet": Builder("fecanet", correlation.fecanet),
    "capl": Builder("capl", correlation.capl, (Size(2),)),
}


def build(name: str, checkouts: Path, size: Size | None = None) -> Published:
    """Build one published model, the same weights and episode each time; run it inside `patches.on_cpu()` too."""
    builder = BUILDERS[name]
    with on_cpu(), torch.random.fork_rng():
        torch.manual_seed(0)
        return builder.make(checkouts.resolve() / builder.folder, size or builder.sizes[0])

"""Random choices that a graph can hold: uniforms come in as a tensor, the host is never asked."""

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from selfcontrast.errors import check_generator, require


def uniforms(shape: tuple[int, ...], like: Tensor, generator: Generator | None) -> Float[Tensor, "..."]:
    """Uniform numbers in [0, 1) on the device of `like`, drawn on the generator's own device.

    Without a generator they come from the device's global one, so `torch.manual_seed` repeats them, inside a compiled
    graph too.
    """
    check_generator(generator)
    require(
        generator is None or not torch.compiler.is_compiling(),
        "generator",
        "None inside a compiled graph, which cannot hold a generator",
        generator,
        "leave it out and call torch.manual_seed instead",
    )
    device = like.device if generator is None else generator.device
    return torch.rand(shape, generator=generator, device=device).to(like.device)


def pick(weights: Float[Tensor, "B N"], uniform: Float[Tensor, " B"]) -> Int[Tensor, " B"]:
    """One index a row, drawn in proportion to `weights` by inverting their cumulative sum.

    A row whose weights are all zero has nothing to draw; it yields its last index, which the caller must disregard.
    """
    cumulative = weights.cumsum(1)
    total = cumulative[:, -1]
    # Rounding may lift uniform * total up to total itself, which no index exceeds.
    threshold = torch.minimum(uniform.to(total.dtype) * total, torch.nextafter(total, torch.zeros_like(total)))
    index = torch.searchsorted(cumulative, threshold[:, None], right=True)[:, 0]
    return index.clamp(max=weights.shape[1] - 1)

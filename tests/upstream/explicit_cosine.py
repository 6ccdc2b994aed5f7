"""The self-contrastive logits of published cosine models, out of their own code: scaling, order and size are theirs.

In one forward the foreground prototype is overheard; in a second one the map takes its place, and it takes that of the
background's. Alignment with the support, which PANet and PPNet add in training, is off, so that calls can be counted.

Axes: B images, C channels, h x w the feature grid, H x W the mask.
"""

from typing import Any

import torch
from explicit_followers import FOLLOWERS
from published import Published
from torch import Tensor
from torch.overrides import TorchFunctionMode

from selfcontrast.contrast import SelfContrast


class _Exchange(TorchFunctionMode):
    """Counts calls of `cosine_similarity`; keeps their prototypes, and exchanges those that it is told to."""

    def __init__(self, others: dict[int, Tensor] | None = None) -> None:
        super().__init__()
        self.prototypes: list[Tensor] = []
        self._others = others or {}

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        if func is not torch.cosine_similarity:
            return func(*args, **(kwargs or {}))
        features, prototype = args
        prototype = self._others.get(len(self.prototypes), prototype)
        self.prototypes.append(prototype)
        return func(features, prototype, **(kwargs or {}))


def swapped_forward(published: Published, contrast: SelfContrast) -> tuple[Any, Tensor]:
    """What the published model returns for prototypes and map exchanged, and the logits in it, (B, 2, H, W)."""
    if published.name in FOLLOWERS:
        return FOLLOWERS[published.name](published, contrast)
    prototype_map = contrast.prototype_map
    images = prototype_map.split(1)
    if published.name in ("panet", "ppnet"):
        # Image by image: background first. PPNet's prototypes have parts, (1, parts, C, 1, 1).
        maps = [one if published.name == "panet" else one.unsqueeze(1) for one in images]
        prototypes = _overheard(published)
        foregrounds = {2 * image: prototypes[2 * image + 1] for image in range(len(maps))}
        return _returned(published, foregrounds | {2 * image + 1: one for image, one in enumerate(maps)})
    if published.name == "mlc":
        return _returned(published, {0: prototype_map, 1: _overheard(published)[0]})
    # SSP compares each support with its own two, then the query, then the query with its own: that is returned.
    first = 2 * len(published.arguments[0])
    return _returned(published, {first + 2: prototype_map, first + 3: _overheard(published)[first]})


def _overheard(published: Published) -> list[Tensor]:
    exchange = _Exchange()
    with exchange:
        _output(published)
    return exchange.prototypes


def _returned(published: Published, others: dict[int, Tensor]) -> tuple[Any, Tensor]:
    with _Exchange(others):
        output = _output(published)
    return output, output if isinstance(output, Tensor) else output[0]


def _output(published: Published) -> Any:
    model = published.model
    # The outermost flag decides over alignment alone; batch normalisation below stays as it is.
    model.training = published.name not in ("panet", "ppnet")
    try:
        return model(*published.arguments, **published.keywords)
    finally:
        model.training = True

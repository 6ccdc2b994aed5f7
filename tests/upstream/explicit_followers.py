"""The self-contrastive logits of IFA, Q-Net, RPT and ALPNet, out of their own code, as in explicit_cosine.py.

Calls are counted over a whole forward in training, the support's among them. ALPNet's alignment with the support is
off: it raises where no whole cell is predicted as background, and with the map none is.

Axes: B images, C channels, h x w the feature grid, H x W the mask, K regions.
"""

from collections.abc import Callable
from typing import Any

import torch
from published import Published
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from selfcontrast.contrast import SelfContrast


class _Calls(TorchFunctionMode):
    """Counts the calls of one function on tensors that are no parameters, and answers some of them otherwise."""

    def __init__(self, function: Any, answers: dict[int, Callable[[Tensor], Tensor]] | None = None) -> None:
        super().__init__()
        self._function, self._answers = function, answers or {}
        self.second: list[Tensor] = []
        self.features: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        if func is not self._function or isinstance(args[1], nn.Parameter):
            return func(*args, **(kwargs or {}))
        answer = self._answers.get(len(self.second))
        self.second.append(args[1])
        self.features.append(args[0])
        return func(*args, **(kwargs or {})) if answer is None else answer(args[0])


def _ifa(published: Published, contrast: SelfContrast) -> tuple[Any, Tensor]:
    """Two similarities for each support, the query's first two, then two that output 1 holds: these are exchanged.

    What the first two find the model keeps to itself, but scales and stacks them as it does those.
    """
    first = 2 * len(published.arguments[0])
    foreground = _heard(published, torch.cosine_similarity).second[first]
    answers = {first + 2: _cosine(contrast.prototype_map), first + 3: _cosine(foreground)}
    output = _forward(published, torch.cosine_similarity, answers)
    return output, output[1]


def _qnet(published: Published, contrast: SelfContrast) -> tuple[Any, Tensor]:
    """One similarity at each of two scales, the shallower first, then the support's."""
    deeper = _heard(published, torch.cosine_similarity).features[1]
    maps = contrast.prototype_map, _other_map(contrast, deeper)
    output = _forward(published, torch.cosine_similarity, {scale: _cosine(one) for scale, one in enumerate(maps)})
    return output, output[0].log()


def _rpt(published: Published, contrast: SelfContrast) -> tuple[Any, Tensor]:
    """Two similarities of the support, the coarse one, three rounds of one, and the one that is returned."""
    output = _forward(published, torch.cosine_similarity, {6: _cosine(contrast.prototype_map)})
    return output, output[0].log()


def _alpnet(published: Published, contrast: SelfContrast) -> tuple[Any, Tensor]:
    """A convolution with the background's prototypes, and one with the foreground's."""
    foreground = _heard(published, torch.conv2d).second[1]
    unit = F.normalize(contrast.prototype_map)
    answers: dict[int, Callable[[Tensor], Tensor]] = {
        0: lambda features: F.conv2d(features, foreground),
        1: lambda features: (features * unit).sum(1, keepdim=True),
    }
    published.model.training = False
    try:
        output = _forward(published, torch.conv2d, answers)
    finally:
        published.model.training = True
    return output, output[0]


FOLLOWERS: dict[str, Callable[[Published, SelfContrast], tuple[Any, Tensor]]] = {
    "ifa": _ifa,
    "qnet": _qnet,
    "rpt": _rpt,
    "alpnet": _alpnet,
}


def _cosine(prototype: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda features: torch.cosine_similarity(features, prototype, dim=1)


def _heard(published: Published, function: Any) -> _Calls:
    with _Calls(function) as calls:
        published.model(*published.arguments, **published.keywords)
    return calls


def _forward(published: Published, function: Any, answers: dict[int, Callable[[Tensor], Tensor]]) -> Any:
    with _Calls(function, answers):
        return published.model(*published.arguments, **published.keywords)


def _other_map(contrast: SelfContrast, features: Tensor) -> Tensor:
    """The map (B, C, h, w) of a coarser scale: what is drawn for the foreground at the first scale stands there too."""
    size = (features.shape[2], features.shape[3])
    regions = F.interpolate(contrast.regions.float(), size, mode="nearest-exact")
    pooled = torch.einsum("bkhw,bchw->bkc", regions, features) / regions.sum((2, 3)).clamp(min=1)[..., None]
    differs = (contrast.prototype_map[:, None] - contrast.prototypes[..., None, None]).abs().sum(2)
    held = F.interpolate(differs.argmin(1)[:, None].float(), size, mode="nearest-exact")[:, 0].long()
    return torch.stack([own[cells].movedim(2, 0) for own, cells in zip(pooled, held, strict=True)])

"""The heads of several cells as one model: each of its convolutions is those of all cells, in as many groups.

A head this small leaves a GPU idle: a step takes the time that the host needs to start its operations. Side by side the
cells share those. Dropout, pooling, clustering and whatever else has no weights need no change, since a batch merely
holds more episodes; so the objectives need none either.

Axes: G cells, B episodes of each. A batch is (G·B, ...), the first cell's episodes first.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from model.backbone import Backbone
from model.pfenet import Logits, PFENet
from torch import Tensor, nn


class GroupedConvolution(nn.Module):
    """The same convolution of each cell, with that cell's weights on that cell's maps.

    >>> one, other = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
    >>> maps = torch.rand(2, 3, 5, 5)
    >>> both = GroupedConvolution([one, other])(maps)
    >>> torch.allclose(both, torch.cat([one(maps[:1]), other(maps[1:])]), atol=1e-6)
    True
    """

    def __init__(self, convolutions: Sequence[nn.Conv2d]) -> None:
        super().__init__()
        self.cells = len(convolutions)
        self.padding = convolutions[0].padding
        self.weight = nn.Parameter(torch.cat([one.weight.detach() for one in convolutions]))
        biases = [one.bias.detach() for one in convolutions if one.bias is not None]
        self.bias = nn.Parameter(torch.cat(biases)) if biases else None

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (G·B, C, h, w) to (G·B, D, h, w)."""
        grouped = maps.unflatten(0, (self.cells, -1)).transpose(0, 1).flatten(1, 2)
        convolved = F.conv2d(grouped, self.weight, self.bias, padding=self.padding, groups=self.cells)
        return convolved.unflatten(1, (self.cells, -1)).transpose(0, 1).flatten(0, 1)

    @torch.no_grad()
    def hand_back(self, convolutions: Sequence[nn.Conv2d]) -> None:
        """Copy each cell's weights into its own convolution."""
        for index, one in enumerate(convolutions):
            one.weight.copy_(self.weight.chunk(self.cells)[index])
            if one.bias is not None and self.bias is not None:
                one.bias.copy_(self.bias.chunk(self.cells)[index])


class SideBySide(PFENet):
    """The heads of several models, without a backbone: its features are given.

    Args:
        models: of equal shapes; this model begins with their weights.
    """

    def __init__(self, models: Sequence[PFENet]) -> None:
        reducer = models[0].down_query[0]
        super().__init__(without_backbone(reducer.in_channels), reducer.out_channels, models[0].scales)
        self.cells = len(models)
        for name in self._convolutions():
            self.set_submodule(name, GroupedConvolution([one.get_submodule(name) for one in models]))

    def _convolutions(self) -> list[str]:
        kinds = (nn.Conv2d, GroupedConvolution)
        return [name for name, module in self.named_modules() if isinstance(module, kinds)]

    def loss(self, logits: Logits, mask: Tensor) -> Tensor:
        """The sum of the cells' losses, each the mean over its own labelled pixels."""
        grouped, masks = (one.unflatten(0, (self.cells, -1)) for one in logits), mask.unflatten(0, (self.cells, -1))
        return torch.vmap(PFENet.loss)(tuple(grouped), masks).sum()

    def hand_back(self, models: Sequence[PFENet]) -> None:
        """Copy each cell's weights into its own model."""
        for name in self._convolutions():
            self.get_submodule(name).hand_back([one.get_submodule(name) for one in models])


def without_backbone(mid_channels: int) -> Backbone:
    """A backbone that computes nothing, of a model that is given features alone."""
    nothing = nn.Identity()
    return Backbone((nothing, nothing, nothing, nothing, nothing), mid_channels)

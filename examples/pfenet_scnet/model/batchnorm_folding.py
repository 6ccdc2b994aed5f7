"""Fold frozen batch normalisation into the convolution before it, which saves a pass over the activations for each.

Modules keep their places, names, parameters and buffers, so state_dicts, hooks and copies work as before. The weights
are scaled in every call: that costs far less than a pass over the activations, and they can never be out of date.
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


class FoldingConvolution(nn.Conv2d):
    """A convolution that also normalises, while the batch normalisation behind it is in eval mode."""

    # In a tuple, so that nn.Module does not register it a second time in the state_dict.
    normalisation: "tuple[FoldedNormalisation]"

    def forward(self, input: Tensor) -> Tensor:
        (norm,) = self.normalisation
        if norm.training:
            return super().forward(input)
        statistics = norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        return self._conv_forward(input, *fuse_conv_bn_weights(self.weight, self.bias, *statistics))


class FoldedNormalisation(nn.BatchNorm2d):
    """A batch normalisation that leaves its work to the convolution before it, unless its statistics are live."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) if self.training else input


def fold(layer: nn.Module) -> None:
    """Fold, in place, each batch normalisation whose module comes right behind that of a plain convolution.

    Meant for frozen layers: folded weights carry no gradient.

    >>> layer = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU()).eval()
    >>> fold(layer)
    >>> [type(module).__name__ for module in layer]
    ['FoldingConvolution', 'FoldedNormalisation', 'ReLU']
    """
    leaves = [module for module in layer.modules() if not list(module.children())]
    for convolution, norm in pairwise(leaves):
        # Exact types: a convolution that also pads, or another normalisation, does more than is folded here.
        if type(convolution) is nn.Conv2d and type(norm) is nn.BatchNorm2d:
            # torch's parametrize changes existing modules in the same way.
            convolution.__class__, norm.__class__ = FoldingConvolution, FoldedNormalisation
            convolution.normalisation = (norm,)

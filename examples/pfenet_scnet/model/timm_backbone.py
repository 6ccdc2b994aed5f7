"""Backbones from timm, under the name `timm:NAME`: pyramids of convolutions, as ConvNeXt's, and vision transformers.

A pyramid is cut where its last four stages end. A transformer's blocks are cut into quarters: its mid-level features
are those after a half and after three quarters, its high-level features the last. timm itself downloads weights.
"""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from model.backbone import Backbone, check_size
from model.timm_models import PREFIX, check_timm_name, created, no_layers
from model.token_grid import TokenGrid

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Modules of timm whose models are plain vision transformers; of Eva's kind are DINOv3's.
TRANSFORMERS = ("timm.models.vision_transformer", "timm.models.eva", "timm.models.deit")


def build_timm_backbone(backbone: str, weights: str | None) -> Backbone:
    """The five layers of `timm:NAME`.

    Args:
        backbone: its name with the prefix, and with a tag where timm has several weights of the model.
        weights: "imagenet" for the weights that timm downloads, whatever they were trained on; a file; or None.

    Raises:
        ValueError: timm has no such model, no weights of it, or one that cannot be cut into layers.
        OSError: the weights could not be downloaded.
    """
    check_timm_name(backbone)
    from timm.models import model_entrypoint

    name = backbone.removeprefix(PREFIX)
    kind = model_entrypoint(name.partition(".")[0]).__module__
    return _transformer(name, weights) if kind in TRANSFORMERS else _pyramid(name, weights)


def _pyramid(name: str, weights: str | None) -> Backbone:
    """Layers that end where the last four stages do; the last stage keeps the grid of the one before it."""
    from timm.models._features import FeatureListNet

    model = created(name, weights, features_only=True, output_stride=16)
    if type(model) is not FeatureListNet or len(model.return_layers) < 4:
        raise no_layers(name)
    modules, ends = list(model.values()), [list(model).index(stage) + 1 for stage in list(model.return_layers)[-4:]]
    cuts = [ends[0] - 1, *ends]
    layers = [nn.Sequential(*modules[first:last]) for first, last in pairwise([0, *cuts])]
    layers[0].insert(0, _Renormalisation(model.pretrained_cfg))
    second, third = model.feature_info.channels()[-3:-1]
    return Backbone(tuple(layers), second + third)


def _transformer(name: str, weights: str | None) -> Backbone:
    """The embedding and four quarters of the blocks."""
    model = created(name, weights, num_classes=0, dynamic_img_size=True)
    model.reset_classifier(0, "")
    blocks, model.blocks = list(model.blocks), nn.ModuleList()
    patch, mixed = int(model.patch_embed.patch_size[0]), bool(getattr(model, "rope_mixed", False))
    cuts = [round(len(blocks) * quarter / 4) for quarter in range(5)]
    quarters = [_Blocks(blocks[first:last], first if mixed else None) for first, last in pairwise(cuts)]
    embedding = nn.Sequential(_Renormalisation(model.pretrained_cfg), _Embedding(model, patch))
    return Backbone((embedding, *quarters[:3], nn.Sequential(quarters[3], _Maps())), 2 * model.embed_dim, patch)


class _Renormalisation(nn.Module):
    """From images normalised by ImageNet's mean and deviation to those that the model was trained on."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        (old_mean, old_std), (mean, std) = (
            (torch.tensor(one).view(3, 1, 1) for one in pair)
            for pair in ((IMAGENET_MEAN, IMAGENET_STD), (config["mean"], config["std"]))
        )
        # Part of the weights, so that a run and a cache of features know which images the model saw.
        self.register_buffer("factor", old_std / std)
        self.register_buffer("shift", (old_mean - mean) / std)

    def forward(self, images: Tensor) -> Tensor:
        return images * self.factor + self.shift


class _Embedding(nn.Module):
    """Images to tokens with their positions, by a transformer that has lent its blocks."""

    def __init__(self, model: nn.Module, patch: int) -> None:
        super().__init__()
        self.model, self.patch = model, patch

    def forward(self, images: Tensor) -> TokenGrid:
        for side in images.shape[2:]:
            check_size(side, self.patch)
        placed = self.model._pos_embed(self.model.patch_embed(images))
        tokens, rotary = placed if isinstance(placed, tuple) else (placed, None)
        size = images.shape[2] // self.patch, images.shape[3] // self.patch
        return TokenGrid(self.model.norm_pre(tokens), size, rotary, self.model.norm)


class _Blocks(nn.Sequential):
    """Consecutive blocks; `first` is the place of the first one where each has rotary positions of its own."""

    def __init__(self, blocks: list[nn.Module], first: int | None) -> None:
        super().__init__(*blocks)
        self.first = first

    def forward(self, input: TokenGrid) -> TokenGrid:
        tokens = input.tokens
        for place, block in enumerate(self):
            if input.rotary is None:
                tokens = block(tokens)
            else:
                own = input.rotary if self.first is None else input.rotary[self.first + place]
                tokens = block(tokens, rope=own)
        return TokenGrid(tokens, input.size, input.rotary, input.norm)


class _Maps(nn.Module):
    def forward(self, tokens: TokenGrid) -> Tensor:
        return tokens.maps

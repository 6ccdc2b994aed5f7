"""HDMNet's imports from mmcv 1.x and mmsegmentation 0.x, answered by mmcv-lite 2 and mmengine: 1.x no longer builds."""

from types import ModuleType
from typing import Any

from torch import Tensor
from torch.nn import functional as F


def mmcv_1() -> dict[str, ModuleType]:
    """The modules under their old names."""
    from mmcv.cnn.bricks.transformer import PatchEmbed
    from mmengine import model

    # Only the weights' initialisers and the base classes moved house; PatchEmbed went from mmsegmentation to mmcv.
    return {
        "mmcv.runner": _module("mmcv.runner", **vars(model)),
        "mmcv.cnn.utils.weight_init": _module("mmcv.cnn.utils.weight_init", **vars(model)),
        "mmseg": _module("mmseg"),
        "mmseg.models": _module("mmseg.models"),
        "mmseg.models.utils": _module(
            "mmseg.models.utils", PatchEmbed=PatchEmbed, nchw_to_nlc=_grid_to_tokens, nlc_to_nchw=_tokens_to_grid
        ),
        "mmseg.ops": _module("mmseg.ops", resize=_resize),
    }


def _module(name: str, **members: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update({key: member for key, member in members.items() if not key.startswith("__")})
    return module


def _grid_to_tokens(grid: Tensor) -> Tensor:
    return grid.flatten(2).transpose(1, 2).contiguous()


def _tokens_to_grid(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    return tokens.transpose(1, 2).unflatten(2, size).contiguous()


def _resize(grid: Tensor, size: tuple[int, int], mode: str = "nearest", align_corners: bool | None = None) -> Tensor:
    return F.interpolate(grid, size=tuple(size), mode=mode, align_corners=align_corners)

"""Models whose comparison goes on in a transformer: HDMNet, SCCAN and CyCTR."""

import importlib
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest import mock

import torch
from mmcv_1 import mmcv_1
from patches import importing, untrained
from published import Episode, Published, Size, episode, still_batchnorm
from torch import Tensor

PIXELS = 129


def hdmnet(folder: Path, size: Size) -> Published:
    """HDMNet with both learners; the base learner's weights, a file of the authors, are random too."""
    with importing(folder, stand_ins=mmcv_1()):
        module = importlib.import_module("model.HDMNet")
    settings = _settings(size, pre_weight="")
    with untrained(module.models, "resnet50"):
        base = module.PSPNet(settings).state_dict()
        with mock.patch.object(torch, "load", return_value={"state_dict": base}):
            model = module.OneModel(settings, cls_type="Base")
    model.freeze_modules(model)
    model.train()
    still_batchnorm(list(model.modules()))
    given = episode(PIXELS, size)
    base_mask = torch.where(given.mask == 1, 3, given.mask)
    keywords = _keywords(given) | {"y_m": given.mask, "y_b": base_mask, "cat_idx": [torch.full((size.batch,), 2)]}
    return Published("hdmnet", model, (), keywords, given.mask, _three_losses)


def sccan(folder: Path, size: Size) -> Published:
    """SCCAN; its comparison is fixed to a grid of 64 x 64 whatever the image's size."""
    with importing(folder, ("torchvision.models.utils",)):
        module = importlib.import_module("model.SCCAN")
        backbones = importlib.import_module("model.backbone_utils")
    with _untrained_backbone(backbones):
        model = module.OneModel(_settings(size))
    # Eight alike blocks on that grid take half a minute a step; two hold all that is compared here.
    del model.transformer.layers[0].blocks[2:]
    model.freeze_modules(model)
    model.train()
    still_batchnorm(list(model.modules()))
    given = episode(PIXELS, size)
    keywords = _keywords(given) | {"y_m": given.mask, "cat_idx": [torch.full((size.batch,), 2)]}
    return Published("sccan", model, (), keywords, given.mask, _three_losses)


def cyctr(folder: Path, size: Size) -> Published:
    """CyCTR at its recipes' 256 channels; its CUDA extension gives way to the repository's own function in PyTorch."""
    with importing(folder, ("torchvision.models.utils", "cv2", "MultiScaleDeformableAttention")):
        module = importlib.import_module("model.CyCTR")
        backbones = importlib.import_module("model.backbone_utils")
        deformable = importlib.import_module("model.ops.modules.ms_deform_attn")
        functions = importlib.import_module("model.ops.functions.ms_deform_attn_func")

    def attend(value: Tensor, shapes: Tensor, _start: Tensor, places: Tensor, weights: Tensor, _step: int) -> Tensor:
        return functions.ms_deform_attn_core_pytorch(value, shapes.tolist(), places, weights)

    deformable.MSDeformAttnFunction = SimpleNamespace(apply=attend)
    with _untrained_backbone(backbones):
        model = module.CyCTR(layers=50, shot=size.shots, reduce_dim=256)
    model.train()
    given = episode(PIXELS, size)
    padding = torch.zeros_like(given.mask)
    keywords = _keywords(given) | {
        "y": given.mask,
        "padding_mask": padding,
        "s_padding_mask": torch.zeros_like(given.support_mask),
    }
    return Published("cyctr", model, (), keywords, given.mask, lambda output: output[1] + output[2])


def _three_losses(output: tuple[Tensor, ...]) -> Tensor:
    """The losses are formed inside the forward; the scripts' two auxiliary weights are 1."""
    _, main, first, second = output
    return main + first + second


def _untrained_backbone(backbones: ModuleType) -> AbstractContextManager[object]:
    constructor, _ = backbones.resnets_dict["resnet50"]
    return mock.patch.dict(backbones.resnets_dict, {"resnet50": (constructor, "")})


def _keywords(given: Episode) -> dict[str, object]:
    return {"x": given.query, "s_x": given.support, "s_y": given.support_mask}


def _settings(size: Size, **more: object) -> SimpleNamespace:
    return SimpleNamespace(
        layers=50, zoom_factor=8, shot=size.shots, vgg=False, data_set="pascal", ignore_label=255, print_freq=10,
        low_fea="layer2", kshot_trans_dim=2, **more,
    )  # fmt: skip

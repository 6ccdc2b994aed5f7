"""What followed CyCTR, SCCAN and HDMNet: IPMT, and AENet in each of the three."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from attention import _untrained_backbone
from mmcv_1 import mmcv_1
from patches import importing, mended, untrained
from published import Episode, Published, Size, episode, still_batchnorm
from torch import Tensor

PIXELS = 129
GRID = 17


def ipmt(folder: Path, size: Size) -> Published:
    """IPMT at its recipe's 384 channels; its CUDA extension gives way to the repository's own function in PyTorch."""
    # As published the network imports a class under another name, and its transformer returns a mask where the next
    # layer takes the query's features; its grid is written down for 473 pixels.
    faults = (
        (rb"class CyCTransformer\b", b"class IPMTransformer"),
        (rb"super\(CyCTransformer\b", b"super(IPMTransformer"),
        (rb"(?<=\n)( +)out = qry_outputs_mask_list\[-1\].clone\(\)", rb"\1out = [q.transpose(1, 2).view(x[0].shape)]"),
        (rb"\bh ?= ?60\b", f"h={GRID}".encode()),
        (rb"\bw ?= ?60\b", f"w={GRID}".encode()),
    )
    with importing(folder, ("torchvision.models.utils", "MultiScaleDeformableAttention")), mended(*faults):
        module = importlib.import_module("model.IPMTnetwork")
        backbones = importlib.import_module("model.backbone_utils")
        _attend_in_pytorch()
    with _untrained_backbone(backbones):
        model = module.IPMTnetwork(layers=50, shot=size.shots, reduce_dim=384, with_transformer=True)
    model.train()
    given = episode(PIXELS, size)
    keywords = _keywords(given) | {"y": given.mask}
    return Published("ipmt", model, (), keywords, given.mask, lambda output: output[1] + output[2])


def aenet_hdmnet(folder: Path, size: Size) -> Published:
    """AENet in HDMNet."""
    with importing(folder / "HDMNet", stand_ins=mmcv_1()):
        module = importlib.import_module("model.HDMNetPlus")
    settings = _settings(size, pre_weight="")
    with _random_base_learner(module, settings):
        model = module.OneModel(settings, cls_type="Base")
    published = _as_aenet_trains("aenet_hdmnet", model, size)
    published.keywords["y_b"] = torch.where(published.mask == 1, 3, published.mask)
    return published


def aenet_sccan(folder: Path, size: Size) -> Published:
    """AENet in SCCAN; its comparison is fixed to a grid of 64 x 64 whatever the image's size."""
    with importing(folder / "SCCAN_CyCTR", ("torchvision.models.utils",)):
        module = importlib.import_module("model.SCCANPlus")
    settings = _settings(size)
    with _random_base_learner(module, settings):
        model = module.OneModel(settings)
    # Eight alike blocks on that grid take half a minute a step; two hold all that is compared here.
    del model.transformer.layers[0].blocks[2:]
    return _as_aenet_trains("aenet_sccan", model, size)


def aenet_cyctr(folder: Path, size: Size) -> Published:
    """AENet in CyCTR; no published script gives it its padding masks, which are empty here as in CyCTR's tests."""
    with importing(folder / "SCCAN_CyCTR", ("torchvision.models.utils", "cv2", "MultiScaleDeformableAttention")):
        module = importlib.import_module("model.CyCTRPlus")
        _attend_in_pytorch()
    settings = _settings(size)
    with _random_base_learner(module, settings):
        model = module.OneModel(settings)
    published = _as_aenet_trains("aenet_cyctr", model, size)
    published.keywords["padding_mask"] = torch.zeros_like(published.mask)
    published.keywords["s_padding_mask"] = torch.zeros_like(published.keywords["s_y"])
    return published


def _as_aenet_trains(name: str, model: Any, size: Size) -> Published:
    model.freeze_modules(model)
    model.train()
    still_batchnorm(list(model.modules()))
    given = episode(PIXELS, size)
    keywords = _keywords(given) | {"y_m": given.mask, "cat_idx": [torch.full((size.batch,), 2)]}
    return Published(name, model, (), keywords, given.mask, lambda output: output[1] + output[2] + output[3])


def _attend_in_pytorch() -> None:
    deformable = importlib.import_module("model.ops.modules.ms_deform_attn")
    functions = importlib.import_module("model.ops.functions.ms_deform_attn_func")

    def attend(value: Tensor, shapes: Tensor, _start: Tensor, places: Tensor, weights: Tensor, _step: int) -> Tensor:
        return functions.ms_deform_attn_core_pytorch(value, shapes.tolist(), places, weights)

    deformable.MSDeformAttnFunction = SimpleNamespace(apply=attend)


@contextmanager
def _random_base_learner(module: Any, settings: SimpleNamespace) -> Iterator[None]:
    """The base learner's weights, a file of the authors, are random."""
    with untrained(importlib.import_module("model.PSPNet").models, "resnet50"):
        weights = module.PSPNet(settings).state_dict()
        with mock.patch.object(torch, "load", return_value={"state_dict": weights}):
            yield


def _keywords(given: Episode) -> dict[str, object]:
    return {"x": given.query, "s_x": given.support, "s_y": given.support_mask}


def _settings(size: Size, **more: object) -> SimpleNamespace:
    return SimpleNamespace(
        layers=50, zoom_factor=8, shot=size.shots, vgg=False, data_set="pascal", ignore_label=255, print_freq=10,
        split=0, low_fea="layer2", kshot_trans_dim=2, **more,
    )  # fmt: skip

"""PFENet and what was built on its code: HPA's baseline, BAM, SCL and ASGNet."""

import importlib
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import torch
from patches import importing, untrained
from published import Episode, Published, Size, episode, freeze, still_batchnorm
from torch import Tensor, nn

PIXELS = 129
# The published bins are 60, 30, 15 and 8 on a 60 x 60 grid; 129 pixels give a grid of 17 x 17, the first bin again.
BINS = [17, 9, 5, 3]


def pfenet(folder: Path, size: Size) -> Published:
    """PFENet, ResNet-50; its script leaves the frozen backbone's BatchNorm live."""
    with importing(folder, ("cv2",)):
        module = importlib.import_module("model.PFENet")
    model = module.PFENet(layers=50, pretrained=False, shot=size.shots, ppm_scales=BINS)
    return _as_pfenet_trains("pfenet", model, size)


def scl(folder: Path, size: Size) -> Published:
    """SCL on PFENet, the one-shot network."""
    with importing(folder / "SCL_PFENet", ("cv2",)):
        module = importlib.import_module("model.PFENet_SCL_1shot")
    model = module.PFENet(layers=50, pretrained=False, shot=size.shots, ppm_scales=BINS)
    return _as_pfenet_trains("scl", model, size)


def hpa(folder: Path, size: Size) -> Published:
    """HPA's baseline; the repository holds no training script, its README sends readers to BAM's."""
    with importing(folder, ("cv2",)):
        module = importlib.import_module("model.baseline")
    with untrained(module.models, "resnet50"):
        model = module.OneModel(_settings(size), cls_type="Base")
    freeze(*_backbone(model))
    model.train()
    still_batchnorm(list(model.modules()))
    given = episode(PIXELS, size)
    return Published("hpa", model, (), _keywords(given) | {"y": given.mask}, given.mask, _main_and_auxiliary)


def bam(folder: Path, size: Size) -> Published:
    """BAM with both learners; the base learner's weights, a file of the authors, are random too."""
    with importing(folder, ("cv2", "util.util")):
        module = importlib.import_module("model.BAM")
    settings = _settings(size)
    with untrained(module.models, "resnet50"):
        base = module.PSPNet(settings).state_dict()
        with mock.patch.object(torch, "load", return_value={"state_dict": base}):
            model = module.OneModel(settings, cls_type="Base")
    model.freeze_modules(model)
    model.train()
    still_batchnorm(list(model.modules()))
    given = episode(PIXELS, size)
    base_mask = torch.where(given.mask == 1, 3, given.mask)
    classes = [torch.full((size.batch,), 2)]
    keywords = _keywords(given) | {"y_m": given.mask, "y_b": base_mask, "cat_idx": classes}
    return Published("bam", model, (), keywords, given.mask, lambda output: output[1] + output[2] + output[3])


def asgnet_pyramid(folder: Path, size: Size) -> Published:
    """ASGNet with PFENet's pyramid after the comparison: all its published recipes."""
    return _asgnet("asgnet_pyramid", folder, size, pyramid=True)


def asgnet_aspp(folder: Path, size: Size) -> Published:
    """ASGNet with ASPP and decoder, an option of its code that none of its published recipes takes."""
    return _asgnet("asgnet_aspp", folder, size, pyramid=False)


def _asgnet(name: str, folder: Path, size: Size, *, pyramid: bool) -> Published:
    with importing(folder):
        module = importlib.import_module("model.asgnet")
    settings = SimpleNamespace(
        layers=50, classes=2, sync_bn=False, zoom_factor=8, shot=size.shots, train_iter=10, eval_iter=5,
        pyramid=pyramid, ppm_scales=BINS,
    )  # fmt: skip
    with untrained(module.models, "resnet50"):
        model = module.Model(settings)
    published = _as_pfenet_trains(name, model, size)
    # Three seeds of superpixels on the support's grid, rows then columns, inside every support's box.
    seeds = torch.tensor([[[[6, 6], [9, 7], [8, 5], [0, 0], [0, 0]]]]).repeat(size.batch, size.shots, 1, 1)
    published.keywords["s_seed"] = seeds
    return published


def _as_pfenet_trains(name: str, model: nn.Module, size: Size) -> Published:
    freeze(*_backbone(model))
    model.train()
    given = episode(PIXELS, size)
    return Published(name, model, (), _keywords(given) | {"y": given.mask}, given.mask, _main_and_auxiliary)


def _main_and_auxiliary(output: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """The losses are formed inside the forward; the scripts' `aux_weight` is 1."""
    _, main, auxiliary = output
    return main + auxiliary


def _keywords(given: Episode) -> dict[str, object]:
    return {"x": given.query, "s_x": given.support, "s_y": given.support_mask}


def _backbone(model: nn.Module) -> list[nn.Module]:
    return [model.get_submodule(f"layer{index}") for index in range(5)]


def _settings(size: Size) -> SimpleNamespace:
    return SimpleNamespace(
        layers=50, zoom_factor=8, shot=size.shots, vgg=False, data_set="pascal", ignore_label=255, print_freq=10,
        split=0, low_fea="layer2", kshot_trans_dim=2,
    )  # fmt: skip

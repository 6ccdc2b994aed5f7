"""What followed PFENet and BAM on their code: MIANet, MSANet, PFENet++, QGNet, and SVF in both of them."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from patches import importing, untrained
from pfenet_family import BINS, PIXELS
from published import Episode, Published, Size, episode, freeze, still_batchnorm
from torch import nn

from selfcontrast import Host
from selfcontrast.attach.presets.pfenet_family import PFENET_FAMILY

BACKBONE = [f"layer{index}" for index in range(5)]


def mianet(folder: Path, size: Size) -> Published:
    """MIANet, ResNet-50, whose script leaves BatchNorm live; its word vectors, a file of the authors, are random."""
    with importing(folder, ("cv2",)):
        module = importlib.import_module("model.mianet")
        psp = importlib.import_module("model.PSPNet")
    words = torch.randn(21, 300)
    vars(module)["load_obj"] = lambda _: words
    settings = _settings(size)
    with _random_base_learner(psp, settings):
        model = module.MIANet(settings, shot=size.shots, ppm_scales=BINS)
    freeze(*(model.get_submodule(name) for name in BACKBONE))
    model.train()
    given = episode(PIXELS, size)
    keywords = _keywords(given) | {"y": given.mask, "class_chosen": torch.arange(1, 1 + size.batch)}
    return Published("mianet", model, (), keywords, given.mask, lambda output: output[1] + output[2] + output[3].mean())


def msanet(folder: Path, size: Size) -> Published:
    """MSANet, ResNet-50; its repository's training script is another model's, so it is trained as BAM, its origin."""
    with importing(folder, ("cv2", "util.util")):
        module = importlib.import_module("model.MSANet")
        psp = importlib.import_module("model.PSPNet")
    settings = _settings(size)
    with _random_base_learner(psp, settings):
        model = module.OneModel(settings, cls_type="Base")
    model.freeze_modules(model)
    return _as_bam_trains("msanet", model, size)


def pfenet2plus(folder: Path, size: Size) -> Published:
    """PFENet++, ResNet-50, with the options of its published configurations."""
    with importing(folder, ("cv2",)):
        module = importlib.import_module("model.PFENet2Plus")
    options = SimpleNamespace(
        train_h=473, down_size=2, query_down_size=1, use_mid_nsm=True, multi_nsm=False, strided_theta=False,
        concat_mid=False, real_multi_supp=False, msnsm_bins=[], multi_ch=[],
        multi_scales=[1, 3, 5], paddings=[0, 1, 2], mid_multi_scales=[1, 3, 5], mid_paddings=[0, 1, 2],
    )  # fmt: skip
    # It knows the places of half a grid of 473 or 417 pixels only; 129 pixels give 8 x 8.
    with mock.patch.object(module, "NSM", partial(_at, places=8 * 8, suppression=module.NSM)):
        model = module.PFENet2Plus(pretrained=False, shot=size.shots, ppm_scales=BINS, args=options)
    backbone = [model.get_submodule(name) for name in BACKBONE]
    freeze(*backbone)
    model.train()
    for layer in backbone:
        layer.eval()
    return _with_scales("pfenet2plus", model, size)


def qgnet(folder: Path, size: Size) -> Published:
    """QGNet on PFENet, with a second backbone that its authors train without labels; its script freezes the first."""
    with importing(folder, ("cv2",)):
        module = importlib.import_module("model.PFENet_QGNet")
    # It loads weights whether asked to or not.
    with mock.patch.object(torch, "load", return_value={}):
        model = module.PFENet(pretrained=False, shot=size.shots, ppm_scales=BINS)
    freeze(*(model.get_submodule(name) for name in BACKBONE))
    model.train()
    return _with_scales("qgnet", model, size)


def svf_bam(folder: Path, size: Size) -> Published:
    """BAM whose backbone learns the singular values of its convolutions."""
    with importing(folder, ("cv2", "util.util", "torchvision.models.utils")):
        module = importlib.import_module("model.BAM")
        psp = importlib.import_module("model.module.PSPNet")
    settings = _settings(size)
    with _random_base_learner(psp, settings):
        model = module.OneModel(settings, cls_type="Base")
    model.svf_modules(model)
    return _as_bam_trains("svf_bam", model, size, host="bam")


def svf_pfenet(folder: Path, size: Size) -> Published:
    """PFENet whose backbone learns the singular values of its convolutions; the mask's name is BAM's."""
    with importing(folder, ("cv2", "util.util", "torchvision.models.utils")):
        module = importlib.import_module("model.pfenet")
    with untrained(module.models, "resnet50"):
        model = module.OneModel(_settings(size), cls_type="Base")
    # Its bins are written into its constructor.
    model.pyramid_bins, model.avgpool_list = BINS, [nn.AdaptiveAvgPool2d(bin) for bin in BINS]
    model.svf_modules(model)
    model.train()
    still_batchnorm(list(model.modules()))
    return _with_scales("svf_pfenet", model, size, mask="y_m", host=replace(PFENET_FAMILY["pfenet"], mask="y_m"))


def _as_bam_trains(name: str, model: nn.Module, size: Size, host: str | None = None) -> Published:
    model.train()
    still_batchnorm(list(model.modules()))
    given = episode(PIXELS, size)
    base_mask = torch.where(given.mask == 1, 3, given.mask)
    classes = [torch.full((size.batch,), 2)]
    keywords = _keywords(given) | {"y_m": given.mask, "y_b": base_mask, "cat_idx": classes}
    return Published(name, model, (), keywords, given.mask, lambda output: output[1] + output[2] + output[3], host)


def _with_scales(name: str, model: nn.Module, size: Size, mask: str = "y", host: Host | None = None) -> Published:
    given = episode(PIXELS, size)
    keywords = _keywords(given) | {mask: given.mask}
    return Published(name, model, (), keywords, given.mask, lambda output: output[1] + output[2], host)


def _at(*, dim: int, args: Any, places: int, suppression: Any) -> nn.Module:
    return suppression(dim=places, args=args)


@contextmanager
def _random_base_learner(module: Any, settings: SimpleNamespace) -> Iterator[None]:
    """The base learner's weights, a file of the authors, are random."""
    with untrained(module.models, "resnet50"):
        weights = module.OneModel(settings).state_dict()
        with mock.patch.object(torch, "load", return_value={"state_dict": weights}):
            yield


def _keywords(given: Episode) -> dict[str, object]:
    return {"x": given.query, "s_x": given.support, "s_y": given.support_mask}


def _settings(size: Size) -> SimpleNamespace:
    return SimpleNamespace(
        layers=50, zoom_factor=8, shot=size.shots, vgg=False, data_set="pascal", ignore_label=255, print_freq=10,
        split=0, low_fea="layer2", kshot_trans_dim=2, svf=True,
    )  # fmt: skip

"""Models that compare by cosine similarity, after PANet and SSP: IFA, Q-Net, RPT and ALPNet."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torchvision
from patches import importing, untrained
from published import Episode, Published, Size, episode, freeze, still_batchnorm
from torch import Tensor, nn
from torch.nn import functional as F

PIXELS = 129
# Features of stride 8, and the four cells a side of them in which ALPNet pools prototypes, need a multiple of 32.
ALPNET_PIXELS = 128
# IFA's terms of its loss: first the query's, then the support's, as its script weighs them.
IFA_QUERY = {0: 1.0, 1: 1.0, 2: 1.0, 5: 0.1, 7: 0.1}
IFA_SUPPORT = {3: 0.2, 4: 0.4, 6: 0.1, 8: 0.1}


def ifa(folder: Path, size: Size) -> Published:
    """IFA with the refinement, as all its published commands ask for, and the loss of its script `ifa.py`."""
    with importing(folder):
        module = importlib.import_module("model.IFA_matching")
    with untrained(module.resnet, "resnet50"):
        model = module.IFA_MatchingNet("resnet50", refine=True, shot=size.shots)
    model.train()
    freeze(model.layer0, model.layer1, *(one for one in model.modules() if isinstance(one, nn.BatchNorm2d)))
    still_batchnorm(list(model.modules()))
    given = episode(PIXELS, size)
    supports, masks = list(given.support.unbind(1)), list(given.support_mask.unbind(1))

    def main_loss(output: list[Tensor]) -> Tensor:
        several = torch.cat(masks)
        query = [
            weight * F.cross_entropy(output[one], given.mask, ignore_index=255) for one, weight in IFA_QUERY.items()
        ]
        support = [
            weight * F.cross_entropy(output[one], several, ignore_index=255) for one, weight in IFA_SUPPORT.items()
        ]
        return torch.stack(query + support).sum()

    return Published("ifa", model, (supports, masks, given.query, given.mask), {}, given.mask, main_loss)


def qnet(folder: Path, size: Size) -> Published:
    """Q-Net: one episode a step, for its threshold does not broadcast to several."""
    with importing(folder), _resnet50():
        model = importlib.import_module("models.fewshot").FewShotSeg(pretrained_weights=None)
    model.train()
    given = episode(PIXELS, size)

    def main_loss(output: tuple[Tensor, Tensor]) -> Tensor:
        probabilities, alignment = output
        return _weighted(probabilities, given.mask, 0.1) + alignment.sum()

    supports, foreground = _way(given)
    return Published("qnet", model, (supports, foreground, [given.query]), {"train": True}, given.mask, main_loss)


def rpt(folder: Path, size: Size) -> Published:
    """RPT: one episode of one shot a step, for numpy dilates one support mask."""
    with importing(folder), _resnet50():
        model = importlib.import_module("models.fewshot").FewShotSeg(pretrained_weights=None)
    model.train()
    given = episode(PIXELS, size, unlabelled=False)

    def main_loss(output: tuple[Tensor, ...]) -> Tensor:
        probabilities, periphery, alignment, distance, own = output
        others = 0.1 * periphery + alignment + 0.1 * distance + own
        return _weighted(probabilities, given.mask, 0.1) + others.sum()

    arguments = (*_way(given), [given.query], given.mask)
    return Published("rpt", model, arguments, {"train": True}, given.mask, main_loss)


def alpnet(folder: Path, size: Size) -> Published:
    """SSL-ALPNet: one episode a step; features and grid of prototypes shrink with the image, 4 x 4 of them a cell."""
    configuration = {
        "align": True,
        "use_coco_init": False,
        "which_model": "dlfcn_res101",
        "cls_name": "grid_proto",
        "proto_grid_size": ALPNET_PIXELS // 32,
        "feature_hw": [ALPNET_PIXELS // 8] * 2,
    }
    with importing(folder, ("matplotlib", "matplotlib.pyplot")), _resnet50():
        model = importlib.import_module("models.grid_proto_fewshot").FewShotSeg(cfg=configuration)
    model.train()
    given = episode(ALPNET_PIXELS, size)
    # Its alignment asks for a cell of each class in the query's prediction, so random features must tell them apart.
    given.query.add_(3.0 * (given.mask == 1)[:, None])
    given.support.add_(3.0 * given.support_mask[:, :, None])

    def main_loss(output: tuple[Any, ...]) -> Tensor:
        logits, alignment = output[:2]
        return F.cross_entropy(logits, given.mask, torch.tensor([0.05, 1.0]), ignore_index=255) + alignment

    supports, foreground = _way(given)
    background = [[1 - mask for mask in foreground[0]]]
    arguments = (supports, foreground, background, [given.query])
    return Published("alpnet", model, arguments, {"isval": False, "val_wsize": None}, given.mask, main_loss)


@contextmanager
def _resnet50() -> Iterator[None]:
    """The smaller of torchvision's backbones, without weights, where medical code asks for the larger one."""
    resnet, segmentation = torchvision.models.resnet, torchvision.models.segmentation

    def deeplab(**_: Any) -> nn.Module:
        return segmentation.deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=21)

    with (
        mock.patch.object(
            resnet, "resnet101", lambda pretrained, **keywords: resnet.resnet50(weights=None, **keywords)
        ),
        mock.patch.object(segmentation, "deeplabv3_resnet101", deeplab),
    ):
        yield


def _way(given: Episode) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    """One way of lists of shots: supports and their masks."""
    return [list(given.support.unbind(1))], [[mask.float() for mask in given.support_mask.unbind(1)]]


def _weighted(probabilities: Tensor, mask: Tensor, background: float) -> Tensor:
    """Q-Net's and RPT's loss of probabilities (B, 2, H, W): the background counts less."""
    epsilon = torch.finfo(torch.float32).eps
    logarithms = probabilities.clamp(epsilon, 1 - epsilon).log()
    return F.nll_loss(logarithms, mask, torch.tensor([background, 1.0]), ignore_index=255)

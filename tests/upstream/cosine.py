"""Models that compare by cosine similarity: PANet, PPNet, MLC, SSP; and SG-One, which convolves what it finds."""

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import torch
from patches import importing, python_2, untrained
from published import Episode, Published, Size, episode, freeze, still_batchnorm
from torch import Tensor, nn
from torch.nn import functional as F

PIXELS = 129


def panet(folder: Path, size: Size) -> Published:
    """PANet with its prototype alignment, 1-way; it takes batches, its recipe trains one episode at a time."""
    with importing(folder):
        module = importlib.import_module("models.fewshot")
    model = module.FewShotSeg(cfg={"align": True})
    model.train()
    given = episode(PIXELS, size)

    def main_loss(output: tuple[Tensor, Tensor]) -> Tensor:
        logits, alignment = output
        return F.cross_entropy(logits, given.mask, ignore_index=255) + alignment

    return Published("panet", model, _ways_and_shots(given), {}, given.mask, main_loss)


def ppnet(folder: Path, size: Size) -> Published:
    """PPNet with parts and the semantic branch, without unlabelled images: the script `train_part_sem.py`."""
    with importing(folder, stand_ins=_keops()):
        module = importlib.import_module("models.FewShotSegPartResnetSem")
    # The backbone's weights are looked up by name in whatever file it loads; an empty one leaves them random.
    with mock.patch.object(torch, "load", return_value={}):
        model = module.FewShotSegPart(cfg={"resnet": 50, "center": 5})
    model.train()
    given = episode(PIXELS, size)
    classes = torch.cat([*given.support_mask.unbind(1), given.mask])

    def main_loss(output: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        logits, semantic, alignment = output
        segmentation = F.cross_entropy(logits, given.mask, ignore_index=255)
        return segmentation + alignment.sum() + F.cross_entropy(semantic, classes, ignore_index=255)

    return Published("ppnet", model, _ways_and_shots(given), {}, given.mask, main_loss)


def mlc(folder: Path, size: Size) -> Published:
    """MLC (MiningFSS), the whole of its published training."""
    with importing(folder):
        module = importlib.import_module("model.matching")
    with untrained(module.resnet, "resnet50"):
        model = module.MatchingNet("resnet50")
    _train_with_still_batchnorm(model)
    given = episode(PIXELS, size)

    def main_loss(output: Tensor) -> Tensor:
        return F.cross_entropy(output, given.mask, ignore_index=255)

    arguments = (*_lists(given), given.query)
    return Published("mlc", model, arguments, {}, given.mask, main_loss)


def ssp(folder: Path, size: Size) -> Published:
    """SSP without the refinement, which is an option of its command line."""
    with importing(folder):
        module = importlib.import_module("model.SSP_matching")
    with untrained(module.resnet, "resnet50"):
        model = module.SSP_MatchingNet("resnet50", refine=False)
    freeze(model.layer0, model.layer1)
    _train_with_still_batchnorm(model)
    given = episode(PIXELS, size)

    def main_loss(output: list[Tensor]) -> Tensor:
        query, own, support = output
        losses = [F.cross_entropy(logits, given.mask, ignore_index=255) for logits in (query, own)]
        return losses[0] + losses[1] + 0.2 * F.cross_entropy(support, torch.cat(_lists(given)[1]), ignore_index=255)

    arguments = (*_lists(given), given.query, given.mask)
    return Published("ssp", model, arguments, {}, given.mask, main_loss)


def sgone(folder: Path, size: Size) -> Published:
    """SG-One, one episode a step: its loss reshapes as if the batch were 1."""
    with importing(folder), python_2():
        module = importlib.import_module("oneshot.onemodel_sg-one")
    with untrained(module.vgg, "vgg16"):
        model = module.OneModel(None)
    model.train()
    given = episode(PIXELS, size, unlabelled=False)
    arguments = (given.query, given.support[:, 0], torch.zeros(1), given.support_mask.float())

    def main_loss(output: tuple[Tensor, ...]) -> Tensor:
        return model.get_loss(output, given.mask.unsqueeze(1))[0]

    return Published("sgone", model, arguments, {}, given.mask, main_loss)


def _lists(given: Episode) -> tuple[list[Tensor], list[Tensor]]:
    """Supports and their masks, a list of shots each."""
    return list(given.support.unbind(1)), list(given.support_mask.unbind(1))


def _ways_and_shots(given: Episode) -> tuple[Any, ...]:
    """One way: supports, their foreground and their background masks, each a list of ways of lists of shots."""
    images, masks = _lists(given)
    foreground = [(mask == 1).float() for mask in masks]
    return [images], [foreground], [[1 - mask for mask in foreground]], [given.query]


def _train_with_still_batchnorm(model: nn.Module) -> None:
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            freeze(module)
    still_batchnorm(list(model.modules()))


def _keops() -> dict[str, ModuleType]:
    """PPNet's k-means asks KeOps for distances without storing them; plain tensors answer the same calls."""
    package, torch_side = ModuleType("pykeops"), ModuleType("pykeops.torch")
    as_it_is: Callable[[Tensor], Tensor] = lambda tensor: tensor  # noqa: E731
    vars(torch_side)["LazyTensor"] = as_it_is
    return {"pykeops": package, "pykeops.torch": torch_side}

"""The published PFENet and the example's, trained for three steps from the same weights on the same episodes."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import torch
import yaml
from builders import build
from data.transforms import normalise
from lightning_fabric import Fabric
from model import pfenet
from model.backbones import build_backbone
from model.pfenet import PFENet
from patches import importing, on_cpu
from pfenet_family import BINS, PIXELS
from published import Size, episode, still_batchnorm
from recipe import Recipe, read_recipe
from torch import Tensor, nn
from training import episode_loss
from training.episode_loss import EpisodeLoss
from training.loop import backward, poly_rate
from training.sharded_batches import ShardedBatch

from selfcontrast import SelfContrastiveAuxiliary

EPISODES, STEPS = 2, 3
PARTS = ("down_query", "down_supp", "init_merge", "alpha_conv", "beta_conv", "inner_cls", "res1", "res2", "cls")
"""The groups of parameters of the published optimizer."""


@dataclass(frozen=True)
class Setting:
    """How both models are trained.

    Attributes:
        live: the frozen backbone's batch normalisation is in training mode, as the published script leaves it.
        dropout: with the published one.
    """

    shots: int = 1
    live: bool = True
    dropout: bool = True


SETTINGS = {
    "as published": Setting(),
    "backbone in eval mode": Setting(live=False),
    # Each draws and normalises its shots in another order, see test_published_pfenet.py.
    "five shots": Setting(shots=5, live=False, dropout=False),
}


class Trained(NamedTuple):
    """What a model computed in its first step, and where three steps brought it."""

    logits: dict[str, Tensor]
    losses: dict[str, Tensor]
    gradients: dict[str, Tensor]
    moves: dict[str, Tensor]
    """Of each trained weight, over all steps."""
    statistics: dict[str, Tensor]
    """Means and variances of the backbone's batch normalisation, after all steps."""


class Pair(NamedTuple):
    """Both after the same training."""

    published: Trained
    ours: Trained


def train_both(checkouts: Path, setting: Setting, precision: torch.dtype) -> Pair:
    """Both models trained in one precision, from weights and episodes that are the same in each."""
    with on_cpu():
        published, learning_rate, options = _published(checkouts, setting)
        ours = PFENet(build_backbone("resnet50", weights=None), scales=tuple(BINS), live_statistics=setting.live)
        ours.load_state_dict(published.state_dict())
        for model in (published, ours):
            _put(model, setting)
        # In float64 other pictures would be drawn.
        batch = _batch(setting)
        with _in_precision(precision):
            return Pair(
                _train(published.to(precision), _published_steps(published, batch, learning_rate, options, precision)),
                _train(ours.to(precision), _our_steps(ours, batch, precision)),
            )


def names_not_shared(checkouts: Path) -> set[str]:
    """Weights that only one of both has, once each has loaded the other's."""
    with on_cpu():
        published, _, _ = _published(checkouts, Setting())
        ours = PFENet(build_backbone("resnet50", weights=None), scales=tuple(BINS))
        ours.load_state_dict(published.state_dict())
        published.load_state_dict(ours.state_dict())
    return set(published.state_dict()) ^ set(ours.state_dict())


def apart(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The largest difference of two sets of tensors, each as a share of its own largest value."""
    assert one.keys() == other.keys()
    # Weights and statistics that nothing moved are 0 in both.
    scales = {name: float(value.abs().max()) or 1.0 for name, value in other.items()}
    return max(float((one[name].double() - value.double()).abs().max()) / scales[name] for name, value in other.items())


Step = Callable[[int], dict[str, Tensor]]


def _train(model: nn.Module, step: Step) -> Trained:
    """`step` adds the gradients of a step, counted from 1, moves the weights and returns its losses."""
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    with _logits_of(model) as logits:
        losses = step(1)
    trained = {name: value for name, value in model.named_parameters() if value.grad is not None}
    gradients = {name: value.grad.clone() for name, value in trained.items() if value.grad is not None}
    for later in range(2, STEPS + 1):
        step(later)
    moves = {name: value.detach() - before[name] for name, value in trained.items()}
    statistics = {name: value for name, value in model.named_buffers() if "running" in name}
    return Trained(logits, losses, gradients, moves, statistics)


@contextmanager
def _logits_of(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """What each classifier returns, before it is resized."""
    logits: dict[str, Tensor] = {}
    classifiers = {"cls": model.get_submodule("cls")}
    classifiers |= {f"inner_cls.{name}": one for name, one in model.get_submodule("inner_cls").named_children()}
    with ExitStack() as hooks:
        for name, classifier in classifiers.items():
            hooks.enter_context(
                classifier.register_forward_hook(lambda *call, name=name: logits.update({name: call[-1].detach()}))
            )
        yield logits


def _published_steps(
    model: nn.Module,
    batch: dict[str, Tensor],
    learning_rate: Callable[..., None],
    options: dict[str, Any],
    precision: torch.dtype,
) -> Step:
    """The lines of the published train.py."""
    groups = [{"params": model.get_submodule(part).parameters()} for part in PARTS]
    optimizer = torch.optim.SGD(
        groups, lr=options["base_lr"], momentum=options["momentum"], weight_decay=options["weight_decay"]
    )
    given = {"x": normalise(batch["query"]).to(precision), "s_x": normalise(batch["supports"]).to(precision)}
    given |= {"s_y": batch["support_masks"], "y": batch["mask"]}
    recipe = _recipe()

    def step(number: int) -> dict[str, Tensor]:
        learning_rate(optimizer, options["base_lr"], number, recipe.steps, power=options["power"])
        # Ours seeds each pass.
        torch.manual_seed(recipe.seed * 1_000_003 + number)
        _, main, auxiliary = model(**given)
        loss = main + options["aux_weight"] * auxiliary
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"main": main.detach(), "auxiliary": auxiliary.detach(), "sum": loss.detach()}

    return step


def _our_steps(model: PFENet, batch: dict[str, Tensor], precision: torch.dtype) -> Step:
    """The lines of `run_steps`, with `backward` as it stands."""
    recipe = _recipe()
    fabric = Fabric(accelerator="cpu", precision="64-true" if precision == torch.float64 else "32-true")
    task, optimizer = fabric.setup(
        EpisodeLoss(model, SelfContrastiveAuxiliary(weight=0.0)), recipe.build_optimizer(model)
    )
    sharding = ShardedBatch.of(EPISODES, None, processes=1, rank=0)

    def step(number: int) -> dict[str, Tensor]:
        for group in optimizer.param_groups:
            group["lr"] = poly_rate(recipe, number)
        optimizer.zero_grad()
        with mock.patch.object(PFENet, "loss", staticmethod(_noting(PFENet.loss, parts := {}))):
            losses = backward(fabric, task, batch, sharding, recipe.seed, number)
        optimizer.step()
        return parts | {"sum": losses.blended}

    return step


def _noting(loss: Callable[..., Tensor], parts: dict[str, Tensor]) -> Callable[..., Tensor]:
    """PFENet's loss, which also writes down its two parts: of one scale's logits twice it is twice their loss."""

    def noted(logits: tuple[Tensor, ...], mask: Tensor) -> Tensor:
        with torch.no_grad():
            parts["main"], *scales = [loss((one, one), mask) / 2 for one in logits]
            parts["auxiliary"] = torch.stack(scales).mean()
        return loss(logits, mask)

    return noted


def _recipe() -> Recipe:
    """The paper's, for as many steps as show in the rate."""
    return read_recipe(["--recipe", "pascal_resnet50", "--epochs", "null", "--steps", "30"])


def _batch(setting: Setting) -> dict[str, Tensor]:
    """Pictures in bytes, as our loader gives them, with boxes and unlabelled pixels from `published.episode`."""
    torch.manual_seed(1)
    given = episode(PIXELS, Size(EPISODES, setting.shots))
    pictures = [(one * 60 + 120).clamp(0, 255).to(torch.uint8) for one in (given.query, given.support)]
    return dict(zip(("query", "supports"), pictures, strict=True)) | {
        "support_masks": given.support_mask,
        "mask": given.mask,
    }


def _put(model: nn.Module, setting: Setting) -> None:
    model.train()
    if not setting.live:
        still_batchnorm(list(model.modules()))
    if not setting.dropout:
        for module in model.modules():
            if isinstance(module, nn.Dropout2d):
                module.p = 0.0


def _published(checkouts: Path, setting: Setting) -> tuple[nn.Module, Callable[..., None], dict[str, Any]]:
    """The model, the function that sets its rates, and the options of its training."""
    model = build("pfenet", checkouts, Size(EPISODES, setting.shots)).model
    with importing(checkouts.resolve() / "pfenet", ("cv2",)):
        learning_rate = importlib.import_module("util.util").poly_learning_rate
    written = (checkouts / "pfenet" / "config" / "pascal" / "pascal_split0_resnet50.yaml").read_text()
    return model, learning_rate, yaml.safe_load(written)["TRAIN"]


@contextmanager
def _in_precision(precision: torch.dtype) -> Iterator[None]:
    """Let both compute all of it in this precision: each names float32 for its masks, and ours for its loss too."""
    kept = torch.get_default_dtype()
    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(Tensor, "float", lambda tensor: tensor.to(precision)))
        patches.enter_context(
            mock.patch.object(episode_loss, "normalise", lambda images: normalise(images).to(precision))
        )
        pfenet._upsampling.cache_clear()
        torch.set_default_dtype(precision)
        try:
            yield
        finally:
            torch.set_default_dtype(kept)
            pfenet._upsampling.cache_clear()

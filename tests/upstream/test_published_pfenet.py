"""PFENet of the example beside the published one: the same numbers from the same weights, episodes and draws.

In one way they differ on purpose. Here all shots of an episode pass through the backbone and `down_supp` together,
there one after the other. So five shots are compared without dropout and with still batch normalisation; with one shot
both are as the published script has them. Everything is float64 but the resizing of our logits, which is always float32.
"""

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from model.backbones import build_backbone
from model.pfenet import PFENet
from patches import importing, on_cpu
from pfenet_family import BINS
from published import Published, Size, still_batchnorm
from recipe import Recipe, read_recipe
from test_upstream import built
from torch import Tensor, nn
from training.loop import poly_rate

STEPS = 3


@contextmanager
def ours_aside() -> Iterator[None]:
    """The published code has packages `model` and `util` of its own, and so has the example `model`."""
    kept = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in ("model", "util")}
    for name in kept:
        del sys.modules[name]
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] in ("model", "util")]:
            del sys.modules[name]
        sys.modules.update(kept)


@pytest.fixture(autouse=True)
def without_gpu() -> Iterator[None]:
    with on_cpu():
        yield


@dataclass
class Pair:
    """Both models with the same weights, and the episode."""

    published: Published
    ours: PFENet

    def models(self) -> tuple[nn.Module, PFENet]:
        return self.published.model, self.ours

    def losses(self, seed: int) -> tuple[Tensor, Tensor]:
        """The whole training loss of each, with the same dropout."""
        torch.manual_seed(seed)
        theirs = self.published.main_loss(self.published.model(**self.published.keywords))
        torch.manual_seed(seed)
        return theirs, self.ours.loss(self._logits(), self.published.mask)

    def logits(self, seed: int) -> tuple[list[Tensor], list[Tensor]]:
        """Of the last classifier, then of each scale's, before they are resized."""
        theirs: list[Tensor] = []
        classifiers = [self.published.model.get_submodule("cls"), *self.published.model.get_submodule("inner_cls")]
        hooks = [one.register_forward_hook(lambda *call: theirs.append(call[-1])) for one in classifiers]
        torch.manual_seed(seed)
        self.published.model(**self.published.keywords)
        for hook in hooks:
            hook.remove()
        torch.manual_seed(seed)
        # The last classifier of all runs last.
        return [theirs[-1], *theirs[:-1]], list(self._logits())

    def _logits(self) -> tuple[Tensor, ...]:
        given = self.published.keywords
        encoded = self.ours.encode(given["x"], given["s_x"], given["s_y"])
        return self.ours.compare(encoded.features, encoded.prototype_map, encoded.prior)


@pytest.fixture(params=[(1, True), (1, False), (5, False)], ids=["as trained", "still backbone", "five shots"])
def pair(request: pytest.FixtureRequest) -> Pair:
    shots, live = request.param
    with ours_aside():
        published = built("pfenet", Size(2, shots))
    ours = PFENet(build_backbone("resnet50", weights=None), scales=tuple(BINS), live_statistics=live)
    ours.load_state_dict(published.model.state_dict())
    if not live:
        still_batchnorm(list(published.model.modules()))
    for model in (published.model, ours.train()):
        for module in model.modules():
            if isinstance(module, nn.Dropout2d) and shots > 1:
                module.p = 0.0
        model.double()
    given = published.keywords
    given |= {name: value.double() for name, value in given.items() if value.is_floating_point()}
    return Pair(published, ours)


def relative(one: Tensor, other: Tensor) -> float:
    return ((one - other).abs().max() / other.abs().max()).item()


def test_the_state_dicts_load_both_ways(pair: Pair) -> None:
    theirs, ours = pair.models()
    theirs.load_state_dict(ours.state_dict())
    assert [name for name, _ in theirs.named_parameters() if name not in dict(ours.named_parameters())] == []


def test_the_logits_are_equal(pair: Pair) -> None:
    for theirs, ours in zip(*pair.logits(0), strict=True):
        assert relative(ours, theirs) < 1e-10


def test_the_losses_and_the_gradients_are_equal(pair: Pair) -> None:
    theirs, ours = pair.losses(0)
    assert relative(ours, theirs) < 1e-5
    theirs.backward()
    ours.backward()
    found = dict(pair.ours.named_parameters())
    trained = {name: value.grad for name, value in pair.published.model.named_parameters() if value.grad is not None}
    assert len(trained) == 35
    for name, gradient in trained.items():
        assert relative(found[name].grad, gradient) < 1e-5, name
    assert {name for name, value in found.items() if value.requires_grad} == trained.keys()


@pytest.fixture
def recipe() -> Recipe:
    """The paper's, for as many steps as show in the rate."""
    return read_recipe(["--recipe", "pascal_resnet50", "--epochs", "null", "--steps", "30"])


@pytest.fixture
def poly_learning_rate(pair: Pair) -> Any:
    """The published function that sets the rates of a step."""
    with ours_aside(), importing(Path(os.environ["SELFCONTRAST_UPSTREAM"], "pfenet"), ("cv2",)):
        return importlib.import_module("util.util").poly_learning_rate


def test_three_steps_of_the_published_optimizer_give_the_same_weights(
    pair: Pair, recipe: Recipe, poly_learning_rate: Any
) -> None:
    """The published script counts its steps from 1, ours from 0: our second step has the rate of its first."""
    theirs, ours = pair.models()
    parts = ("down_query", "down_supp", "init_merge", "alpha_conv", "beta_conv", "inner_cls", "res1", "res2", "cls")
    groups = [{"params": theirs.get_submodule(part).parameters()} for part in parts]
    published = torch.optim.SGD(groups, lr=0.0025, momentum=0.9, weight_decay=1e-4)
    own = recipe.build_optimizer(ours)
    before = {name: value.clone() for name, value in theirs.named_parameters()}
    for step in range(1, STEPS + 1):
        poly_learning_rate(published, 0.0025, step, recipe.steps, power=0.9)
        for group in own.param_groups:
            group["lr"] = poly_rate(recipe, step)
        for optimizer, loss in zip((published, own), pair.losses(step), strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    found = dict(ours.named_parameters())
    for name, value in theirs.named_parameters():
        if value.requires_grad:
            assert relative(found[name] - before[name], value - before[name]) < 1e-3, name

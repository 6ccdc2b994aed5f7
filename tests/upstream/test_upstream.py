"""The presets against the published models themselves: without this, what they claim is hearsay."""

import copy
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from builders import BUILDERS, build
from explicit import EXITS, second_forward
from explicit_cosine import full_size_logits
from patches import on_cpu
from published import Published, Size
from torch import Tensor, nn
from torch.nn import functional as F

from selfcontrast import SelfContrastiveAuxiliary
from selfcontrast.attachment import Attachment
from selfcontrast.errors import InputError
from selfcontrast.hosts import PRESETS, REFUSED

pytestmark = pytest.mark.filterwarnings("ignore:.* is experimental", "ignore::UserWarning", "ignore::FutureWarning")

SIZES = [(name, size) for name in PRESETS for size in BUILDERS[name].sizes]


def built(name: str, size: Size | None = None) -> Published:
    """The published model, or a skip that says what is missing."""
    named = os.environ.get("SELFCONTRAST_UPSTREAM")
    if named is None:
        pytest.skip("set SELFCONTRAST_UPSTREAM=DIR, see tests/upstream/README.md")
    checkouts = Path(named)
    if not any((checkouts / builder.folder).is_dir() for builder in BUILDERS.values()):
        pytest.fail(f"SELFCONTRAST_UPSTREAM={named} holds none of the folders that tests/upstream/README.md names")
    if not (checkouts / BUILDERS[name].folder).is_dir():
        pytest.skip(f"{named} holds no {BUILDERS[name].folder}, see tests/upstream/README.md for where to get it")
    return build(name, checkouts, size)


@pytest.fixture(autouse=True)
def without_gpu() -> Iterator[None]:
    with on_cpu():
        yield


@pytest.fixture(scope="module", params=PRESETS)
def published(request: pytest.FixtureRequest) -> Published:
    """One model after the other, each built once."""
    return built(request.param)


@contextmanager
def attached(published: Published, prior: str = "neutral") -> Iterator[Attachment]:
    # A generator of its own: the host's draws must not depend on the task's.
    auxiliary = SelfContrastiveAuxiliary(prior=prior, generator=torch.Generator().manual_seed(1))
    attachment = auxiliary.attach(published.model, published.name)
    try:
        with attachment.episode(published.mask) if attachment.host.mask is None else nullcontext():
            yield attachment
    finally:
        attachment.detach()


@contextmanager
def without_draws(model: nn.Module) -> Iterator[None]:
    """No dropout, and CyCTR's sampling as at inference: it draws anew for every image of a batch."""
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Dropout | nn.Dropout2d)]
    probabilities = [layer.p for layer in layers]
    sampling = model.get_submodule("transformer") if type(model).__name__ == "CyCTR" else nn.Identity()
    sampling.eval()
    for layer in layers:
        # Not 0: then PyTorch hands on the tensor itself, and ASGNet's next layer writes into what a gradient needs.
        layer.p = 1e-9
    try:
        yield
    finally:
        sampling.train()
        for layer, probability in zip(layers, probabilities, strict=True):
            layer.p = probability


def seeded() -> None:
    """PPNet draws from numpy, CyCTR from Python."""
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)


def forward(published: Published) -> object:
    seeded()
    return published.model(*published.arguments, **published.keywords)


def logits_of(attachment: Attachment) -> list[Tensor]:
    assert attachment.contrast is not None
    logits = attachment.contrast.logits
    return [logits] if isinstance(logits, Tensor) else list(logits)


@pytest.mark.parametrize(("name", "size"), SIZES, ids=[f"{name}-B{size.batch}-K{size.shots}" for name, size in SIZES])
def test_check_passes_in_every_size_that_the_published_code_trains_in(name: str, size: Size) -> None:
    published = built(name, size)
    with attached(published) as attachment, without_draws(published.model):
        report = attachment.check(*published.arguments, **published.keywords)
    print(report)
    assert all(finding.holds for finding in report)


def test_two_training_steps_as_published_with_the_task_blended_in(published: Published) -> None:
    model = published.model
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    before = [weight.detach().clone() for weight in weights]
    optimizer = torch.optim.SGD(weights, lr=1e-4, momentum=0.9, weight_decay=1e-4)
    with attached(published) as attachment:
        for _ in range(2):
            main_loss = published.main_loss(model(*published.arguments, **published.keywords))
            loss = attachment.blend(main_loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            assert torch.isfinite(loss)
            assert not torch.equal(loss, main_loss)
    assert all(torch.isfinite(weight).all() for weight in weights)
    assert any(not torch.equal(old, new) for old, new in zip(before, weights, strict=True))


@pytest.mark.parametrize("prior", ["neutral", "complement"])
def test_logits_are_those_of_a_second_forward_by_hand(published: Published, prior: str) -> None:
    if published.name not in EXITS:
        pytest.skip("a cosine host has the next test")
    with without_draws(published.model):
        with attached(published, prior) as attachment:
            forward(published)
            contrast = attachment.contrast
            got = logits_of(attachment)
        assert contrast is not None
        seeded()
        counter = {"neutral": lambda tensor: torch.full_like(tensor, 0.5), "complement": lambda tensor: 1 - tensor}
        expected = second_forward(published, contrast.prototype_map, counter[prior])
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_logits_of_a_cosine_host_are_those_of_its_own_code(published: Published) -> None:
    if published.name in EXITS:
        pytest.skip("a host with a learned comparison has the test before")
    # PPNet's k-means draws its first centres: for the support's alignment too, which the second forward is without.
    with mock.patch.object(np.random, "choice", lambda points, centres: np.arange(centres) % points):
        with attached(published) as attachment:
            forward(published)
            contrast = attachment.contrast
            host = attachment.host
        assert contrast is not None and isinstance(contrast.logits, Tensor)
        expected = full_size_logits(published, contrast.prototype_map)
    got = F.interpolate(contrast.logits, expected.shape[2:], mode="bilinear", align_corners=host.align_corners)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_inference_and_the_model_s_face_are_untouched(published: Published) -> None:
    model = published.model
    keys, count, hooks = list(model.state_dict()), sum(weight.numel() for weight in model.parameters()), _hooks(model)
    before = _inference(published)
    with attached(published) as attachment:
        torch.testing.assert_close(_inference(published), before, rtol=0, atol=0)
        # One step's forward, for it leaves running statistics and, in RPMMs, a module behind.
        attachment.blend(published.main_loss(forward(published)))
        during = _inference(published)
        assert list(model.state_dict()) == keys
        assert sum(weight.numel() for weight in model.parameters()) == count
        twin = copy.deepcopy(published)
    assert _hooks(model) == hooks
    torch.testing.assert_close(_inference(published), during, rtol=0, atol=0)
    torch.testing.assert_close(_inference(twin), during, rtol=0, atol=0)


@torch.no_grad()
def _inference(published: Published) -> object:
    # Scripts train with some of these still, so `train()` alone would not restore what was.
    training = [module for module in published.model.modules() if module.training]
    published.model.eval()
    output = forward(published)
    for module in training:
        module.training = True
    return output


def _hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


@pytest.mark.parametrize("name", REFUSED)
def test_models_without_a_prototype_in_training_are_refused_with_the_reason(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} cannot be attached to: "):
        SelfContrastiveAuxiliary().attach(nn.Identity(), name)


def test_another_model_s_preset_on_hsnet_names_what_hsnet_lacks() -> None:
    model = built("hsnet").model
    with pytest.raises(InputError, match=r"HypercorrSqueezeNetwork.forward: query_img, support_img, support_mask"):
        SelfContrastiveAuxiliary().attach(model, "pfenet")

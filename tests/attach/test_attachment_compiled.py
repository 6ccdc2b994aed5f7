"""A compiled host: compiled after the attachment it learns the same; compiled before, nothing is lost in silence."""

import copy
from types import ModuleType

import pytest
import torch
from hosts import Small, build
from torch import Tensor, nn

from selfcontrast import InputError


class Model(nn.Module):
    """The smallest host, whose mask is an argument."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.merge, self.head = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(16, 8, 1), nn.Conv2d(8, 2, 1)

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        features, prototype = self.encoder(query), self.encoder(support).mean((2, 3), keepdim=True)
        return self.head(self.merge(torch.cat([features, prototype.expand_as(features)], 1)).relu())


def batch() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    mask = torch.zeros(2, 16, 16, dtype=torch.long)
    mask[:, 4:9, 4:11] = 1
    return torch.randn(2, 3, 16, 16), torch.randn(2, 3, 16, 16), mask


def attached(package: ModuleType, model: nn.Module) -> object:
    host = package.Host("encoder", "encoder", (package.Entry("merge"),), (package.Exit("head"),), mask="mask")
    return package.SelfContrastiveAuxiliary(iterations=1).attach(model, host)


def train(model: nn.Module, compiled: nn.Module, attachment: object, steps: int = 2) -> list[Tensor]:
    losses = []
    for step in range(steps):
        images = batch()
        torch.manual_seed(step)
        model.zero_grad()
        logits = nn.functional.interpolate(compiled(*images), (16, 16), mode="bilinear", align_corners=True)
        loss = attachment.blend(nn.functional.cross_entropy(logits, images[2]))
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad
        losses.append(loss.detach())
    return losses


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("way", ["function", "method"])
def test_a_model_compiled_after_its_attachment_learns_the_same(
    no_shape_checks: ModuleType, fresh_compiler: None, way: str
) -> None:
    torch.manual_seed(0)
    plain = Model()
    compiled = copy.deepcopy(plain)
    plain_attachment = attached(no_shape_checks, plain)
    expected = train(plain, plain, plain_attachment)
    attachment = attached(no_shape_checks, compiled)
    if way == "method":
        compiled.compile(backend="aot_eager")
        called = compiled
    else:
        called = torch.compile(compiled, backend="aot_eager")
    found = train(compiled, called, attachment)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert attachment.log() == pytest.approx(plain_attachment.log(), rel=1e-3)
    torch.testing.assert_close(compiled.state_dict(), plain.state_dict(), rtol=1e-4, atol=1e-5)
    # And inference through the same compiled model is the bare host's.
    compiled.eval()
    images = batch()
    attachment.detach()
    bare = copy.deepcopy(plain).eval()
    torch.testing.assert_close(called(*images), bare(*images), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_inference_of_a_compiled_model_is_unchanged(no_shape_checks: ModuleType, fresh_compiler: None) -> None:
    model, images = Model().eval(), batch()
    expected = model(*images)
    attached(no_shape_checks, model)
    found = torch.compile(model, backend="aot_eager")(*images)
    torch.testing.assert_close(found, expected)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_attachment_behind_a_compiled_first_call_is_an_error(
    no_shape_checks: ModuleType, fresh_compiler: None
) -> None:
    """`attach` cannot see that another object compiled this module, whose graph passes the new hooks by."""
    model, images = Model(), batch()
    compiled = torch.compile(model, backend="aot_eager")
    compiled(*images)
    attachment = attached(no_shape_checks, model)
    with pytest.raises(no_shape_checks.InputError, match=r"merge.*in a training forward.*compiled before attach"):
        compiled(*images)
    with pytest.raises(no_shape_checks.InputError, match=r"attach before torch\.compile"):
        attachment.blend(torch.tensor(0.5))
    attachment.detach()
    torch.testing.assert_close(compiled(*images), model(*images))


@pytest.mark.parametrize("way", ["function", "method"])
def test_a_compiled_model_is_refused(way: str) -> None:
    small: Small = build("hpa")
    model = small.model
    if way == "method":
        model.compile()
        compiled = model
    else:
        compiled = torch.compile(model)
    small.model = compiled
    with pytest.raises(
        InputError, match=r"model: expected a model that is not compiled yet.*attach first, then compile"
    ):
        small.attach()

"""Copies, averages and saved weights: those of the bare model, whatever is attached to it."""

import copy
import io

import pytest
import torch
from small_modes import Small, assert_alike, attach, blended, build, episode, every_mechanism, gradients, judged
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn

from selfcontrast.attach.hooks import Uncopied


def step(model: Small, attachment: object) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    blended(model, attachment, episode()).backward()
    optimizer.step()
    model.zero_grad()


def acts(model: nn.Module) -> bool:
    """Whether an attachment's hook is left in it."""
    hooks = [hook for module in model.modules() for hook in module._forward_hooks.values()]
    return any(isinstance(hook, Uncopied) for hook in hooks)


@every_mechanism
@pytest.mark.parametrize("when", ["before a step", "with a pass to be blended"])
def test_a_deepcopy_is_the_bare_model_and_can_be_attached_to(mechanism: str, when: str) -> None:
    model, bare = build(mechanism), build(mechanism)
    attachment = attach(model, mechanism)
    if when != "before a step":
        model(*episode())
    twin = copy.deepcopy(model)
    assert acts(model) and not acts(twin)
    twin.load_state_dict(bare.state_dict())
    for one in (twin, bare):
        judged(one(*episode()), episode()[2]).backward()
    assert_alike(gradients(twin), gradients(bare))
    with pytest.warns(UserWarning, match="never blended") if when != "before a step" else nothing():
        expected = blended(model, attachment, episode())
    attach(twin, mechanism)
    assert torch.isfinite(expected)


class nothing:
    """No warning is expected."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@every_mechanism
def test_an_averaged_model_is_the_mean_of_the_weights_and_infers_alone(mechanism: str) -> None:
    model = build(mechanism)
    attachment, averaged = attach(model, mechanism), AveragedModel(model)
    weights = []
    for _ in range(2):
        step(model, attachment)
        averaged.update_parameters(model)
        weights.append([one.detach().clone() for one in model.parameters()])
    for one, other, mean in zip(*weights, averaged.parameters(), strict=True):
        torch.testing.assert_close(mean, (one + other) / 2)
    assert not acts(averaged)
    # In training mode, as statistics of batch normalisation are made anew, and no pass is made of it.
    before = attachment.contrast
    update_bn([episode()], Unpacking(averaged))
    assert attachment.contrast is before
    averaged.eval()
    bare = build(mechanism).eval()
    bare.load_state_dict(averaged.module.state_dict())
    assert torch.equal(averaged(*episode()), bare(*episode()))


class Unpacking(nn.Module):
    """`update_bn` gives a model the first item of a batch alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, query: torch.Tensor) -> torch.Tensor:
        return self.model(query, *episode()[1:])


@every_mechanism
def test_saved_weights_go_into_a_plain_model_and_back(mechanism: str) -> None:
    model, bare, file = build(mechanism), build(mechanism), io.BytesIO()
    attachment = attach(model, mechanism)
    assert list(model.state_dict()) == list(bare.state_dict())
    step(model, attachment)
    torch.save(model.state_dict(), file)
    file.seek(0)
    assert not bare.load_state_dict(torch.load(file, weights_only=True)).missing_keys
    assert torch.equal(bare.eval()(*episode()), model.eval()(*episode()))
    other = build(mechanism)
    again = attach(other, mechanism)
    other.load_state_dict(bare.state_dict())
    for one, its in ((model, attachment), (other, again)):
        one.train()
        its.auxiliary.generator.manual_seed(7)
        blended(one, its, episode()).backward()
    assert_alike(gradients(other), gradients(model), 0.0)

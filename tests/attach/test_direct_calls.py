"""Features that a model computes as `module.forward(...)`, where no hook comes along."""

import copy

import pytest
import torch
from torch import Tensor, nn

from selfcontrast import Entry, Exit, Host, InputError, SelfContrastiveAuxiliary
from selfcontrast.attach.direct_calls import SeenForward
from selfcontrast.attach.hooks import Hooks
from selfcontrast.attach.host import Call

C = 4


class Direct(nn.Module):
    """Its deep features come from the second `.forward` of one ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.head = nn.Conv2d(3, C, 4, 4), nn.Conv2d(2 * C, 2, 1)
        self.deep = nn.Sequential(nn.Conv2d(C, C, 1), nn.ReLU())

    def forward(self, query: Tensor, support: Tensor) -> Tensor:
        features = self.encoder(query)
        for _ in range(2):
            deep = self.deep[1].forward(self.deep[0].forward(features))
        prototype = self.encoder(support).mean((2, 3), keepdim=True).expand_as(features) + 0 * deep
        return self.head(torch.cat([features, prototype], 1))


def host(deep: str) -> Host:
    return Host("encoder#0", deep, (Entry("head", "C:2C"),), (Exit("head"),))


def test_deep_features_are_read_where_hooks_do_not_come() -> None:
    model, images = Direct(), torch.rand(2, 2, 3, 16, 16)
    mask = torch.zeros(2, 16, 16, dtype=torch.long)
    mask[:, 4:12, 4:12] = 1
    attachment = SelfContrastiveAuxiliary().attach(model, host("deep.1.forward#1"))
    with attachment.episode(mask):
        attachment.check(images[0], images[1])
        logits = model(images[0], images[1])
    assert torch.isfinite(attachment.blend(logits.square().mean()))
    assert "forward" not in vars(model.deep[1])
    copy.deepcopy(model)


@pytest.mark.parametrize("deep", ["deep.1#1", "deep.1.forward#2"])
def test_a_call_that_does_not_come_is_named(deep: str) -> None:
    model, images = Direct(), torch.rand(2, 2, 3, 16, 16)
    attachment = SelfContrastiveAuxiliary().attach(model, host(deep))
    mask = torch.ones(2, 16, 16, dtype=torch.long)
    mask[:, :8] = 0
    with attachment.episode(mask), pytest.raises(InputError, match=r"host\.high_level: expected a call that"):
        model(images[0], images[1])
    assert "forward" not in vars(model.deep[1])
    with pytest.raises(InputError, match=r"a module 'deep\.2' in the model, got none"):
        SelfContrastiveAuxiliary().attach(Direct(), host("deep.2.forward"))


def test_both_ways_to_call_are_counted_once_each() -> None:
    layer = nn.ReLU()
    hooks, seen = Hooks(nn.Sequential(layer)), list[float]()
    for turn in (0, 2):
        hooks.sees(Call("0.forward", turn, ()), lambda name, output: seen.append(output.item()))
    for value in (torch.tensor(1.0), torch.tensor(2.0), torch.tensor(3.0)):
        layer(value) if value == 2 else layer.forward(value)
    assert seen == [1.0, 3.0] and hooks.unfired == []
    hooks.remove()
    assert "forward" not in vars(layer)


def test_a_forward_that_was_replaced_before_comes_back() -> None:
    layer = nn.ReLU()
    layer.forward = own = lambda value: value + 1
    handle = SeenForward(layer, lambda *_: None)
    assert layer(torch.tensor(1.0)) == 2 and layer.forward is not own
    handle.remove()
    assert layer.forward is own

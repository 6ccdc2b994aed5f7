"""Hooks of one forward: they count the calls of their module, see the asked ones, and leave together."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from selfcontrast import InputError
from selfcontrast.attach.hooks import Hooks, check_fired
from selfcontrast.attach.host import Call


class Thrice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.unused = nn.Identity(), nn.Identity()

    def forward(self, value: Tensor) -> list[Tensor]:
        return [self.inner(value + turn) for turn in range(3)]


@pytest.mark.parametrize(("text", "expected"), [("inner", [0, 1, 2]), ("inner#0", [0]), ("inner#2", [2])])
def test_only_the_asked_calls_are_seen(text: str, expected: list[int]) -> None:
    model, before, after = Thrice(), list[float](), list[float]()
    hooks = Hooks(model)
    hooks.before(Call.parse(text), lambda name, args, kwargs: before.append(args[0].item()))
    hooks.after(Call.parse(text), lambda name, output: after.append(output.item()))
    model(torch.tensor(0.0))
    assert before == after == expected
    check_fired(hooks)


def test_arguments_and_outputs_may_be_changed() -> None:
    hooks = Hooks(model := Thrice())

    def change(name: str, args: list[Any], kwargs: dict[str, Any]) -> None:
        args[0] = args[0] * 10

    hooks.before(Call.parse("inner#1"), change)
    hooks.after(Call.parse("inner#2"), lambda name, output: -output)
    assert [one.item() for one in model(torch.tensor(1.0))] == [1, 20, -3]
    hooks.remove()
    assert [one.item() for one in model(torch.tensor(1.0))] == [1, 2, 3]
    assert not model.inner._forward_hooks and not model.inner._forward_pre_hooks


def test_calls_that_did_not_come_are_named_as_the_host_writes_them() -> None:
    hooks = Hooks(model := Thrice())
    hooks.before(Call.parse("inner#3"), lambda name, args, kwargs: None)
    hooks.after(Call.parse("unused"), lambda name, output: None)
    hooks.after(Call.parse("unused"), lambda name, output: None, required=False)
    model(torch.tensor(0.0))
    assert hooks.unfired == ["inner#3", "unused"]
    with pytest.raises(InputError, match=r"calls of inner#3, unused in a training forward, got none"):
        check_fired(hooks)


def test_handles_of_others_leave_with_them() -> None:
    hooks, layer, seen = Hooks(Thrice()), nn.Identity(), list[int]()
    hooks.keep([layer.register_forward_hook(lambda *_: seen.append(1))])
    hooks.remove()
    layer(torch.zeros(1))
    assert seen == []

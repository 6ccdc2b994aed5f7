"""Tensors beside the entry: found by position or name, in arguments or outputs, and filled as the host says."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from selfcontrast import Doubled, InputError
from selfcontrast.beside import change_beside, second_half
from selfcontrast.hooks import Hooks


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.pair = Inner(), Pair()

    def forward(self, first: Tensor, second: Any = None) -> Any:
        return self.inner(first, other=second), self.pair(first)


class Inner(nn.Module):
    def forward(self, first: Tensor, other: Any) -> Any:
        return first, other


class Pair(nn.Module):
    def forward(self, value: Tensor) -> tuple[list[Tensor], Tensor]:
        return [value], value


def run(doubled: Doubled, *args: Any, **kwargs: Any) -> Any:
    hooks = Hooks(model := Model())
    arguments = list(args)
    change_beside(model, (doubled,), lambda tensor, which: tensor + 10, hooks, arguments, kwargs)
    return model(*arguments, **kwargs)


ONE, TWO = torch.tensor(1.0), torch.tensor(2.0)


def test_an_argument_of_the_model_by_position_or_by_name() -> None:
    assert run(Doubled("", 1), ONE, TWO)[0][1] == run(Doubled("", 1), ONE, second=TWO)[0][1] == 12
    assert run(Doubled("", 0), ONE, TWO)[0] == (11, 2)


def test_an_argument_of_a_module_by_position_or_by_name() -> None:
    assert run(Doubled("inner", 0), ONE, TWO)[0] == (11, 2)
    assert run(Doubled("inner", 1), ONE, TWO)[0] == (1, 12)


def test_a_list_is_changed_item_by_item_and_none_stays_none() -> None:
    assert run(Doubled("inner", 1), ONE, [ONE, TWO])[0][1] == [11, 12]
    assert run(Doubled("inner", 1), ONE, None)[0][1] is None


def test_an_item_of_an_output() -> None:
    several, one = run(Doubled("pair[1]", None), ONE)[1]
    assert several[0] == 1 and one == 11
    several, one = run(Doubled("pair[0]", None), ONE)[1]
    assert several[0] == 11 and one == 1


@pytest.mark.parametrize("doubled", [Doubled("", 2), Doubled("inner", 5)])
def test_an_argument_that_is_not_given_is_named(doubled: Doubled) -> None:
    with pytest.raises(InputError, match=rf"host\.doubled: expected argument {doubled.argument} of '{doubled.call}'"):
        run(doubled, ONE, TWO)


def test_the_second_half_is_filled_as_the_host_says() -> None:
    given = torch.tensor([0.2, 0.7])
    assert second_half(given, Doubled("m", 0), torch.neg) is given
    assert torch.equal(second_half(given, Doubled("m", 0, fill="prior"), torch.neg), -given)
    assert second_half(given, Doubled("m", 0, fill=0.5), torch.neg).tolist() == [0.5, 0.5]

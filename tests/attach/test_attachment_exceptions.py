"""Errors at any operation of a step, one after the other: nothing is left of them, and the next step is right."""

import gc
import random
from typing import Any

import pytest
import torch
from attached import assert_a_step_is_right, assert_nothing_is_heard
from hosts import Small, build
from nightly import often
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from selfcontrast import Attachment
from selfcontrast.attach.hooks import count_hooks

# Those that are interrupted between a forward and its blend say so.
pytestmark = pytest.mark.filterwarnings("ignore:the previous training forward was never blended")


class Failing(TorchDispatchMode):
    """A context in which the `turn`-th operation fails: in the host, in its hooks, in the task, in backward."""

    def __init__(self, turn: int, error: type[BaseException]) -> None:
        super().__init__()
        self.turn, self.error, self.count = turn, error, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        self.count += 1
        if self.count == self.turn:
            raise self.error("an operation")
        return func(*args, **(kwargs or {}))


def step(small: Small, attachment: Attachment) -> None:
    # The clustering takes as many operations in every step, then.
    torch.manual_seed(0)
    small.model.zero_grad()
    attachment.blend(small.main_loss(small.step(attachment))).backward()


def operations(small: Small, attachment: Attachment) -> int:
    """How many a step has."""
    with Failing(0, RuntimeError) as counted:
        step(small, attachment)
    return counted.count


def held(small: Small) -> tuple[int, int, int]:
    """What is alive: tensors, their bytes, and hooks of an attachment."""
    gc.collect()
    kinds = (Tensor, nn.Parameter)
    # Not those of another kind: a compilation in an earlier test may have left some that have no size.
    tensors = [one for one in gc.get_objects() if type(one) in kinds]
    return len(tensors), sum(one.nbytes for one in tensors), count_hooks(small.model)


def attributes(small: Small) -> dict[str, tuple[type, list[str]]]:
    return {path: (type(module), sorted(vars(module))) for path, module in small.model.named_modules()}


@pytest.mark.parametrize("name", ["pfenet", "crnet", "panet"])
def test_errors_at_any_operation_leave_nothing(name: str) -> None:
    """One host of each mechanism; 150 errors each in a nightly run."""
    small, draws, errors = build(name), random.Random(0), often(8, 150)
    attachment = small.attach()
    step(small, attachment)
    most, before = operations(small, attachment), attributes(small)
    counts = []
    for number in range(errors):
        error = (RuntimeError, KeyboardInterrupt, MemoryError)[number % 3]
        with pytest.raises(error, match="an operation"), Failing(draws.randint(1, most), error):
            step(small, attachment)
        if error is not KeyboardInterrupt:
            assert_nothing_is_heard(attachment)
        if number in (errors // 3, errors - 1):
            step(small, attachment)
            counts.append(held(small))
    assert counts[0] == counts[1]
    assert attributes(small) == before
    assert_a_step_is_right(small, attachment)
    attachment.detach()
    assert count_hooks(small.model) == 0 and attributes(small) == before


@pytest.mark.parametrize("name", ["pfenet", "crnet", "panet"])
def test_an_error_in_a_loss_leaves_nothing(name: str) -> None:
    small = build(name)
    attachment = small.attach()

    def broken(*_: object) -> Tensor:
        raise ArithmeticError("in the loss")

    for where in ("the host's", "the task's"):
        output = small.step(attachment)
        with pytest.raises(ArithmeticError, match="in the loss"):
            attachment.blend(broken() if where == "the host's" else small.main_loss(output), broken)
        assert_nothing_is_heard(attachment)
    assert_a_step_is_right(small, attachment)

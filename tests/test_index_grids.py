from fractions import Fraction
from math import floor
from types import ModuleType

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from selfcontrast.index_grids import nearest_cells, numbers

HERE = torch.empty(0)


@given(st.integers(1, 600), st.integers(1, 600))
def test_the_nearest_cell_holds_the_centre(old: int, new: int) -> None:
    exact = [floor((index + Fraction(1, 2)) * old / new) for index in range(new)]
    assert nearest_cells(old, new, HERE).tolist() == exact


def test_a_centre_on_a_border_belongs_to_the_later_cell() -> None:
    # A float takes the earlier one on some machines: 236.5 * 60 / 473 is 30 and rounds to a little less.
    assert nearest_cells(60, 473, HERE)[236] == 30


def test_numbers_count() -> None:
    assert numbers(4, HERE).tolist() == [0, 1, 2, 3] and numbers(4, HERE).dtype == torch.int64


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_grid_is_made_once_a_device(device: str) -> None:
    like = torch.empty(0, device=device)
    assert numbers(3, like) is numbers(3, like) and nearest_cells(5, 3, like) is nearest_cells(5, 3, like)
    assert numbers(3, like).device == nearest_cells(5, 3, like).device == like.device


def test_a_grid_of_inference_mode_serves_training() -> None:
    with torch.inference_mode():
        made = numbers(77, HERE)
    assert not made.is_inference() and numbers(77, HERE) is made


def test_fake_tensors_get_fake_grids_and_leave_none_behind() -> None:
    with FakeTensorMode() as mode:
        like = torch.empty(0)
        assert isinstance(numbers(78, like), FakeTensor) and isinstance(nearest_cells(78, 3, like), FakeTensor)
        assert mode is not None
    assert not isinstance(numbers(78, HERE), FakeTensor)


def test_a_graph_makes_its_own_grids(no_shape_checks: ModuleType) -> None:
    numbered = no_shape_checks.index_grids.numbers
    numbered(79, HERE)
    for made in (
        torch.compile(lambda x: x + numbered(79, x), backend="eager", fullgraph=True),
        make_fx(lambda x: x + numbered(79, x), tracing_mode="fake")(torch.zeros(79)),
    ):
        assert torch.equal(made(torch.ones(79)), torch.arange(79.0) + 1)

"""Tensors inside what modules give: lists, tuples, named tuples and dictionaries keep their kind."""

from collections import OrderedDict
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from selfcontrast.attach.nested_tensors import map_tensors, replace_item, tensors_in


class Pair(NamedTuple):
    logits: Tensor
    other: object


def test_tensors_are_changed_and_all_else_stays() -> None:
    tree = OrderedDict(a=Pair(torch.zeros(1), None), b=[(torch.ones(2), "text"), 3])
    changed = map_tensors(tree, lambda tensor: tensor + 1)
    assert isinstance(changed, OrderedDict) and isinstance(changed["a"], Pair)
    assert changed["a"].logits.item() == 1 and changed["b"][0][1] == "text" and changed["b"][1] == 3
    assert tree["a"].logits.item() == 0


@pytest.mark.parametrize(
    ("tree", "items", "expected"),
    [
        (5, (), 50),
        ([1, 2], (1,), [1, 20]),
        ((1, (2, 3)), (1, 0), (1, (20, 3))),
        ({"3": [1]}, ("3", 0), {"3": [10]}),
        ([1, 2], (-1,), [1, 20]),
    ],
)
def test_one_item_is_replaced(tree: object, items: tuple[int | str, ...], expected: object) -> None:
    assert replace_item(tree, items, lambda item: item * 10) == expected


def test_the_original_stays() -> None:
    tree = {"a": [1]}
    replace_item(tree, ("a", 0), lambda item: item + 1)
    assert tree == {"a": [1]}


def test_tensors_come_in_order() -> None:
    found = tensors_in(({"a": torch.tensor(1)}, [torch.tensor(2), "no"], torch.tensor(3)))
    assert [one.item() for one in found] == [1, 2, 3]

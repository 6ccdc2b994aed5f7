"""Tensors inside what a module takes or gives: lists, tuples, dictionaries, and what registers as such."""

from collections.abc import Callable
from copy import copy
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree


def map_tensors(tree: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """The same structure with `function` applied to its tensors.

    >>> import torch
    >>> map_tensors({"a": [torch.zeros(1), None]}, lambda tensor: tensor + 1)
    {'a': [tensor([1.]), None]}
    """
    return pytree.tree_map_only(Tensor, function, tree)


def replace_item(tree: Any, items: tuple[int | str, ...], function: Callable[[Any], Any]) -> Any:
    """The same structure with `function` applied to the one item at this path; lists and tuples alike.

    >>> replace_item((1, [2, 3]), (1, 0), lambda item: 10 * item)
    (1, [20, 3])
    """
    if not items:
        return function(tree)
    changed: Any = copy(tree) if isinstance(tree, dict) else list(tree)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    changed[items[0]] = replace_item(changed[items[0]], items[1:], function)
    return tuple(changed) if isinstance(tree, tuple) else changed


def tensors_in(tree: Any) -> list[Tensor]:
    """The tensors of a structure, in order.

    >>> import torch
    >>> tensors_in((1, [torch.zeros(1)]))
    [tensor([0.])]
    """
    return [leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor)]

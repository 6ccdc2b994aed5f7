"""Tensors inside what a module takes or gives: lists, tuples, dictionaries, and what registers as such."""

from collections.abc import Callable
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


def tensors_in(tree: Any) -> list[Tensor]:
    """The tensors of a structure, in order.

    >>> import torch
    >>> tensors_in((1, [torch.zeros(1)]))
    [tensor([0.])]
    """
    return [leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor)]

"""Which images a forward was given, and the same forward with another one of them: what changes follows that image."""

import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]
from torch.utils import _pytree as pytree


def image_leaves(arguments: Any) -> list[int]:
    """Which leaves of the arguments are images: floating point, three channels.

    >>> image_leaves(([torch.zeros(2, 3, 8, 8)], {"mask": torch.zeros(2, 8, 8)}))
    [0]
    """
    leaves = pytree.tree_leaves(arguments)
    return [
        index
        for index, leaf in enumerate(leaves)
        if isinstance(leaf, Tensor) and leaf.is_floating_point() and leaf.dim() >= 4 and leaf.shape[-3] == 3
    ]


def leaf_names(model: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> list[str]:
    """What the leaves of the arguments are called in the model's forward.

    >>> leaf_names(nn.ReLU(), ([torch.zeros(1), torch.zeros(1)],), {})
    ['input[0]', 'input[1]']
    """
    takes = [one for one in inspect.signature(model.forward).parameters.values() if one.kind is not one.KEYWORD_ONLY]
    named = [one.name if one.kind is not one.VAR_POSITIONAL else "" for one in takes]
    several = [*named, *([""] * len(arguments))][: len(arguments)]
    given = [(name or f"argument {place}", arguments[place]) for place, name in enumerate(several)]
    return [
        f"{name}{pytree.keystr(path)}"
        for name, value in [*given, *keywords.items()]
        for path, _ in pytree.tree_flatten_with_path(value)[0]
    ]


def with_leaf(arguments: Any, index: int, change: Callable[[Tensor], Tensor]) -> Any:
    """The same arguments with one leaf changed."""
    leaves, structure = pytree.tree_flatten(arguments)
    leaves[index] = change(leaves[index])
    return pytree.tree_unflatten(leaves, structure)


def other_image(image: Tensor) -> Tensor:
    """Noise of the image's own spread."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(image.shape, generator=generator).to(image)
    return image.mean() + noise * image.std().clamp(min=0.1)


@contextmanager
def fixed_statistics(model: nn.Module) -> Generator[None]:
    """A context in which batch normalisation uses its running statistics, so that no image affects another."""
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm) and layer.training]
    for layer in layers:
        layer.eval()
    try:
        yield
    finally:
        for layer in layers:
            layer.train()

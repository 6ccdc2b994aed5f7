"""Whether a graph is still alive: a node in it holds a token, and a weak reference tells when that is gone."""

import gc
import weakref
from typing import Any

import torch
from torch import Tensor


class Token:
    """Lives as long as the graph that a `GraphWatch` is part of."""


class _Pass(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, tensor: Tensor, token: Token) -> Tensor:
        context.token = token
        return tensor.clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Any:
        return gradient, None


class GraphWatch:
    """`watched(tensor)` puts a node into a tensor's graph; `alive` says whether any graph still holds it."""

    def __init__(self) -> None:
        self._token: Token | None = Token()
        self._seen = weakref.ref(self._token)

    def watched(self, tensor: Tensor) -> Tensor:
        result = _Pass.apply(tensor, self._token)
        self._token = None
        return result

    @property
    def alive(self) -> bool:
        gc.collect()
        return self._seen() is not None

"""Record dispatched operations, a stand-in for the kernels that an accelerator would launch."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Operations that make the host wait for a value.
HOST_READS = {
    "_local_scalar_dense",
    "nonzero",
    "masked_select",
    "item",
    "equal",
    "is_nonzero",
    "_unique2",
    "unique_dim",
}
# Operations that compute nothing.
_FREE = {
    *("_unsafe_view", "_reshape_alias", "lift_fresh", "device", "promote_types", "scalar_tensor"),
    *("empty", "empty_strided", "empty_like", "new_empty", "new_empty_strided"),
}


class Recorder(TorchDispatchMode):
    """Counts operations.

    Attributes:
        operations: how often each operation was dispatched, without views.
        bytes: bytes of all tensors that these operations read and wrote.
        reads: operations that make the host wait, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations: Counter[str] = Counter()
        self.bytes = 0
        self.reads: list[str] = []

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = operation(*args, **(kwargs or {}))
        name = operation.overloadpacket.__name__
        if name in HOST_READS or _looks_up(name, args):
            self.reads.append(name)
        if not operation.is_view and name not in _FREE:
            self.operations[name] += 1
            self.bytes += _bytes(args, kwargs) + _bytes(result)
        return result


def _bytes(*trees: Any) -> int:
    """Bytes of all tensors; a tensor that an operation takes twice counts once."""
    tensors = {id(leaf): leaf for leaf in tree_leaves(trees) if isinstance(leaf, Tensor)}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def _looks_up(name: str, args: tuple[Any, ...]) -> bool:
    """Whether an operation indexes by a bool tensor, for which the host waits."""
    return name in ("index", "index_put", "index_put_") and any(
        index is not None and index.dtype == torch.bool for index in args[1]
    )

"""How many operations the task dispatches, and how many bytes they touch, where an accelerator would launch kernels?

python benchmarks/operations.py     # seconds; no GPU is needed, for no value is ever computed

The task runs at the paper's size on tensors without values, forward and backward, without the host's own comparison, by
the same code that runs on a GPU. Views cost nothing and do not count. Every other operation counts with all bytes that
it reads and writes. `tests/benchmarks/test_operations.py` compares the committed figures with the code.
"""

from collections.abc import Callable

import torch
from common.measure import command, machine, publish, spread
from common.operation_recorder import Recorder
from torch import Tensor

from selfcontrast import SelfContrastiveAuxiliary, cosine_kmeans


def whole_task(batch: int = 4, channels: int = 256, high_channels: int = 2048, grid: int = 60, size: int = 473) -> None:
    """Clustering, pooling, map and loss, with a comparison that is one product."""
    features = torch.empty(batch, channels, grid, grid, device="meta", requires_grad=True)
    high_level = torch.empty(batch, high_channels, grid, grid, device="meta")
    mask = torch.empty(batch, size, size, device="meta", dtype=torch.long)

    def compare(features: Tensor, prototype_map: Tensor) -> Tensor:
        return (features * prototype_map)[:, :2]

    SelfContrastiveAuxiliary()(features.mean(), features, high_level, mask, compare).backward()


def clustering() -> None:
    """`cosine_kmeans` alone."""
    cosine_kmeans(torch.empty(4, 2048, 60, 60, device="meta"), 3)


ARMS: dict[str, Callable[[], None]] = {"task": whole_task, "clustering": clustering}


def record(arm: str) -> Recorder:
    """Record the operations of an arm."""
    with Recorder() as recorder:
        ARMS[arm]()
    return recorder


def main() -> None:
    recorders = {arm: record(arm) for arm in ARMS}
    rows = [
        {"arm": arm, "measure": measure, **spread([value])}
        for arm, recorder in recorders.items()
        for measure, value in (
            ("operations", recorder.operations.total()),
            ("gigabytes", recorder.bytes / 1e9),
            ("host reads", len(recorder.reads)),
        )
    ]
    report = {
        "question": __doc__.splitlines()[0],
        "command": command(),
        "seed": 0,
        "settings": {"batch": 4, "grid": 60, "channels": 256, "high_channels": 2048, "mask": 473},
        "units": {"operations": "dispatched", "gigabytes": "read and written", "host reads": "dispatched"},
        "rows": rows,
        "details": {arm: dict(recorder.operations.most_common()) for arm, recorder in recorders.items()},
        "environment": machine(),
    }
    publish("operations", report, ["arm", "measure", "median"])


if __name__ == "__main__":
    main()

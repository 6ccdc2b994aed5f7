"""How many operations the task dispatches, and how many bytes they touch, where an accelerator would launch kernels?

python benchmarks/operations.py     # seconds; no GPU is needed, for no value is ever computed

The task runs at the paper's size on tensors without values, forward and backward, without the host's own comparison, by
plain torch. Views cost nothing and do not count. Every other operation counts with all bytes that it reads and writes.
On a GPU where Triton serves, the clustering is one draw and K + 3T + 3 launches for K clusters, T iterations. Those are
the task's launches there, and its operations without the clustering's. Three of them belong to what stands in for the
host: the loss's first gradient, that of the view, and the copy of the features' gradient. The first step, which also
makes the index grids, is not counted.
`tests/benchmarks/test_operations.py` compares the committed figures with the code.
"""

from collections.abc import Callable

import torch
from common.measure import command, machine, publish, spread
from common.operation_recorder import Recorder
from torch import Tensor

from selfcontrast import SelfContrastiveAuxiliary, cosine_kmeans

# Those that the task has unless it is told otherwise: the paper's.
CLUSTERS, ITERATIONS = 3, 10


def whole_task(batch: int = 4, channels: int = 256, high_channels: int = 2048, grid: int = 60, size: int = 473) -> None:
    """Clustering, pooling, map and loss, with a comparison that is a view of the map."""
    features = torch.empty(batch, channels, grid, grid, device="meta", requires_grad=True)
    high_level = torch.empty(batch, high_channels, grid, grid, device="meta")
    mask = torch.empty(batch, size, size, device="meta", dtype=torch.long)
    main_loss = torch.empty((), device="meta", requires_grad=True)

    def compare(features: Tensor, prototype_map: Tensor) -> Tensor:
        return prototype_map[:, :2]

    SelfContrastiveAuxiliary()(main_loss, features, high_level, mask, compare).backward()


def clustering() -> None:
    """`cosine_kmeans` alone."""
    cosine_kmeans(torch.empty(4, 2048, 60, 60, device="meta"), CLUSTERS, iterations=ITERATIONS)


ARMS: dict[str, Callable[[], None]] = {"task": whole_task, "clustering": clustering}


def record(arm: str) -> Recorder:
    """Record the operations of an arm that has run before."""
    ARMS[arm]()
    with Recorder() as recorder:
        ARMS[arm]()
    return recorder


def launches(recorders: dict[str, Recorder]) -> int:
    """Of the task on a GPU where Triton serves, by plain torch but for the clustering."""
    plain = recorders["task"].operations.total() - recorders["clustering"].operations.total()
    return plain + 1 + CLUSTERS + 3 * ITERATIONS + 3


def main() -> None:
    recorders = {arm: record(arm) for arm in ARMS}
    rows = [{"arm": "task", "measure": "launches where Triton serves", **spread([launches(recorders)])}]
    rows += [
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
        "units": {
            "launches where Triton serves": "forward and backward",
            "operations": "dispatched",
            "gigabytes": "read and written",
            "host reads": "dispatched",
        },
        "rows": rows,
        "details": {arm: dict(recorder.operations.most_common()) for arm, recorder in recorders.items()},
        "environment": machine(),
    }
    publish("operations", report, ["arm", "measure", "median"])


if __name__ == "__main__":
    main()

"""How many operations the task dispatches, and how many bytes they touch, where an accelerator would launch kernels?

python benchmarks/operations.py     # seconds; no GPU is needed

The task runs at the paper's size on tensors without values, forward and backward, without the host's own comparison, by
plain torch. Views cost nothing and do not count. Every other operation counts with all bytes that it reads and writes.
On a GPU where Triton serves, the clustering is one draw and K + 3T + 3 launches for K clusters, T iterations. Those are
the task's launches there, and its operations without the clustering's. Three of them belong to what stands in for the
host: the loss's first gradient, that of the view, and the copy of the features' gradient. The first step, which also
makes the index grids, is not counted. A CPU works image by image and looks at values, so it has a row of its own, for
features of noise.
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


def whole_task(device: str = "meta") -> Recorder:
    """Clustering, pooling, map and loss, with a comparison that is a view of the map; the paper's shapes."""
    features = torch.rand(4, 256, 60, 60, device=device, requires_grad=True)
    high_level = torch.rand(4, 2048, 60, 60, device=device)
    mask = (torch.rand(4, 473, 473, device=device) > 0.7).long()
    main_loss = torch.zeros((), device=device, requires_grad=True)

    def compare(features: Tensor, prototype_map: Tensor) -> Tensor:
        return prototype_map[:, :2]

    with Recorder() as recorder:
        SelfContrastiveAuxiliary()(main_loss, features, high_level, mask, compare).backward()
    return recorder


def clustering() -> Recorder:
    """`cosine_kmeans` alone."""
    high_level = torch.rand(4, 2048, 60, 60, device="meta")
    with Recorder() as recorder:
        cosine_kmeans(high_level, CLUSTERS, iterations=ITERATIONS)
    return recorder


ARMS: dict[str, Callable[[], Recorder]] = {"task": whole_task, "clustering": clustering}


def record(arm: str) -> Recorder:
    """Record the operations of an arm that has run before."""
    ARMS[arm]()
    return ARMS[arm]()


def launches(recorders: dict[str, Recorder]) -> int:
    """Of the task on a GPU where Triton serves, by plain torch but for the clustering."""
    plain = recorders["task"].operations.total() - recorders["clustering"].operations.total()
    return plain + 1 + CLUSTERS + 3 * ITERATIONS + 3


def main() -> None:
    recorders = {arm: record(arm) for arm in ARMS}
    torch.manual_seed(0)
    on_processor = whole_task("cpu").operations.total()
    rows = [
        {"arm": "task", "measure": "launches where Triton serves", **spread([launches(recorders)])},
        {"arm": "task on a CPU", "measure": "operations", **spread([on_processor])},
    ]
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

"""The clustering on a GPU: by the Triton kernels, by plain torch, and by other libraries.

python benchmarks/clustering_gpu.py                      # two minutes on a GPU: results/clustering_cuda.json
python benchmarks/clustering_gpu.py --device cpu --size 8 --channels 32 --batch 2 --rounds 1     # a rehearsal

Correctness comes first: labels against float64 Lloyd from the same centres, an image without its batch, and a second
run; the command fails where ours is wrong. All arms of a layout and dtype take turns. The floor is one pass over the
features for each iteration, and one more, by the fastest reading operation. What a library needs first is its time.
"""

import importlib.metadata
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from clustering import CLUSTERS, ITERATIONS, READING, alone, fastest_reading, installed, ours, paired, passes, share
from common.gpu_peers import GPU_PEERS
from common.measure import Row, command, interleave, machine, publish, spread, waiting
from common.peers import Clustering, initial_centres
from common.plain_kmeans import einsum_kmeans, exact_labels
from jsonargparse import auto_cli
from torch import Tensor

LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def arms(device: str) -> tuple[dict[str, Clustering], dict[str, str]]:
    """Ours by each engine that serves, the plain k-means, the peers that are there; and why the others are not."""
    engines = ("triton", "torch") if device == "cuda" else ("torch",)
    runs: dict[str, Clustering] = {f"selfcontrast, engine {one}": partial(ours, engine=one) for one in engines}
    runs["normalise and einsum"] = einsum_kmeans
    absent: dict[str, str] = {}
    for name, (run, distribution) in GPU_PEERS.items():
        if device == "cuda" and installed(distribution):
            runs[name] = run
        else:
            absent[name] = f"{distribution} is not installed" if device == "cuda" else "needs a GPU"
    return runs, absent


def noise(batch: int, channels: int, size: int, device: str) -> Tensor:
    """Maps around ten directions, so that clusters stand still after some iterations, as those of a network do."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(10, channels, generator=generator)
    places = torch.randint(10, (batch, size, size), generator=generator)
    maps = directions[places].permute(0, 3, 1, 2) + torch.randn(batch, channels, size, size, generator=generator)
    return maps.relu().contiguous().to(device)


def correctness(features: Tensor, run: Clustering) -> Row:
    """Shares of labels: as float64 Lloyd's, as those of an image alone, as those of a second run."""
    centres = initial_centres(features.float(), CLUSTERS)
    labels, again = run(features, centres, ITERATIONS), run(features, centres, ITERATIONS)
    exact = exact_labels(features.float().cpu(), centres.cpu(), ITERATIONS)
    return {
        "labels_as_float64": share(labels.cpu(), exact),
        "alone_as_in_batch": share(labels, alone(run, features, centres)),
        "labels_as_again": share(labels, again),
    }


def measured(name: str, features: Tensor, runs: dict[str, Clustering], rounds: int, device: str) -> list[Row]:
    """A row for each clustering of these features, with its correctness; and one that says why for each that fails."""
    rows, good = list[Row](), dict[str, Callable[[], Any]]()
    centres = initial_centres(features.float(), CLUSTERS)
    found: dict[str, Row] = {}
    for arm, run in runs.items():
        try:
            found[arm] = correctness(features, run)
            good[arm] = waiting(partial(run, features, centres, ITERATIONS), device)
        except Exception as error:
            rows.append({"arm": arm, "size": name, "not_run": f"{type(error).__name__}: {error}"[:200]})
    flat = features.flatten().float()
    reads = {
        read: waiting(partial(passes, operation, flat, ITERATIONS + 1), device) for read, operation in READING.items()
    }
    timed = interleave({**reads, **good}, rounds)
    floor = fastest_reading(timed)
    rows.append({"arm": "floor", "size": name, "measure": "seconds", **spread(floor)})
    first = next(iter(good))
    for arm in good:
        seconds = timed[arm].seconds
        ratios = {"times_floor": paired(seconds, floor), "times_ours": paired(seconds, timed[first].seconds)}
        rows.append({"arm": arm, "size": name, "measure": "seconds", **spread(seconds), **ratios, **found[arm]})
    return rows


def main(
    device: Literal["cuda", "cpu"] = "cuda", batch: int = 4, channels: int = 2048, size: int = 60, rounds: int = 20
) -> None:
    """Measure, print and write results/clustering_cuda.json; on a CPU, to rehearse, clustering_rehearsal.json.

    Args:
        device: where; the kernels and the peers need "cuda".
        batch: images, and twice as many in a second size.
        channels: of the features.
        size: of the grid, a side.
        rounds: of every arm.
    """
    runs, absent = arms(device)
    rows = [{"arm": name, "not_run": why} for name, why in absent.items()]
    for images in (batch, 2 * batch):
        for layout, memory_format in LAYOUTS.items():
            for dtype, kind in DTYPES.items():
                features = noise(images, channels, size, device).to(kind).contiguous(memory_format=memory_format)
                name = f"{images} x {channels} x {size} x {size}, {layout}, {dtype}"
                rows += measured(name, features, runs, rounds, device)
    there = [distribution for _, distribution in GPU_PEERS.values() if installed(distribution)]
    report = {
        "question": "What does the clustering cost on a GPU, against reading its input and against other libraries?",
        "command": command(),
        "seed": 0,
        "settings": {"clusters": CLUSTERS, "iterations": ITERATIONS},
        "units": {"seconds": "s; times_floor and times_ours are medians of the rounds' ratios"},
        "rows": rows,
        "environment": machine(sorted(there)) | {"triton": _triton()},
    }
    wrong = [row for row in rows if row["arm"].startswith("selfcontrast") and not right(row)]
    name = "clustering_cuda" if device == "cuda" else "clustering_rehearsal"
    columns = ("arm", "size", "median", "min", "max", "rounds", "times_floor", "times_ours")
    publish(name, report, (*columns, "labels_as_float64", "alone_as_in_batch", "labels_as_again"))
    if wrong:
        raise SystemExit(f"{len(wrong)} rows of ours are wrong or did not run: {wrong[0]}")


def right(row: Row) -> bool:
    """Whether labels are those of float64, but for one in two thousand, and depend on nothing else."""
    return row.get("labels_as_float64", 0) >= 0.9995 and row["alone_as_in_batch"] == row["labels_as_again"] == 1


def _triton() -> str:
    return importlib.metadata.version("triton") if installed("triton") else "none"


if __name__ == "__main__":
    auto_cli(main)

"""The clustering against the speed of memory, against plain einsum, and against other libraries.

SELFCONTRAST_VOC=DIR python benchmarks/clustering.py     # five minutes on two cores; peers: requirements-peers.txt

Features are those of layer 4 of a ResNet-50 with random weights on photographs of 473 pixels. All arms of a size take
turns in one run, from the same features, centres and number of iterations. What a library needs before it can begin
(transposing, normalising) counts as its time. The floor is one pass over the features for each iteration, at the speed
of the fastest reading operation. The product of two rows with the features, one for each iteration, is the least that
an assignment among three clusters needs on a CPU.
"""

import importlib.metadata
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from statistics import median
from typing import Any

import faiss
import torch
from common.clustering_bars import (
    CHANNELS_LAST,
    CONTIGUOUS,
    FLOOR,
    NAIVE,
    OURS,
    PAPER,
    PRODUCT,
    SMALL,
    TWICE,
    bars,
)
from common.measure import Row, Timed, command, digits, interleave, machine, publish, spread, use_threads
from common.peers import PEERS, SEED, Clustering, initial_centres
from common.photographs import high_level_features
from common.plain_kmeans import einsum_kmeans, exact_labels, objectives
from common.resident_memory import extra_bytes
from jsonargparse import auto_cli
from torch import Tensor

from selfcontrast import cosine_kmeans
from selfcontrast.clustering import Engine

CLUSTERS, ITERATIONS, SIDE = 3, 10, 473
# A library that takes more than this many times our time at the paper's size would take minutes at twice the batch.
SLOW = 20
READING: dict[str, Callable[[Tensor], Tensor]] = {
    "dot": lambda values: torch.dot(values, values),
    "sum": torch.sum,
    "norm": torch.linalg.vector_norm,
    "largest": torch.amax,
}


def ours(features: Tensor, centres: Tensor, iterations: int, engine: Engine = "auto") -> Tensor:
    return cosine_kmeans(features, centres.shape[1], iterations=iterations, init=centres, engine=engine).flatten(1)


def ours_by_faiss(features: Tensor, centres: Tensor, iterations: int) -> Tensor:
    faiss.omp_set_num_threads(torch.get_num_threads())
    return ours(features, centres, iterations, "faiss")


def installed(distribution: str) -> bool:
    try:
        return bool(importlib.metadata.version(distribution))
    except importlib.metadata.PackageNotFoundError:
        return False


def clusterings() -> dict[str, Clustering]:
    """Ours by either engine, the plain one, and every installed peer."""
    peers = {name: run for name, (run, distribution) in PEERS.items() if installed(distribution)}
    return {OURS: ours, f"{OURS}, engine faiss": ours_by_faiss, NAIVE: einsum_kmeans, **peers}


def layouts(features: Tensor) -> dict[str, Tensor]:
    return {
        CONTIGUOUS: features.contiguous(),
        CHANNELS_LAST: features.contiguous(memory_format=torch.channels_last),
    }


def measured_size(size: str, features: Tensor, runs: Mapping[str, Clustering], rounds: int, budget: float) -> list[Row]:
    """A row for the floor, and one for each of `runs` from each layout."""
    centres = initial_centres(features, CLUSTERS)
    flat = features.flatten()
    arms: dict[str, Callable[[], Any]] = {name: partial(passes, read, flat) for name, read in READING.items()}
    for layout, laid in layouts(features).items():
        clocked = {**runs, PRODUCT: two_row_products}
        arms |= {f"{name} | {layout}": partial(run, laid, centres, ITERATIONS) for name, run in clocked.items()}
    timed = interleave(arms, rounds, budget)
    floor = fastest_reading(timed)
    exact = exact_labels(features, centres, ITERATIONS)
    rows = [{"arm": FLOOR, "size": size, "measure": "seconds", **spread(floor)}]
    products = {layout: timed[f"{PRODUCT} | {layout}"].seconds for layout in (CONTIGUOUS, CHANNELS_LAST)}
    rows += [
        {"arm": f"{PRODUCT}, {layout}", "size": size, "measure": "seconds", **spread(one)}
        for layout, one in products.items()
    ]
    for name in runs:
        for layout in (CONTIGUOUS, CHANNELS_LAST):
            one, reference = timed[f"{name} | {layout}"], timed[f"{OURS} | {layout}"]
            rows.append(
                {
                    "arm": name,
                    "size": size,
                    "layout": layout,
                    "measure": "seconds",
                    **spread(one.seconds),
                    "times_floor": paired(one.seconds, floor),
                    "times_product": paired(one.seconds, products[layout]),
                    "times_ours": paired(one.seconds, reference.seconds),
                    "labels_as_ours": share(one.first, reference.first),
                    "labels_as_float64": share(one.first, exact),
                    "objective": objectives(features, one.first).mean().item(),
                }
            )
    return rows


def passes(read: Callable[[Tensor], Tensor], values: Tensor, times: int = ITERATIONS) -> None:
    """Read the values once for each iteration of the clustering."""
    for _ in range(times):
        read(values)


def two_row_products(features: Tensor, centres: Tensor, iterations: int) -> Tensor:
    """Multiply two rows with the features, without a copy, once for each iteration."""
    laid = features.is_contiguous()
    pixels = features.flatten(2) if laid else features.permute(0, 2, 3, 1).flatten(1, 2)
    rows = centres[:, :2]
    for _ in range(iterations):
        product = rows @ pixels if laid else pixels @ rows.transpose(1, 2)
    return product


def fastest_reading(timed: Mapping[str, Timed]) -> list[float]:
    """The floor of each round, by the operation whose median is the smallest."""
    return min((timed[name].seconds for name in READING), key=median)


def paired(seconds: list[float], reference: list[float]) -> float:
    """The median of the ratios of each round."""
    return spread([a / b for a, b in zip(seconds, reference, strict=False)])["median"]


def share(labels: Tensor, others: Tensor) -> float:
    return (labels == others).double().mean().item()


def alone(run: Clustering, features: Tensor, centres: Tensor) -> Tensor:
    """The labels of each image without its batch."""
    images = range(len(features))
    return torch.cat([run(features[i : i + 1], centres[i : i + 1], ITERATIONS) for i in images])


def properties(features: Tensor) -> dict[str, float]:
    """Shares of labels that are the same for an image without its batch, and for a part of it, masked or cropped."""
    centres = initial_centres(features, CLUSTERS)
    together = ours(features, centres, ITERATIONS)
    height, width = features.shape[2:]
    part = torch.arange(width) < 2 * width // 3
    valid = part.expand(len(features), height, width)
    run = partial(cosine_kmeans, num_clusters=CLUSTERS, iterations=ITERATIONS, init=centres)
    return {
        "alone_as_in_batch": share(together, alone(ours, features, centres)),
        "masked_as_cropped": share(run(features, valid=valid)[..., part], run(features[..., part].contiguous())),
    }


def too_slow(rows: list[Row]) -> set[str]:
    """Libraries that take more than `SLOW` times our time in every row."""
    times = [(row["arm"], row["times_ours"]) for row in rows if "layout" in row and not row["arm"].startswith(OURS)]
    return {name for name, _ in times if min(value for other, value in times if other == name) > SLOW}


def with_memory(rows: list[Row], features: Tensor) -> None:
    """Add each clustering's extra memory to the rows of the paper's size, as a share of its input."""
    centres = initial_centres(features, CLUSTERS)
    for layout, laid in layouts(features).items():
        extra = extra_bytes(clusterings(), laid, centres, ITERATIONS)
        for row in rows:
            if row["size"] == PAPER and row.get("layout") == layout:
                row["extra_memory"] = digits(extra[row["arm"]] / laid.nbytes)


def main(rounds: int = 5, budget: float = 2.5, threads: int | None = None) -> None:
    """Measure, print and write results/clustering.json.

    Args:
        rounds: of every arm.
        budget: seconds; a slower arm gets fewer rounds, see `interleave`.
        threads: for every library; by default all cores.
    """
    warnings.simplefilter("ignore")  # the peers'
    use_threads(threads)
    features = high_level_features("resnet50", 8, SIDE)
    every, rows = clusterings(), list[Row]()
    sizes = {PAPER: features[:4], TWICE: features, SMALL: features[:4, :512, ::2, ::2]}
    for size, part in sizes.items():
        slow = too_slow(rows) if size == TWICE else set[str]()
        runs = {name: run for name, run in every.items() if name not in slow}
        rows += measured_size(size, part.contiguous(), runs, rounds, budget)
        rows += [{"arm": name, "size": size, "not_run": f"over {SLOW} times ours at {PAPER}"} for name in sorted(slow)]
    with_memory(rows, features[:4].contiguous())
    kept = {size: properties(part.contiguous()) for size, part in sizes.items()}
    absent = {name: distribution for name, (_, distribution) in PEERS.items() if not installed(distribution)}
    rows += [{"arm": name, "not_run": f"{distribution} is not installed"} for name, distribution in absent.items()]
    report = {
        "question": "What does the clustering cost, against reading its input and against other libraries?",
        "command": command(),
        "seed": SEED,
        "settings": {"clusters": CLUSTERS, "iterations": ITERATIONS, "dtype": "float32", "budget_seconds": budget},
        "units": {"seconds": "s; times_product, times_floor and times_ours are medians of the rounds' ratios"},
        "rows": rows,
        "summary": {"bars": [bar._asdict() | {"met": bar.met()} for bar in bars(rows, kept)], "labels_kept": kept},
        "environment": machine(sorted({name for _, name in PEERS.values()} - set(absent.values()))),
    }
    columns = (
        "arm",
        "size",
        "layout",
        "median",
        "min",
        "max",
        "rounds",
        "times_product",
        "times_floor",
        "times_ours",
        "extra_memory",
    )
    publish("clustering", report, (*columns, "labels_as_ours", "labels_as_float64"))


if __name__ == "__main__":
    auto_cli(main)

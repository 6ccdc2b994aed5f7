"""Which seeding of the clustering is the best on real features: random, k-means++ or farthest-first?

SELFCONTRAST_VOC=DIR python benchmarks/seeding.py     # five minutes on two cores

The last layer of EfficientNet-Lite0 (ImageNet weights) and of the ResNet-50 layout (random weights), n = 3, on training
images. For every image and five seeds: the objective, which is the mean cosine distance to the centre after ten
iterations; its standard deviation over the seeds; and the agreement of the labels between seeds, the mean adjusted Rand
index over all pairs. Differences are paired by image, with a bootstrap 95 % interval of their mean.

The winner is the cheapest of the seedings that are level with the best, first by objective, then by agreement. Level
means that the interval includes 0.
"""

from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import torch
from common.agreement import adjusted_rand_index
from common.measure import Row, command, digits, interleave, machine, publish, spread, use_threads
from common.photographs import high_level_features
from common.plain_kmeans import objectives
from jsonargparse import auto_cli
from scipy.stats import bootstrap
from torch import Tensor

from selfcontrast import cosine_kmeans

SEEDINGS = ("random", "k-means++", "farthest-first")
CLUSTERS, SEEDS = 3, (0, 1, 2, 3, 4)
BATCH = 8
LOWER_IS_BETTER = {"objective": True, "deviation": True, "agreement": False}


def cluster(features: Tensor, seeding: str, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return cosine_kmeans(features, CLUSTERS, seeding=seeding, generator=generator).flatten(1)


def qualities(features: Tensor, seeding: str) -> dict[str, np.ndarray]:
    """Objective, its deviation over the seeds, and agreement between them, of each image."""
    by_seed = [torch.cat([cluster(part, seeding, seed) for part in features.split(BATCH)]) for seed in SEEDS]
    distances = np.stack([objectives(features, labels).numpy() for labels in by_seed])
    names = np.stack([labels.numpy() for labels in by_seed], axis=1)
    agreement = [np.mean([adjusted_rand_index(a, b) for a, b in combinations(image, 2)]) for image in names]
    return {"objective": distances.mean(0), "deviation": distances.std(0, ddof=1), "agreement": np.array(agreement)}


def difference(first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    """Mean of the paired differences, and the 95 % interval of that mean."""
    gaps = first - second
    if np.ptp(gaps) == 0:  # a bootstrap of equal values has no interval
        return {"mean": float(gaps[0]), "interval": [float(gaps[0])] * 2}
    interval = bootstrap((gaps,), np.mean, method="percentile", rng=np.random.default_rng(0)).confidence_interval
    return {"mean": digits(gaps.mean()), "interval": [digits(interval.low), digits(interval.high)]}


def winner(qualities_of: dict[str, dict[str, np.ndarray]], cost: dict[str, float]) -> str:
    """The cheapest of the seedings that are level with the best, first by objective, then by agreement."""
    left = list(qualities_of)
    for name in ("objective", "agreement"):
        best = min(left, key=lambda seeding: qualities_of[seeding][name].mean() * (1 if LOWER_IS_BETTER[name] else -1))
        gaps = {seeding: difference(qualities_of[seeding][name], qualities_of[best][name]) for seeding in left}
        left = [seeding for seeding, gap in gaps.items() if gap["interval"][0] <= 0 <= gap["interval"][1]]
    return min(left, key=lambda seeding: cost[seeding])


def measured(backbone: str, features: Tensor, rounds: int) -> tuple[list[Row], dict[str, Any]]:
    """Rows of one backbone, and the conclusion from them."""
    arms = {seeding: partial(cluster, features[:BATCH], seeding, 0) for seeding in SEEDINGS}
    seconds = {seeding: timed.seconds for seeding, timed in interleave(arms, rounds).items()}
    of = {seeding: qualities(features, seeding) for seeding in SEEDINGS}
    times = {name: [a / b for a, b in zip(own, seconds["random"], strict=True)] for name, own in seconds.items()}
    rows: list[Row] = []
    for seeding in SEEDINGS:
        values = {**of[seeding], "seconds": seconds[seeding], "times_random": times[seeding]}
        for measure, observed in values.items():
            mean = digits(float(np.mean(observed)))
            rows.append({"arm": seeding, "backbone": backbone, "measure": measure, "mean": mean, **spread(observed)})
    gaps = {
        f"{first} minus {second}": {name: difference(of[first][name], of[second][name]) for name in LOWER_IS_BETTER}
        for first, second in combinations(SEEDINGS, 2)
    }
    cost = {seeding: spread(times[seeding])["median"] for seeding in SEEDINGS}
    return rows, {"winner": winner(of, cost), "differences": gaps}


def main(images: int = 200, resnet_images: int = 40, rounds: int = 7, threads: int | None = None) -> None:
    """Measure, print and write results/seeding.json.

    Args:
        images: through EfficientNet-Lite0, at 224 pixels.
        resnet_images: through the ResNet-50 layout, at 257 pixels.
        rounds: of the timing.
        threads: by default all cores.
    """
    use_threads(threads)
    inputs = {"efficientnet_lite0": (images, 224), "resnet50": (resnet_images, 257)}
    results = {
        name: measured(name, high_level_features(name, count, side, BATCH), rounds)
        for name, (count, side) in inputs.items()
    }
    report = {
        "question": "Which seeding of the clustering is the best on real features?",
        "command": command(),
        "seed": list(SEEDS),
        "settings": {"clusters": CLUSTERS, "iterations": 10, "images_and_pixels": inputs, "timed_batch": BATCH},
        "units": {
            "objective": "mean cosine distance to the centre; a round is an image, mean of its seeds",
            "deviation": "of the objective over the seeds; a round is an image",
            "agreement": "adjusted Rand index, mean over pairs of seeds; a round is an image",
            "seconds": f"s for {BATCH} images",
            "times_random": "ratio of the seconds of the same round",
        },
        "rows": [row for rows, _ in results.values() for row in rows],
        "summary": {name: conclusion for name, (_, conclusion) in results.items()},
        "environment": machine(),
    }
    publish("seeding", report, ("backbone", "measure", "arm", "mean", "median", "min", "max", "rounds"))


if __name__ == "__main__":
    auto_cli(main)

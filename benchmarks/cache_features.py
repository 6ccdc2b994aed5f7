"""How much faster the head trains on cached features than with the backbone computed anew: seconds an epoch.

SELFCONTRAST_VOC=DIR python benchmarks/cache_features.py     # ten minutes, and 0.5 GB below runs/features

Both arms run the parts of the training loop, loader included, on the same episodes. An epoch has as many episodes as
there are training images. Episodes come from the first 300 images, since the time of a step does not depend on their
number. Rounds alternate between the arms; the result is the ratio of the medians.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader, Subset

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples" / "pfenet_scnet"))

from common.measure import (  # noqa: E402
    Row,
    command,
    machine,
    processor_seconds,
    publish,
    spread,
)
from data.augmentation import training_transform  # noqa: E402
from data.episodes import sample_episodes  # noqa: E402
from data.transforms import EpisodeDataset  # noqa: E402
from recipe import Recipe  # noqa: E402
from training.cached_episodes import CachedEpisodes  # noqa: E402
from training.episode_loss import EpisodeLoss  # noqa: E402
from training.feature_cache import open_features  # noqa: E402
from training.loop import loaders  # noqa: E402

WARM_UP, ROUNDS, IMAGES = 3, 3, 300
STEPS = {"recomputed": 10, "cached": 40}


class Seconds(NamedTuple):
    """Seconds of a step: on the clock, and of the processor, loaders included, which other work disturbs less."""

    clock: float
    processor: float


def seconds_a_step(recipe: Recipe, dataset: EpisodeDataset | CachedEpisodes, steps: int) -> Seconds:
    """Time steps with a fresh model and loader; the clock starts after a warm-up."""
    torch.manual_seed(recipe.seed)
    model = recipe.build_model()
    task = EpisodeLoss(model, recipe.build_auxiliary()).train()
    optimizer = recipe.build_optimizer(model)
    shown = Subset(dataset, range((WARM_UP + steps) * recipe.batch))
    processor, started = processor_seconds(), 0.0
    for step, batch in enumerate(DataLoader(shown, recipe.batch, num_workers=loaders(recipe))):
        if step == WARM_UP:
            started = time.perf_counter()
        losses = task(batch)
        optimizer.zero_grad()
        losses.blended.backward()
        optimizer.step()
    clock = time.perf_counter() - started
    return Seconds(clock / steps, (processor_seconds() - processor) / (WARM_UP + steps))


def rows_of(task: str, rounds: list[dict[str, Seconds]]) -> list[Row]:
    """Rows with the seconds a step of each arm, by either measure."""
    return [
        {
            "arm": arm,
            "task": task,
            "measure": f"{kind} seconds a step",
            **spread([getattr(one[arm], kind) for one in rounds]),
        }
        for kind in Seconds._fields
        for arm in STEPS
    ]


def summary_of(rounds: list[dict[str, Seconds]], steps: float) -> Row:
    """Medians in seconds an epoch of `steps` steps, and their ratio."""
    summary: Row = {}
    for kind in Seconds._fields:
        middle = {arm: median(getattr(one[arm], kind) for one in rounds) for arm in STEPS}
        summary[kind] = {
            "seconds_an_epoch": {arm: round(seconds * steps, 1) for arm, seconds in middle.items()},
            "times_faster": round(middle["recomputed"] / middle["cached"], 2),
        }
    return summary


def main() -> None:
    recipe = Recipe().resolve()
    listed = recipe.training_images()
    images = replace(listed, items=listed.items[:IMAGES])
    classes = images.base_classes(recipe.fold)
    epoch = len(listed.items)
    episodes = sample_episodes(images, classes, 1, recipe.seed, epoch)
    started = time.perf_counter()
    cache = open_features(recipe.features, recipe.build_model(), images, classes, recipe.size)
    opening = time.perf_counter() - started
    arms = {
        "recomputed": EpisodeDataset(images, episodes, training_transform(recipe.size), recipe.seed),
        "cached": CachedEpisodes(cache, episodes, recipe.seed),
    }
    tasks: dict[str, list[dict[str, Seconds]]] = {}
    for weight in (0.5, 0.0):
        recipe.weight = weight
        tasks["SCNet" if weight else "PFENet baseline"] = [
            {
                arm: seconds_a_step(replace(recipe, cache_features=arm == "cached"), arms[arm], STEPS[arm])
                for arm in arms
            }
            for _ in range(ROUNDS)
        ]
    settings = {
        "episodes_an_epoch": epoch,
        "batch": recipe.batch,
        "size": recipe.size,
        "backbone": recipe.backbone,
        "images_in_the_cache": IMAGES,
        "seconds_to_open_or_compute_the_cache": round(opening, 1),
        "cache_gigabytes": round(sum(array.nbytes for array in cache.arrays.values()) / 1e9, 2),
    }
    about = {"command": command(), "seed": recipe.seed, "settings": settings, "environment": machine()}
    publish(
        "cache_features",
        report(tasks, epoch / recipe.batch) | about,
        ("task", "arm", "measure", "median", "min", "max", "rounds"),
    )


def report(tasks: dict[str, list[dict[str, Seconds]]], steps: float) -> dict[str, Any]:
    """The report on the rounds of both tasks; an epoch has `steps` steps."""
    return {
        "question": "How much faster does the head train on cached features than with the backbone computed anew?",
        "units": {f"{kind} seconds a step": "s" for kind in Seconds._fields},
        "rows": [row for task, rounds in tasks.items() for row in rows_of(task, rounds)],
        "summary": {task: summary_of(rounds, steps) for task, rounds in tasks.items()},
        "details": {
            task: [{arm: one[arm]._asdict() for arm in STEPS} for one in rounds] for task, rounds in tasks.items()
        },
    }


if __name__ == "__main__":
    main()

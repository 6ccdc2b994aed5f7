"""A whole training: from a recipe to the model after its last step."""

import json
import os
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from data.augmentation import AUGMENTATION, training_transform
from data.episodes import Episode, digest
from data.image_list import ImageList, shared_images
from data.transforms import EpisodeDataset
from evaluation.evaluator import episodes_of
from lightning_fabric import Fabric
from model.pfenet import PFENet
from recipe import Recipe
from run_folder.contradictions import check_origin, check_start, origin_of
from run_folder.rows import read_rows, write_rows
from runtime.atomic_files import remove_unfinished, write_text_atomically
from runtime.device import best_device
from runtime.environment import environment
from runtime.interrupts import end_with_parent
from runtime.say import say_once

from selfcontrast import SelfContrastiveAuxiliary
from training.cached_episodes import CACHED_AUGMENTATION, CachedEpisodes
from training.checkpoint import load_checkpoint, save_weights
from training.checkpoint_selection import Selection
from training.episode_loss import EpisodeLoss
from training.event_files import check_tensorboard
from training.feature_cache import open_features
from training.loop import run_steps
from training.sharded_batches import ShardedBatch

# The digest of the schedule covers its first episodes only; all are a pure function of list, seed and fold.
DIGESTED = 100_000


def fit(
    recipe: Recipe, fabric: Fabric, objective: Callable[[PFENet, SelfContrastiveAuxiliary], EpisodeLoss] = EpisodeLoss
) -> tuple[PFENet, dict[str, Any]]:
    """Train, and return the model after the last step with a record of its training."""
    if recipe.tensorboard:
        check_tensorboard()
    with fabric.rank_zero_first():
        recipe.resolve()
        whole = recipe.listed_images()
        images = whole.training(recipe.fold, recipe.novel)
        sharding = ShardedBatch.of(recipe.batch, recipe.micro_batch, fabric.world_size, fabric.global_rank)
        run = Path(recipe.out)
        check_start(recipe, run)
        check_lists(recipe, whole)
    torch.manual_seed(recipe.seed)
    model = recipe.build_model().to(fabric.device)
    optimizer = recipe.build_optimizer(model)
    episodes = recipe.training_episodes(images)
    share = images.hidden_share(recipe.fold)
    fabric.print(
        f"{recipe.held_out_words}: {len(images.items)} training images, {share:.1f} % of them hide an unlabelled "
        f"object of a novel class (novel={recipe.novel})"
    )
    with fabric.rank_zero_first():
        dataset, augmentation = training_data(recipe, model, images, episodes)
    scheduled, checkpoint = digest(images, islice(episodes, DIGESTED)), run / "checkpoint.pt"
    start = load_checkpoint(
        checkpoint, model, optimizer, lambda origin: check_origin(origin, recipe, scheduled, checkpoint)
    )
    if start > recipe.steps:
        raise ValueError(
            f"{checkpoint}: expected at most {recipe.steps} steps, got a checkpoint after {start}; name another folder "
            "with --out"
        )
    fabric.barrier()
    if fabric.is_global_zero:
        _begin(run, recipe, start)
    fabric.barrier()
    started = time.monotonic()
    task, optimizer = fabric.setup(objective(model, recipe.build_auxiliary()), optimizer)
    done = run_steps(recipe, fabric, task, optimizer, dataset, sharding, start, run, origin_of(recipe, scheduled))
    fabric.barrier()
    if done < recipe.steps:
        fabric.print(f"stopped after step {done}; add --resume true to go on from {run}/checkpoint.pt")
        raise SystemExit(130)
    if fabric.is_global_zero:
        save_weights(run / "last.pt", model)
    return model, {
        "augmentation": augmentation,
        "training_episodes_digest": scheduled,
        "hidden_share_percent": share,
        "training_images": len(images.items),
        "training_seconds": round(time.monotonic() - started, 1),
        "processes": fabric.world_size,
    }


def start_fabric(precision: str) -> Fabric:
    """Start Fabric in one process, or in those that torchrun started on this machine and on others.

    Raises:
        ValueError: the device cannot work so.
    """
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    everywhere = int(os.environ.get("WORLD_SIZE", "1"))
    accelerator = best_device().type
    if accelerator == "mps" and (everywhere > 1 or precision != "32-true"):
        raise ValueError(
            f"precision: expected 32-true and one process on Apple's GPU, got {precision} and {everywhere}; change "
            "--precision, leave torchrun out, or set SELFCONTRAST_DEVICE=cpu"
        )
    strategy = "ddp" if everywhere > 1 else "auto"
    fabric = Fabric(
        accelerator=accelerator, strategy=strategy, devices=here, num_nodes=everywhere // here, precision=precision
    )
    fabric.launch()
    if everywhere > 1:
        end_with_parent()
    return fabric


def training_data(
    recipe: Recipe, model: PFENet, images: ImageList, episodes: Sequence[Episode]
) -> tuple[EpisodeDataset | CachedEpisodes, str]:
    """The episodes, as images or as cached features, and their augmentation in words."""
    if not recipe.cache_features:
        return EpisodeDataset(images, episodes, training_transform(recipe.size), recipe.seed), AUGMENTATION
    whole = recipe.listed_images()
    every_class = list(range(1, len(whole.class_names) + 1))
    cache = open_features(recipe.features, model, whole, every_class, recipe.size).of(whole, images)
    print(f"augmentation: {CACHED_AUGMENTATION}")
    return CachedEpisodes(cache, episodes, recipe.seed), CACHED_AUGMENTATION


def check_lists(recipe: Recipe, listed: ImageList) -> None:
    """Look at what evaluation needs before the first step, and not hours later; `listed` is the whole training list.

    Raises:
        ValueError: the list for evaluation cannot serve the novel classes, or names images to train on.
    """
    images = recipe.evaluation_images()
    episodes_of(recipe, images)
    Selection(recipe, Path(recipe.out))
    shared = shared_images(listed, images)
    if shared and recipe.benchmark is None:
        raise ValueError(
            f"data: expected other images in val.txt than in train.txt, got {len(shared)} in both, {shared[0]} among "
            "them; a model is not judged on what it was trained on: take them out of one list"
        )
    if shared:
        say_once(f"{len(shared)} images are in the lists of both training and evaluation, as the benchmark has them")


def _begin(run: Path, recipe: Recipe, start: int) -> None:
    """Write recipe and environment; a resumed run drops the rows after its checkpoint, and what a kill left."""
    remove_unfinished(run)
    recipe.save(run / "recipe.yaml")
    write_text_atomically(run / "environment.json", json.dumps(environment(), indent=2) + "\n")
    log = run / "metrics.jsonl"
    write_rows(log, [row for row in read_rows(log) if row["step"] < start])
    Selection(recipe, run).forget(start)
    if start:
        print(f"resumed after step {start}")

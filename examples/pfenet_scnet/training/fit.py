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
from data.episodes import Episode, ImageList, digest
from data.transforms import EpisodeDataset
from lightning_fabric import Fabric
from model.pfenet import PFENet
from recipe import Recipe
from runtime.environment import environment

from selfcontrast import SelfContrastiveAuxiliary
from training.cached_episodes import CACHED_AUGMENTATION, CachedEpisodes
from training.checkpoint import load_checkpoint, save_weights
from training.checkpoint_selection import Selection
from training.episode_loss import EpisodeLoss
from training.feature_cache import open_features
from training.loop import run_steps

# The digest of the schedule covers its first episodes only; all are a pure function of list, seed and fold.
DIGESTED = 100_000


def fit(
    recipe: Recipe, fabric: Fabric, objective: Callable[[PFENet, SelfContrastiveAuxiliary], EpisodeLoss] = EpisodeLoss
) -> tuple[PFENet, dict[str, Any]]:
    """Train, and return the model after the last step with a record of its training."""
    with fabric.rank_zero_first():
        recipe.resolve()
        images = recipe.training_images()
    run = Path(recipe.out)
    torch.manual_seed(recipe.seed)
    model = recipe.build_model().to(fabric.device)
    optimizer = recipe.build_optimizer(model)
    episodes = recipe.training_episodes(images)
    share = images.hidden_share(recipe.fold)
    fabric.print(
        f"fold {recipe.fold}: {len(images.items)} training images, {share:.1f} % of them hide an unlabelled object of "
        f"a novel class (novel={recipe.novel})"
    )
    with fabric.rank_zero_first():
        dataset, augmentation = training_data(recipe, model, images, episodes)
    start = load_checkpoint(run / "checkpoint.pt", model, optimizer) if recipe.resume else 0
    if fabric.is_global_zero:
        _begin(run, recipe, start)
    fabric.barrier()
    started = time.monotonic()
    task, optimizer = fabric.setup(objective(model, recipe.build_auxiliary()), optimizer)
    done = run_steps(recipe, fabric, task, optimizer, dataset, start, run)
    fabric.barrier()
    if done < recipe.steps:
        fabric.print(f"stopped after step {done}; add --resume true to go on from {run}/checkpoint.pt")
        raise SystemExit(130)
    if fabric.is_global_zero:
        save_weights(run / "last.pt", model)
    return model, {
        "augmentation": augmentation,
        "training_episodes_digest": digest(images, islice(episodes, DIGESTED)),
        "hidden_share_percent": share,
        "training_images": len(images.items),
        "training_seconds": round(time.monotonic() - started, 1),
        "processes": fabric.world_size,
    }


def start_fabric(precision: str) -> Fabric:
    """Start Fabric in one process, or in those that torchrun started on this machine and on others."""
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    everywhere = int(os.environ.get("WORLD_SIZE", "1"))
    accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    strategy = "ddp" if everywhere > 1 else "auto"
    fabric = Fabric(
        accelerator=accelerator, strategy=strategy, devices=here, num_nodes=everywhere // here, precision=precision
    )
    fabric.launch()
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


def _begin(run: Path, recipe: Recipe, start: int) -> None:
    """Write recipe and environment; a fresh start begins a new log, a resumed run drops steps after its checkpoint."""
    run.mkdir(parents=True, exist_ok=True)
    recipe.save(run / "recipe.yaml")
    (run / "environment.json").write_text(json.dumps(environment(), indent=2) + "\n")
    log = run / "metrics.jsonl"
    kept = [line for line in log.read_text().splitlines() if json.loads(line)["step"] < start] if log.exists() else []
    log.write_text("".join(line + "\n" for line in kept))
    Selection(recipe, run).forget(start)
    if start:
        print(f"resumed after step {start}")
    else:
        for name in ("best.pt", "last.pt"):
            (run / name).unlink(missing_ok=True)

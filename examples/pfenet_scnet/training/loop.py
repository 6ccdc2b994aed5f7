"""Training steps in one process or many: the same batch gives the same gradients.

A step's batch is split into forward passes of `micro_batch` episodes, which the processes share. A pass seeds its
dropout and draws by (seed, step, its place in the batch). Its weight is its share of the batch's labelled pixels, so L1
is the mean over all labelled pixels of the batch, however the batch is split.
"""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from data.masks import UNLABELLED
from data.transforms import EpisodeDataset
from lightning_fabric import Fabric
from recipe import Recipe
from runtime.interrupts import ignore_interrupts, interrupt_flag
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from training.cached_episodes import CachedEpisodes
from training.episode_loss import Batch, Losses
from training.run_writer import RunWriter
from training.sharded_batches import ShardedBatch, ShardedSampler
from training.step_figures import StepFigures


def poly_rate(recipe: Recipe, step: int) -> float:
    """The learning rate of a step, counted from 0."""
    return recipe.learning_rate * (1 - step / recipe.steps) ** 0.9


def backward(
    fabric: Fabric,
    task: nn.Module,
    batch: Batch,
    sharding: ShardedBatch,
    seed: int,
    step: int,
    figures: StepFigures | None = None,
) -> Losses:
    """Add the gradients of one step, and return this process's part of the whole batch's losses.

    Args:
        figures: collects what the task did in each pass; the host waits for each.
    """
    passes = [dict(zip(batch, parts, strict=True)) for parts in zip(*_cut(batch, sharding.micro_batch), strict=True)]
    labelled = [(one["mask"] != UNLABELLED).sum() for one in passes]
    total = fabric.all_reduce(sum(labelled), reduce_op="sum").clamp(min=1)
    parts: list[Losses] = []
    for index, (one, pixels) in enumerate(zip(passes, labelled, strict=True)):
        # Dropout and draws depend only on seed, step and place, so a resumed or a sharded run repeats them.
        torch.manual_seed(seed * 1_000_003 + sharding.first_pass(step) + index)
        with fabric.no_backward_sync(task, enabled=index + 1 < len(passes)):
            losses = task(one)
            share = pixels / total
            # Distributed training averages over the processes, but the shares already add up to 1.
            fabric.backward(losses.blended * (share * sharding.processes))
        if figures is not None:
            figures.add(task.module.figures())
        parts.append(Losses(*(None if loss is None else loss.detach() * share for loss in losses)))
    return Losses(*(None if losses[0] is None else torch.stack(losses).sum() for losses in zip(*parts, strict=True)))


def _cut(batch: Batch, size: int) -> list[tuple[Tensor, ...]]:
    return [value.split(size) for value in batch.values()]


def run_steps(
    recipe: Recipe,
    fabric: Fabric,
    task: nn.Module,
    optimizer: torch.optim.Optimizer,
    dataset: EpisodeDataset | CachedEpisodes,
    sharding: ShardedBatch,
    start: int,
    run: Path,
    origin: Mapping[str, Any],
) -> int:
    """Train from step `start` and return how many steps are done: all, unless Ctrl-C came.

    Args:
        origin: what the checkpoints say of how they came about.
    """
    steps = range(start, recipe.steps)
    loader = DataLoader(
        dataset,
        sharding.part,
        sampler=ShardedSampler(sharding, steps),
        num_workers=loaders(recipe),
        pin_memory=fabric.device.type == "cuda",
        worker_init_fn=ignore_interrupts,
    )
    task.train()
    done = start
    with (
        closing(RunWriter(recipe, fabric, task.module.model, optimizer, run, start, origin)) as writer,
        tqdm(
            total=len(steps) * recipe.batch, desc=_title(recipe), unit=" episodes", disable=not writer.writes
        ) as progress,
        interrupt_flag() as interrupted,
    ):
        for step, batch in zip(steps, loader, strict=True):
            rate = poly_rate(recipe, step)
            for group in optimizer.param_groups:
                group["lr"] = rate
            batch = {key: value.to(fabric.device, non_blocking=True) for key, value in batch.items()}
            optimizer.zero_grad()
            figures = StepFigures() if step % 10 == 0 or step + 1 == recipe.steps else None
            losses = backward(fabric, task, batch, sharding, recipe.seed, step, figures)
            optimizer.step()
            done = step + 1
            progress.update(recipe.batch)
            if figures is not None:
                progress.set_postfix(loss=f"{writer.log(step, rate, losses, figures):.3f}")
            stop = _any(fabric, interrupted.is_set())
            writer.keep(done, stop)
            if stop:
                break
    return done


def _title(recipe: Recipe) -> str:
    """Which of the two runs of a comparison is trained, in words before the bar."""
    return "training the baseline" if recipe.weight == 0 else "training SCNet"


def loaders(recipe: Recipe) -> int:
    """The number of loader processes: none for cached features, which are cheaper to read than to hand over."""
    return 0 if recipe.cache_features else recipe.workers


def _any(fabric: Fabric, flag: bool) -> bool:
    """Whether the flag is set on any process: all must stop at the same step, or the others wait forever."""
    if fabric.world_size == 1:
        return flag
    return bool(fabric.all_reduce(torch.tensor(float(flag), device=fabric.device), reduce_op="max"))

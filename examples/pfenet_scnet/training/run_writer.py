"""Write a run's log, candidates, checkpoints and TensorBoard's files while it trains."""

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from model.pfenet import PFENet
from recipe import Recipe
from run_folder.rows import add_row

from training.checkpoint import save_atomically
from training.checkpoint_selection import Selection
from training.episode_loss import Losses
from training.event_files import EventFiles
from training.step_figures import StepFigures


class RunWriter:
    """Writes losses, candidates and checkpoints into the run's folder, from the first process alone.

    Args:
        start: the steps that were done before.
        origin: what the checkpoints say of how they came about.
    """

    def __init__(
        self,
        recipe: Recipe,
        fabric: Fabric,
        model: PFENet,
        optimizer: torch.optim.Optimizer,
        run: Path,
        start: int,
        origin: Mapping[str, Any],
    ) -> None:
        self.recipe, self.fabric, self.model, self.optimizer, self.run = recipe, fabric, model, optimizer, run
        self.origin = origin
        self.selection = Selection(recipe, run)
        self.events = EventFiles(run, recipe, start) if recipe.tensorboard and self.writes else None

    @property
    def writes(self) -> bool:
        return self.fabric.is_global_zero

    def log(self, step: int, rate: float, losses: Losses, figures: StepFigures) -> float:
        """Write a line to metrics.jsonl and return the whole batch's loss; a loss that is not finite ends the run."""
        blended, main, contrast = (
            None if loss is None else self.fabric.all_reduce(loss, reduce_op="sum").item() for loss in losses
        )
        of_task = figures.over(self.fabric)
        if not isfinite(blended):
            raise FloatingPointError(f"the loss of step {step} is {blended}; lower learning_rate")
        row = {"step": step, "lr": rate, "loss": blended, "main_loss": main, "contrast_loss": contrast} | of_task
        if self.writes:
            add_row(self.run / "metrics.jsonl", row)
        if self.events:
            self.events.step(row)
        return blended

    def keep(self, done: int, stop: bool) -> None:
        """Evaluate a candidate and save a checkpoint when they are due."""
        candidate = self.selection.look(self.model, done) if self.writes and self.selection.due(done) else None
        due = done % self.recipe.checkpoint_every == 0 or done == self.recipe.steps
        if self.writes and (candidate or due or stop):
            # Before the checkpoint: a run that is stopped in between purges this and writes it again.
            if self.events:
                self.events.checkpoint(self.model, done, candidate)
            save_atomically(self.run / "checkpoint.pt", self.model, self.optimizer, done, self.origin)

    def close(self) -> None:
        """End the files that stay open between two steps."""
        if self.events:
            self.events.close()

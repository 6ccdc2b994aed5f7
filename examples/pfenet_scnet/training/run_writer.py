"""Write a run's log, candidates and checkpoints while it trains."""

from math import isfinite
from pathlib import Path

import torch
from lightning_fabric import Fabric
from model.pfenet import PFENet
from recipe import Recipe
from run_folder.rows import add_row

from training.checkpoint import save_atomically
from training.checkpoint_selection import Selection
from training.episode_loss import Losses


class RunWriter:
    """Writes losses, candidates and checkpoints into the run's folder, from the first process alone."""

    def __init__(
        self, recipe: Recipe, fabric: Fabric, model: PFENet, optimizer: torch.optim.Optimizer, run: Path
    ) -> None:
        self.recipe, self.fabric, self.model, self.optimizer, self.run = recipe, fabric, model, optimizer, run
        self.selection = Selection(recipe, run)

    @property
    def writes(self) -> bool:
        return self.fabric.is_global_zero

    def log(self, step: int, rate: float, losses: Losses) -> float:
        """Write a line to metrics.jsonl and return the whole batch's loss; a loss that is not finite ends the run."""
        blended, main, contrast = (
            None if loss is None else self.fabric.all_reduce(loss, reduce_op="sum").item() for loss in losses
        )
        if not isfinite(blended):
            raise FloatingPointError(f"the loss of step {step} is {blended}; lower learning_rate")
        if self.writes:
            row = {"step": step, "lr": rate, "loss": blended, "main_loss": main, "contrast_loss": contrast}
            add_row(self.run / "metrics.jsonl", row)
        return blended

    def keep(self, done: int, stop: bool) -> None:
        """Evaluate a candidate and save a checkpoint when they are due."""
        looked = self.writes and self.selection.due(done)
        if looked:
            self.selection.look(self.model, done)
        due = done % self.recipe.checkpoint_every == 0 or done == self.recipe.steps
        if self.writes and (looked or due or stop):
            save_atomically(self.run / "checkpoint.pt", self.model, self.optimizer, done)

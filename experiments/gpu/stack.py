"""Cells that differ in the fold alone, trained side by side."""

from collections.abc import Sequence
from pathlib import Path

import torch
from data.image_list import ImageList
from model.pfenet import PFENet
from recipe import Recipe
from running.objectives import objective_of
from tqdm import tqdm
from training.checkpoint import load_checkpoint, save_atomically
from training.loop import poly_rate

from gpu.device_features import DeviceFeatures
from gpu.side_by_side import SideBySide
from gpu.training_episodes import TrainingBatches, draw_schedule


class Stack:
    """One model of several heads with its optimizer and its episodes.

    Args:
        recipes: one for each cell; only folds differ.
        objective: what a step minimises, a name in running/objectives.
        images: the whole training list.
        features: of that list; the device is theirs.
    """

    def __init__(self, recipes: Sequence[Recipe], objective: str, images: ImageList, features: DeviceFeatures) -> None:
        self.recipe = recipes[0]
        self.models = [_first_model(recipe) for recipe in recipes]
        self.heads = SideBySide(self.models).to(features.device)
        for model in self.models:
            model.to(features.device).eval()
        self.task = objective_of(objective, self.recipe)(self.heads, self.recipe.build_auxiliary()).train()
        self.optimizer = self.recipe.build_optimizer(self.heads)
        count = self.recipe.steps * self.recipe.batch
        schedules = [draw_schedule(images, images.base_classes(one.fold), one.seed, count) for one in recipes]
        self.batches = TrainingBatches(features, schedules, self.recipe.batch)

    def train(self, start: int, stop: int, progress: tqdm) -> float:
        """Train from step `start` to step `stop`, and return the last loss, the mean over the cells.

        Raises:
            FloatingPointError: that loss is not finite.
        """
        loss = torch.zeros(())
        for step in range(start, stop):
            for group in self.optimizer.param_groups:
                group["lr"] = poly_rate(self.recipe, step)
            self.optimizer.zero_grad()
            # Dropout and draws depend only on seed and step, so a run that goes on repeats them, and so do other arms.
            torch.manual_seed(self.recipe.seed * 1_000_003 + step)
            loss = self.task(self.batches[step]).blended
            loss.backward()
            self.optimizer.step()
            progress.update()
        mean = float(loss.detach()) / len(self.models)
        if not torch.isfinite(torch.tensor(mean)):
            raise FloatingPointError(f"loss: expected a finite one after step {stop}, got {mean}; lower learning_rate")
        return mean

    def trained_models(self) -> list[PFENet]:
        """Each cell's own model with the weights of now, in eval mode."""
        self.heads.hand_back(self.models)
        return self.models

    def save(self, path: Path, step: int) -> None:
        """Write weights, optimizer and step, whole or not at all."""
        save_atomically(path, self.heads, self.optimizer, step)

    def resume(self, path: Path) -> int:
        """Go on from a file that `save` wrote, and return its step; 0 where there is none."""
        return load_checkpoint(path, self.heads, self.optimizer)


def _first_model(recipe: Recipe) -> PFENet:
    """With the weights that any cell of this seed begins with."""
    torch.manual_seed(recipe.seed)
    return recipe.build_model()

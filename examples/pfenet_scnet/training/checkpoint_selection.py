"""Which step's weights a run is judged by: candidates are evaluated while it trains, and the best are kept."""

import json
from dataclasses import replace
from pathlib import Path

from evaluation.evaluator import episodes_of, evaluate
from model.pfenet import PFENet
from recipe import Recipe

from training.checkpoint import save_weights


class Selection:
    """Evaluates candidates every `select_every` steps and at the end; `select = last` never looks at any.

    With `select = base` candidates segment base classes on evaluation images without any novel object, so that neither
    a novel class nor an image of the final evaluation has a say. With `select = novel` they segment the novel classes
    on the evaluation's own images, as most published code does, and the result is the better for it.

    Every look is a line of `selection.jsonl`; `best.pt` holds the weights of the best.
    """

    def __init__(self, recipe: Recipe, run: Path) -> None:
        self.recipe = replace(recipe, shot=1, episodes=recipe.select_episodes)
        self.run = run
        if recipe.select != "last":
            self.images, self.classes = recipe.evaluation_images(), recipe.novel_classes()
        if recipe.select == "base":
            # Drawn by class, so that few episodes show every class; published protocols go through a list in order.
            self.recipe.protocol = "ours"
            self.images, self.classes = self.images.without_novel(recipe.fold), self.images.base_classes(recipe.fold)
        if recipe.select != "last":
            # Now, not hours later: a list without enough images of a class ends the run.
            episodes_of(self.recipe, self.images, self.classes)

    def due(self, step: int) -> bool:
        """Whether the weights after so many steps are a candidate."""
        wanted = step % self.recipe.select_every == 0 or step == self.recipe.steps
        return self.recipe.select != "last" and wanted

    def look(self, model: PFENet, step: int) -> None:
        """Evaluate a candidate, and keep it if none before was as good."""
        miou = evaluate(model, self.recipe, self.images, self.classes).scores.miou
        model.train()
        if miou > max((row["miou"] for row in self.looks(step)), default=-1.0):
            save_weights(self.run / "best.pt", model)
        with self._log.open("a") as log:
            log.write(json.dumps({"step": step, "miou": miou}) + "\n")

    def looks(self, before: int) -> list[dict[str, float]]:
        """Step and mIoU of the candidates before a step."""
        rows = map(json.loads, self._log.read_text().splitlines()) if self._log.is_file() else ()
        return [row for row in rows if row["step"] < before]

    def forget(self, step: int) -> None:
        """Drop looks that lie behind the step that a run goes on from, which will be taken again."""
        kept = self.looks(step + 1)
        self._log.write_text("".join(json.dumps(row) + "\n" for row in kept))

    @property
    def _log(self) -> Path:
        return self.run / "selection.jsonl"

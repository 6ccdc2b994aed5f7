"""Select the weights of a run: candidates are evaluated during training, and the best are kept."""

from dataclasses import replace
from pathlib import Path

from evaluation.evaluator import episodes_of, evaluate
from model.pfenet import PFENet
from recipe import Recipe
from run_folder.rows import add_row, read_rows, write_rows

from training.checkpoint import save_weights


class Selection:
    """Evaluates candidates every `select_every` steps and at the end; with `select = last` there are none.

    With `select = base` candidates segment base classes on evaluation images without any novel object, so that no novel
    class and no image of the final evaluation influences the choice. With `select = novel` they segment the novel
    classes on the evaluation's own images, as most published code does, which raises the final score.

    Every candidate is a line of `selection.jsonl`; `best.pt` holds the weights of the best.
    """

    def __init__(self, recipe: Recipe, run: Path) -> None:
        self.recipe = replace(recipe, shot=1, episodes=recipe.select_episodes)
        self.run = run
        if recipe.select != "last":
            self.images, self.classes = recipe.evaluation_images(), recipe.held_out_classes()
        if recipe.select == "base":
            # Our protocol draws by class, so few episodes cover every class; published ones go through a list in order.
            self.recipe.protocol = "ours"
            self.images, self.classes = self.images.without_novel(recipe.fold), self.images.base_classes(recipe.fold)
        if recipe.select != "last":
            # Fail now and not hours later, if the list has too few images of a class.
            episodes_of(self.recipe, self.images, self.classes)

    def due(self, step: int) -> bool:
        """Whether the weights after `step` steps are a candidate."""
        wanted = step % self.recipe.select_every == 0 or step == self.recipe.steps
        return self.recipe.select != "last" and wanted

    def look(self, model: PFENet, step: int) -> dict[str, float]:
        """Evaluate a candidate, keep it if its mIoU beats all before, and return its line."""
        scores = evaluate(model, self.recipe, self.images, self.classes).scores
        model.train()
        if scores.miou > max((row["miou"] for row in self.looks(step)), default=-1.0):
            save_weights(self.run / "best.pt", model)
        line = {"step": step, "miou": scores.miou, "fb_iou": scores.fb_iou}
        add_row(self._log, line)
        return line

    def looks(self, before: int) -> list[dict[str, float]]:
        """The lines of the candidates before a step."""
        return [row for row in read_rows(self._log) if row["step"] < before]

    def forget(self, step: int) -> None:
        """Drop candidates after the step that a run resumes from; they will be evaluated again."""
        write_rows(self._log, self.looks(step + 1))

    @property
    def _log(self) -> Path:
        return self.run / "selection.jsonl"

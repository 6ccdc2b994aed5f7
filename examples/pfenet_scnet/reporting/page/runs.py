"""What the folders of runs hold, finished or not, under names that tell the runs apart."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from recipe import Recipe, load_recipe
from run_folder.rows import read_rows
from runtime.json_files import read_object
from runtime.say import shown


class Run(NamedTuple):
    """One run.

    Attributes:
        label: as short as tells it from the others.
        result: of result.json; None where the run is not finished.
        environment: versions and machine.
        losses: rows of metrics.jsonl.
        candidates: rows of selection.jsonl.
    """

    label: str
    path: Path
    recipe: Recipe
    result: dict[str, Any] | None
    environment: dict[str, str]
    losses: list[dict[str, Any]]
    candidates: list[dict[str, Any]]

    @property
    def task(self) -> str:
        """What was trained, in words."""
        if self.recipe.weight == 0:
            return "PFENet baseline"
        return f"PFENet with SCNet's task, weight {self.recipe.weight:g}"

    @property
    def unfinished(self) -> str:
        """How far a run came that is not finished; nothing of a finished one."""
        if self.result is not None:
            return ""
        if not self.losses:
            return f"{self.label} is not finished: it has logged no step yet."
        return (
            f"{self.label} is not finished: its log ends at step {self.losses[-1]['step'] + 1} of {self.recipe.steps}, "
            "and it has no scores yet."
        )


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """The runs in their order.

    Raises:
        FileNotFoundError: a folder is missing, or holds no run.
        ValueError: a run is named twice, or a file of it is damaged.
    """
    for place, folder in enumerate(folders):
        if not folder.is_dir():
            raise FileNotFoundError(f"runs: expected the folder of a run, got {shown(folder)}; check the path")
        if folder.resolve() in {other.resolve() for other in folders[:place]}:
            raise ValueError(f"runs: expected each run once, got {shown(folder)} twice; name it once")
    return [_read(*pair) for pair in zip(folders, labels([one.resolve() for one in folders]), strict=True)]


def labels(folders: Sequence[Path]) -> list[str]:
    """The last parts of the paths, as few as tell them apart.

    >>> labels([Path("a/seed0/scnet"), Path("a/seed1/scnet")])
    ['seed0/scnet', 'seed1/scnet']
    """
    most = max(len(folder.parts) for folder in folders)
    for count in range(1, most + 1):
        found = [shown("/".join(folder.parts[-count:])) for folder in folders]
        if len(set(found)) == len(found):
            return found
    return [shown(folder) for folder in folders]


def _read(folder: Path, label: str) -> Run:
    recipe = load_recipe(folder)
    result = read_object(folder / "result.json")
    environment = read_object(folder / "environment.json") or (result or {}).get("environment", {})
    logs = (read_rows(folder / name) for name in ("metrics.jsonl", "selection.jsonl"))
    return Run(label, folder, recipe, result, environment, *logs)

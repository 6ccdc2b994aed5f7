"""The two runs of a seed: the same recipe without and with the task, each in the folder that train.py gives it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from recipe import Recipe
from run_folder.contradictions import check_start, is_finished


class Pair(NamedTuple):
    """The recipes of a seed; they differ in `weight` and `out` alone."""

    seed: int
    baseline: Recipe
    scnet: Recipe

    @property
    def arms(self) -> dict[str, Recipe]:
        """By the names of the sheet's columns."""
        return {"baseline": self.baseline, "SCNet": self.scnet}


def pairs_of(recipe: Recipe, seeds: Sequence[int]) -> list[Pair]:
    """The runs to compare; with `out` they lie in that folder, as baseline-seed0, scnet-seed0 and so on."""
    return [_pair(recipe, seed) for seed in seeds]


def _pair(recipe: Recipe, seed: int) -> Pair:
    folders = {name: recipe.out and str(Path(recipe.out) / f"{name}-seed{seed}") for name in ("baseline", "scnet")}
    scnet = replace(recipe, seed=seed, out=folders["scnet"], baseline=recipe.baseline or folders["baseline"]).resolve()
    return Pair(seed, replace(scnet, weight=0.0, out=scnet.baseline), scnet)


def comparison_folder(recipe: Recipe, pairs: Sequence[Pair]) -> Path:
    """Where the comparison is written: `out`, or a folder beside the runs, or, of many seeds, beside theirs.

    runs/NAME-seed0/comparison-scnet-… or runs/NAME-seeds0-1-2/comparison-scnet-…
    """
    if recipe.out:
        return Path(recipe.out)
    run = Path(pairs[0].scnet.out)
    beside = run.parent
    if len(pairs) > 1:
        seeds = "-".join(str(pair.seed) for pair in pairs)
        beside = beside.with_name(beside.name.removesuffix(f"-seed{pairs[0].seed}") + f"-seeds{seeds}")
    return beside / f"comparison-{run.name}"


def check_runs(pairs: Sequence[Pair]) -> None:
    """Look at every run's folder before the first training.

    Raises:
        FileExistsError: a folder holds a run that did not finish, and `resume` is not set.
        ValueError: a folder holds the run of another recipe.
    """
    for run in (run for pair in pairs for run in pair.arms.values()):
        if not is_finished(run, Path(run.out)):
            check_start(run, Path(run.out))

"""What contradicts a saved run is refused and never mixed: the one rule for training on and for evaluating."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from recipe import Recipe, saved_options

# Options that change neither what a training yields nor what its evaluation says.
MACHINE = {"out", "resume", "baseline", "features", "workers", "checkpoint_every", "evaluation_memory"}
# What an evaluation may choose for itself; its result names them.
EVALUATION = MACHINE | {"data", "min_pixels", "skip_damaged", "size", "shot", "episodes", "protocol"}
EVALUATION |= {"evaluation_seed", "batch"}
# On data of its own, an evaluation has other classes, none of which was trained on.
CLASSES = {"fold", "folds", "split", "novel_classes", "benchmark"}


def check_start(recipe: Recipe, run: Path) -> None:
    """Refuse to begin a run in the folder of another, or to go on with one under another recipe.

    Raises:
        FileExistsError: the folder holds a run, and `resume` is not set.
        ValueError: names each option that differs from the saved run's, and both values.
    """
    if not (run / "recipe.yaml").is_file():
        left = [name for name in ("checkpoint.pt", "last.pt", "best.pt", "metrics.jsonl") if (run / name).exists()]
        if left:
            raise FileExistsError(
                f"out: expected a new folder or a whole run, got {run}, which holds {left[0]} but no recipe.yaml; name "
                "another folder with --out"
            )
        return
    if not recipe.resume:
        raise FileExistsError(
            f"out: expected a new folder, got {run}, which holds a run; add --resume true to go on with it, or name "
            "another folder with --out"
        )
    _refuse(run, recipe, MACHINE, "name another folder with --out, or leave these options as saved")


def check_evaluation(recipe: Recipe, run: Path) -> None:
    """Refuse to evaluate a run's weights as if they had been trained in another way.

    Raises:
        ValueError: names each option that differs from the saved run's, and both values.
    """
    theirs = saved_options(run / "recipe.yaml")["data"]
    free = EVALUATION if _same_folder(theirs, recipe.data) else EVALUATION | CLASSES
    _refuse(run, recipe, free, "leave these options as saved, or train another run")


def _refuse(run: Path, asked: Recipe, free: set[str], fix: str) -> None:
    saved, values = saved_options(run / "recipe.yaml"), {one.name: getattr(asked, one.name) for one in fields(asked)}
    differing = [
        f"{name} {_shown(value)} (saved: {_shown(saved.get(name))})"
        for name, value in values.items()
        if name not in free and not _equal(name, saved.get(name), value)
    ]
    if differing:
        raise ValueError(f"{run}: expected the options of the saved run, got {', '.join(differing)}; {fix}")


def _equal(name: str, one: Any, other: Any) -> bool:
    return _same_folder(one, other) if name == "data" else _shown(one) == _shown(other)


def _same_folder(one: str | None, other: str | None) -> bool:
    return one == other or (one is not None and other is not None and Path(one).resolve() == Path(other).resolve())


def _shown(value: Any) -> str:
    """A value in words; 0 and 0.0 are one number, and a list and a tuple are one list."""
    return f"{value:g}" if type(value) in (int, float) else str(list(value) if isinstance(value, tuple) else value)

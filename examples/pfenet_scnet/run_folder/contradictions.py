"""What contradicts a saved run is refused and never mixed: the one rule for training on and for evaluating."""

from collections.abc import Mapping, Set
from dataclasses import fields
from pathlib import Path
from typing import Any

from recipe import Recipe, saved_options

# Options that change neither what a training yields nor what its evaluation says.
MACHINE = {"out", "resume", "tensorboard", "baseline", "features", "workers", "checkpoint_every", "evaluation_memory"}
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
    _refuse_recipe(run, recipe, MACHINE, "name another folder with --out, or leave these options as saved")


def is_finished(recipe: Recipe, run: Path) -> bool:
    """Whether a folder holds the whole run of this recipe, with its result.

    Raises:
        ValueError: names each option that differs from the saved run's, and both values.
    """
    if not all((run / name).is_file() for name in ("recipe.yaml", "last.pt", "result.json")):
        return False
    _refuse_recipe(run, recipe, MACHINE, "name another folder with --out, or leave these options as saved")
    return True


def check_evaluation(recipe: Recipe, run: Path) -> None:
    """Refuse to evaluate a run's weights as if they had been trained in another way.

    Raises:
        ValueError: names each option that differs from the saved run's, and both values.
    """
    theirs = saved_options(run / "recipe.yaml")["data"]
    free = EVALUATION if _same_folder(theirs, recipe.data) else EVALUATION | CLASSES
    _refuse_recipe(run, recipe, free, "leave these options as saved, or train another run")


def origin_of(recipe: Recipe, episodes: str) -> dict[str, Any]:
    """What a checkpoint says of how it came about, in plain values.

    Args:
        episodes: the digest of the training episodes.
    """
    options = {one.name: getattr(recipe, one.name) for one in fields(recipe) if one.name not in MACHINE}
    return {"options": {name: _plain(value) for name, value in options.items()}, "episodes": episodes}


def check_origin(origin: Mapping[str, Any], recipe: Recipe, episodes: str, path: Path) -> None:
    """Refuse to go on from the checkpoint of another run, whichever folder it was copied into.

    Raises:
        ValueError: names each option that differs from the checkpoint's, and both values, or says that the training
            episodes are others.
    """
    fix = "name another folder with --out, or put the run's own checkpoint there"
    _refuse(path, origin["options"], recipe, MACHINE, fix)
    if origin["episodes"] != episodes:
        raise ValueError(
            f"{path}: expected the training episodes {origin['episodes']} of the saved run, got {episodes}; the data "
            "changed since: name another folder with --out"
        )


def differences(saved: Mapping[str, Any], asked: Recipe, free: Set[str]) -> list[tuple[str, str, str]]:
    """The options that differ but for the `free` ones: the name, and the saved and the asked value in words."""
    values = {one.name: getattr(asked, one.name) for one in fields(asked)}
    return [
        (name, _shown(saved.get(name)), _shown(value))
        for name, value in values.items()
        if name not in free and not _equal(name, saved.get(name), value)
    ]


def _refuse_recipe(run: Path, asked: Recipe, free: Set[str], fix: str) -> None:
    _refuse(run, saved_options(run / "recipe.yaml"), asked, free, fix)


def _refuse(where: Path, saved: Mapping[str, Any], asked: Recipe, free: Set[str], fix: str) -> None:
    found = differences(saved, asked, free)
    if found:
        words = ", ".join(f"{name} {ours} (saved: {theirs})" for name, theirs, ours in found)
        raise ValueError(f"{where}: expected the options of the saved run, got {words}; {fix}")


def _equal(name: str, one: Any, other: Any) -> bool:
    return _same_folder(one, other) if name == "data" else _plain(one) == _plain(other)


def _same_folder(one: str | None, other: str | None) -> bool:
    return one == other or (one is not None and other is not None and Path(one).resolve() == Path(other).resolve())


def _plain(value: Any) -> Any:
    """YAML has no tuples, so a list and a tuple are one."""
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    """A value in words; a weight of 0.0 is 0, as on the command line."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(_plain(value))

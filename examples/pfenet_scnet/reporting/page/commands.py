"""The commands that repeat a run, and the page."""

import shlex
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from recipe import Recipe

from reporting.page.differences import every_option
from reporting.page.runs import Run

# What says where a run lies, and what is counted in another option.
LEFT_OUT = {"out", "resume", "baseline"}


def training_command(run: Run, example: str) -> str:
    """train.py in the folder `example` with every option that is not the usual one; the new run lies beside the old."""
    usual = Recipe()
    plain = {field.name for field in fields(Recipe) if getattr(run.recipe, field.name) == getattr(usual, field.name)}
    if run.recipe.epochs is not None:
        # Epochs decide the steps.
        plain.add("steps")
    rows = [(name, values[0]) for name, values in every_option([run]).rows if name not in plain | LEFT_OUT]
    # A fold is the usual one where classes are named, and then stands beside them as null.
    words = [word for name, value in rows if value != "null" for word in (f"--{name}", value)]
    return _line(example, "train", [*words, "--out", f"{run.path}-again"])


def page_command(runs: Sequence[Run], out: Path, episodes: int, example: str) -> str:
    """report.py in the folder `example` as it was called."""
    return _line(example, "report", [*(str(run.path) for run in runs), "--out", str(out), "--episodes", str(episodes)])


def _line(example: str, command: str, words: Sequence[str]) -> str:
    """An option a line, as a shell takes it."""
    line = shlex.join(["python", f"{example}/{command}.py", *words])
    return line.replace(" --", " \\\n  --")

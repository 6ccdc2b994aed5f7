"""In what runs differ, and what of it forbids to compare their scores."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from recipe import Recipe
from run_folder.contradictions import MACHINE, differences

from reporting.page.runs import Run

# Scores over different pictures, classes, episodes or sizes are not comparable.
EVALUATED_ON = (
    *("data", "min_pixels", "skip_damaged", "split", "fold", "folds", "novel_classes", "size"),
    *("shot", "protocol", "episodes", "evaluation_seed"),
)


class Table(NamedTuple):
    """Rows of a name and a value for each run."""

    rows: list[tuple[str, list[str]]]


def option_differences(runs: Sequence[Run]) -> Table:
    """Options that differ between any two runs, without those that change no result."""
    first, *others = runs
    names = {name for other in others for name, *_ in differences(vars(first.recipe), other.recipe, MACHINE)}
    return Table([row for row in every_option(runs).rows if row[0] in names])


def every_option(runs: Sequence[Run]) -> Table:
    """Every option of every run."""
    names = [field.name for field in fields(Recipe)]
    return Table([(name, [_words(getattr(run.recipe, name)) for run in runs]) for name in names])


def environment_differences(runs: Sequence[Run]) -> Table:
    """Versions, machine or commit that differ."""
    return Table([row for row in every_environment(runs).rows if len(set(row[1])) > 1])


def every_environment(runs: Sequence[Run]) -> Table:
    """All that the runs noted of their environment."""
    names = list(dict.fromkeys(name for run in runs for name in run.environment))
    return Table([(name, [str(run.environment.get(name, "not noted")) for run in runs]) for name in names])


def incomparable(runs: Sequence[Run]) -> list[str]:
    """Why the runs' scores must not be compared, a line for each reason; none where they may be."""
    found = [
        f"{name}: " + ", ".join(f"{value} ({run.label})" for value, run in zip(values, runs, strict=True))
        for name, values in option_differences(runs).rows
        if name in EVALUATED_ON
    ]
    digests = {run.result["episodes_digest"] for run in runs if run.result}
    if not found and len(digests) > 1:
        found = ["episodes: they differ although the options agree, so the data changed between the runs"]
    return found


def compared(runs: Sequence[Run]) -> str:
    """What the page is about, in a plain sentence or two."""
    named = _listed([f"{run.label} ({run.task})" for run in runs])
    setting = "" if incomparable(runs) else f": {_setting(runs[0].recipe)}"
    if len(runs) == 1:
        return f"This page shows one run, {named}{setting}."
    names = [name for name, _ in option_differences(runs).rows]
    differ = f"Their recipes differ in {_listed(names)}." if names else "Their recipes are the same."
    return f"This page compares {len(runs)} runs, {named}{setting}. {differ}"


def _setting(recipe: Recipe) -> str:
    data = recipe.data.rstrip("/").rpartition("/")[2] if recipe.data else "drawn scenes"
    return (
        f"{recipe.held_out_words} of {data}, {recipe.shot}-shot, protocol {recipe.protocol}, {recipe.episodes} "
        f"episodes, pictures of {recipe.size} pixels"
    )


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _words(value: Any) -> str:
    """A value as the command line takes it.

    >>> _words((14, 7)), _words(None), _words(0.0), _words(True)
    ('[14,7]', 'null', '0', 'true')
    """
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(str, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)

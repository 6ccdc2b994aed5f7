"""The page as HTML: one file, which asks nothing of a network."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reporting.page import charts, differences, scores
from reporting.page.commands import page_command, training_command
from reporting.page.palette import series
from reporting.page.runs import Run
from reporting.page.shown_episodes import Group
from selfcontrast.visualize import COLOUR_NAMES

TEMPLATES = Path(__file__).parent / "templates"
# By this the command knows a page of its own, which it may replace.
MARK = '<meta name="generator" content="report.py of selfcontrast">'
TRAINING = {
    "training_images": "training images",
    "hidden_share_percent": "of them hide a novel object, %",
    "training_seconds": "training time, s",
    "training_episodes_digest": "digest of the training episodes",
    "episodes_digest": "digest of the evaluation episodes",
}


class Shown(NamedTuple):
    """The episodes of the page.

    Attributes:
        groups: none where there is nothing to show.
        missing: why there are none, in a sentence; empty where there are some.
        rule: how they were chosen.
        worth: what the differences in mIoU are worth, a sentence for each.
    """

    groups: Sequence[Group] = ()
    missing: str = ""
    rule: str = ""
    worth: Sequence[str] = ()


def page(runs: Sequence[Run], shown: Shown, out: Path, episodes: int, example: str) -> str:
    """The HTML of a page about `runs`.

    Args:
        out, episodes: those of the command that made it.
        example: the folder of the commands, as a person would type it.
    """
    reasons = differences.incomparable(runs)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        runs=runs,
        series=[series(place) for place in range(len(runs))],
        sentence=differences.compared(runs),
        incomparable=reasons,
        unfinished=[run.unfinished for run in runs if run.unfinished],
        measures=scores.MEASURES,
        score_columns=scores.score_columns(runs, not reasons),
        notes=scores.notes(runs),
        class_rows=scores.class_rows(runs),
        charts=charts.charts(runs),
        offset_charts=charts.offset_charts(runs),
        size=charts,
        shown=shown,
        foreground=COLOUR_NAMES[0].capitalize(),
        options=differences.option_differences(runs),
        every_option=differences.every_option(runs),
        environment=differences.environment_differences(runs),
        every_environment=differences.every_environment(runs),
        training=_training(runs),
        folder=os.path.realpath(os.curdir),
        commands=[training_command(run, example) for run in runs],
        page_command=page_command(runs, out, episodes, example),
    )


def is_ours(path: Path) -> bool:
    """Whether a file is a page that this command wrote."""
    return MARK.encode() in path.read_bytes()[:2000]


def _training(runs: Sequence[Run]) -> differences.Table:
    """What the trainings recorded of themselves."""
    found = [run.result or {} for run in runs]
    rows = [(words, [_recorded(one.get(name)) for one in found]) for name, words in TRAINING.items()]
    return differences.Table([row for row in rows if any(value != scores.MISSING for value in row[1])])


def _recorded(value: object) -> str:
    if value is None:
        return scores.MISSING
    return f"{value:.1f}" if isinstance(value, float) else str(value)

"""One page about one or more runs: scores, curves, classes, episodes, what differs, and how to repeat it.

python examples/pfenet_scnet/report.py RUN                     # writes RUN/report.html
python examples/pfenet_scnet/report.py RUN RUN --out page.html # side by side; differences are to the first
python examples/pfenet_scnet/report.py RUN RUN --episodes 0    # in a second, without any episode

The page is a single file that asks nothing of a network. Runs need not be finished. Episodes need the runs' weights and
the data that they were judged on; where those are gone, the page says so.
"""

from collections.abc import Sequence
from pathlib import Path

import runtime.requirements  # noqa: F401  Before all else: it says in one line what is not installed.
from comparison.intervals import over_pictures
from evaluation.evaluator import evaluate
from evaluation.metrics import Evaluation
from reporting.page.differences import incomparable
from reporting.page.render import Shown, is_ours, page
from reporting.page.runs import Run, read_runs
from reporting.page.scores import worth
from reporting.page.shown_episodes import choose, rule, shown_groups
from run_folder.weights import load_model
from runtime.atomic_files import check_writable, write_atomically
from runtime.command import MISTAKES, one_line, run_command
from runtime.device import best_device
from runtime.options import ExactParser, Range
from runtime.shown_path import shown_path

EPISODES = 2


def asked(arguments: list[str]) -> tuple[list[Run], Path, int]:
    """Read the command line: the runs, where the page goes, and how many episodes of each kind it shows.

    Raises:
        FileExistsError: another file than such a page lies there.
        ValueError, OSError: an option is unknown or out of range, or a run is none.
    """
    parser = ExactParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders that train.py wrote")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="by default report.html in the run, or beside the first"
    )
    parser.add_argument(
        "--episodes", type=int, default=EPISODES, metavar="N", help="of each kind; 0 shows none and needs no data"
    )
    given = parser.parse_args(arguments)
    Range(0, 20).check("episodes", given.episodes)
    runs = read_runs(given.runs)
    beside = given.runs[0] if len(runs) == 1 else Path(shown_path(given.runs[0].resolve().parent))
    out = given.out or beside / "report.html"
    _check_out(out)
    return runs, out, given.episodes


def _check_out(out: Path) -> None:
    if out.is_dir():
        raise ValueError(f"out: expected a file, got the folder {out}; name a file in it, such as {out}/report.html")
    if out.exists() and not is_ours(out):
        raise FileExistsError(
            f"out: expected a new file or a page of this command, got {out}, which is neither; name another file"
        )


def main(arguments: list[str]) -> None:
    """Read the runs, show their episodes, and write the page."""
    runs, out, episodes = asked(arguments)
    check_writable(out)
    shown = episodes_of_runs(runs, episodes)
    # Names that are no text, as some file systems have them, are written as what stands for them.
    text = page(runs, shown, out, episodes, shown_path(Path(__file__).parent)).encode(errors="backslashreplace")
    write_atomically(out, lambda file: file.write(text))
    print(f"written: {out}")


def episodes_of_runs(runs: Sequence[Run], count: int) -> Shown:
    """Evaluate the runs on their episodes and show some, or say why none can be shown."""
    if count == 0:
        return Shown(missing="None were asked for.")
    if incomparable(runs):
        return Shown(missing="None are shown: the runs were not judged on the same episodes.")
    try:
        images = runs[0].recipe.evaluation_images()
        models = [load_model(run.path, run.recipe).to(best_device()) for run in runs]
        found = [evaluate(model, run.recipe, images) for run, model in zip(runs, models, strict=True)]
        _check_unchanged(runs, found)
        groups = shown_groups(choose(found, count), runs, models, images)
    except MISTAKES as error:
        return Shown(missing=f"None can be shown. {one_line(error)}")
    return Shown(groups, "", rule(len(runs)), _worth(runs, found))


def _check_unchanged(runs: Sequence[Run], found: Sequence[Evaluation]) -> None:
    """Refuse episodes other than those whose scores the page shows."""
    for run, evaluation in zip(runs, found, strict=True):
        noted = run.result["episodes_digest"] if run.result else evaluation.digest
        if noted != evaluation.digest:
            raise ValueError(
                f"data: expected the episodes {noted} that {run.label} was judged on, got {evaluation.digest}; the "
                "list of pictures has changed since"
            )


def _worth(runs: Sequence[Run], found: Sequence[Evaluation]) -> list[str]:
    """How far each difference to the first run hangs on the query pictures; of runs that have scores."""
    sentences: list[str] = []
    for run, evaluation in zip(runs[1:], found[1:], strict=True):
        if runs[0].unfinished or run.unfinished:
            continue
        interval, _ = over_pictures(found[0], evaluation)
        # Of two models that find the same there is nothing to say.
        if interval.low is not None and interval.high is not None and interval.low < interval.high:
            sentences.append(worth(run.label, runs[0].label, interval.low, interval.high, interval.count))
    return sentences


if __name__ == "__main__":
    run_command(main)

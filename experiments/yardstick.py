"""Read the kept weights of finished cells: scores that a threshold cannot buy, and support reliance.

python experiments/yardstick.py main --data DIR --jobs 2        # the cells of a study whose weights lie below --work
python experiments/yardstick.py untrained --data DIR            # cosines, of which nothing is trained
"""

import sys
from collections.abc import Sequence

from running import example_modules  # noqa: F401

# isort: split
from grid.cell import Cell
from grid.cell_store import READ, study_of
from grid.studies import READABLE
from run import prepare
from running.folders import Folders, asked
from running.pool import READING, log_of, run_cells
from running.yardstick import weights_of
from runtime.command import run_command


def gone(cells: Sequence[Cell], folders: Folders) -> list[Cell]:
    """Those of the cells whose weights do not lie below the work folder."""
    return [one for one in cells if (file := weights_of(one, folders)) is not None and not file.is_file()]


def training_command(cell: Cell, folders: Folders) -> str:
    """What trains the cell's study, its weights to be kept; a new results folder, as finished cells are skipped."""
    data = f" --data {folders.photographs}" if cell.data == "photographs" and folders.photographs else ""
    again = folders.work / "again"
    return f"python experiments/run.py {study_of(cell)} --work {folders.work} --results {again}{data}"


def main(arguments: list[str] | None = None) -> int:
    """Read what the command line names; 1 if a cell has no weights or failed, 130 after Ctrl-C."""
    studies, jobs, folders = asked(__doc__, READABLE, arguments)
    every = {one.digest: one for name in studies for one in READABLE[name].cells().values()}.values()
    unread = [one for one in every if folders.result(one, READ) is None]
    missing = gone(unread, folders)
    there = [one for one in unread if one not in missing]
    try:
        prepare(there, folders, lambda recipe: [recipe.evaluation_images()])
        failed = run_cells(there, folders, jobs, work=READING)
    except KeyboardInterrupt:
        print("stopped; the same command goes on")
        return 130
    for one in missing:
        print(f"no weights: {one.digest}; to train it: {training_command(one, folders)}")
    for one in failed:
        print(f"failed: {one.digest}, see {log_of(one, folders, READING)}")
    return 1 if missing or failed else 0


if __name__ == "__main__":
    run_command(lambda words: sys.exit(main(words)))

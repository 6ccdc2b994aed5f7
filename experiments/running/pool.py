"""Cells over the cores: a process each, of one thread; Ctrl-C ends them between two steps."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from grid.cell import Cell
from grid.cell_store import READ, TRAINED
from runtime.atomic_files import write_text_atomically
from tqdm import tqdm

from running.folders import Folders

EXPERIMENTS = Path(__file__).parents[1]
# Memory that a step frees stays with the process: to ask the system for it anew takes as long as to fill it.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "4294967296"}
Running = dict[subprocess.Popen[bytes], Cell]


class Work(NamedTuple):
    """What a process does with a cell.

    Attributes:
        doing: in a word.
        module: started with the cell's file and the folders.
        kind: of the result, which `Folders.result` knows.
        log: the name of the log in the cell's folder.
    """

    doing: str
    module: str
    kind: str
    log: str


TRAINING = Work("run", "running.trial", TRAINED, "log.txt")
READING = Work("read", "running.yardstick", READ, "reading.txt")


def run_cells(
    cells: Sequence[Cell],
    folders: Folders,
    jobs: int,
    expected: Callable[[Cell], float] = lambda _: 1.0,
    work: Work = TRAINING,
) -> list[Cell]:
    """Run the cells that have no result yet, `jobs` at a time, and return those that failed.

    Args:
        expected: how long a cell takes; only proportions matter, for the time that is left.
        work: what is done with each.

    Raises:
        KeyboardInterrupt: on Ctrl-C, when all processes have written their checkpoints and ended.
    """
    waiting = [one for one in {one.digest: one for one in cells}.values() if folders.result(one, work.kind) is None]
    print(f"{len(waiting)} cells to {work.doing}; logs and checkpoints below {folders.work / 'cells'}")
    failed: list[Cell] = []
    running: Running = {}
    bar = "{desc} {percentage:3.0f} % |{bar}| {elapsed} gone, {remaining} left"
    with tqdm(total=sum(map(expected, waiting)), bar_format=bar, smoothing=0, desc="cells") as progress:
        done = 0
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    one = waiting.pop(0)
                    running[_start(one, folders, work)] = one
                time.sleep(0.1)
                for process in [process for process in running if process.poll() is not None]:
                    one = running.pop(process)
                    failed += [one] if process.returncode else []
                    done += 1
                    progress.set_description(f"{done} cells done, {len(waiting) + len(running)} to go")
                    progress.update(expected(one))
        finally:
            _end(running)
    return failed


def log_of(cell: Cell, folders: Folders, work: Work = TRAINING) -> Path:
    return folders.run(cell) / work.log


def _start(cell: Cell, folders: Folders, work: Work) -> subprocess.Popen[bytes]:
    """A process of its own session, which a terminal's Ctrl-C does not reach: `_end` tells it once."""
    description = folders.run(cell) / "cell.json"
    write_text_atomically(description, json.dumps(asdict(cell), indent=2) + "\n")
    named = {"--work": folders.work, "--results": folders.results, "--data": folders.photographs}
    options = [str(word) for name, folder in named.items() if folder for word in (name, folder)]
    paths = [str(EXPERIMENTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    with log_of(cell, folders, work).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", work.module, str(description), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
        )


def _end(running: Running) -> None:
    """Have the processes end; a second Ctrl-C while they do kills them."""
    try:
        for process in running:
            process.send_signal(signal.SIGINT)
        for process in running:
            process.wait()
    except KeyboardInterrupt:
        for process in running:
            process.kill()
        raise

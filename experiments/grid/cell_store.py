"""Finished cells: below a results folder one file for each study, in it one line of JSON for each cell.

The folder `cells` has what training and evaluation gave, `yardstick` what was read off the kept weights.
"""

import fcntl
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from grid.cell import Cell
from grid.studies import READABLE, every_cell

Row = dict[str, Any]
TRAINED, READ = "cells", "yardstick"


def file_of(results: Path, cell: Cell, kind: str = TRAINED) -> Path:
    """The file of the first study that needs the cell; `other.jsonl` for a cell that no study names."""
    return results / kind / f"{study_of(cell) or 'other'}.jsonl"


def study_of(cell: Cell) -> str | None:
    """The first study that needs the cell, those that train nothing among them."""
    return next((name for name, one in every_cell(READABLE) if one.digest == cell.digest), None)


def finished_cells(results: Path, kind: str = TRAINED) -> dict[str, Row]:
    """Digest → result of every cell that is finished, whichever file it stands in.

    Raises:
        ValueError: two lines describe the same cell.
    """
    found: dict[str, Row] = {}
    for path in sorted((results / kind).glob("*.jsonl")):
        state = path.stat()
        for digest, row in _read(path, state.st_mtime_ns, state.st_size):
            if digest in found:
                raise ValueError(f"{path}: expected one line for each cell, got two of {digest}; delete one of them")
            found[digest] = row
    return found


def add_cell(results: Path, cell: Cell, row: Row, kind: str = TRAINED) -> None:
    """Append a finished cell, unless it is there; processes take turns, and a line that a crash cut off makes room."""
    path = file_of(results, cell, kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        # The system ends the lock with the process, however that ends.
        fcntl.flock(file, fcntl.LOCK_EX)
        _drop_torn_line(file)
        if cell.digest in finished_cells(results, kind):
            return
        file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


@lru_cache(maxsize=64)
def _read(path: Path, changed: int, size: int) -> list[tuple[str, Row]]:
    """The whole lines of a file; it is read again when `changed` or `size` is another."""
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    rows: list[Row] = [json.loads(line) for line in whole.split(b"\n") if line]
    return [(Cell(**row["cell"]).digest, row) for row in rows]


def _drop_torn_line(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)

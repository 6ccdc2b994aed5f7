"""Fill a folder whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def check_free(path: Path, option: str) -> None:
    """Refuse a folder that holds something already, before anything is written.

    Raises:
        ValueError: names the option and the folder.
    """
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        got = "a file" if path.is_file() else "one that holds files"
        raise ValueError(f"{option}: expected a new or empty folder, got {path}, {got}; choose another, or empty it")


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` to fill, which becomes `path` at the end; after an error nothing is left of it."""
    path = path.resolve()
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        if path.is_dir():
            path.rmdir()
        unfinished.rename(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)

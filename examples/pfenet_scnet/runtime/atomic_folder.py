"""Fill a folder whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from runtime.atomic_files import DAY, remove_unfinished, unfinished_name


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
    """A folder beside `path` to fill, which becomes `path` at the end; after an error nothing is left of it.

    What a process that died left of the same folder is removed when it is a day old: until then, another process may
    be at work on it.

    Raises:
        OSError: a file cannot be written; names it as it will be called below `path`.
    """
    path = path.resolve()
    unfinished = unfinished_name(path)
    try:
        unfinished.mkdir(parents=True)
        remove_unfinished(path.parent, f".{escape(path.name)}.*.unfinished", DAY)
        yield unfinished
        if path.is_dir():
            path.rmdir()
        unfinished.rename(path)
    except OSError as error:
        if str(unfinished) not in str(error.filename):
            raise
        raise OSError(error.errno, error.strerror, str(error.filename).replace(str(unfinished), str(path))) from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)

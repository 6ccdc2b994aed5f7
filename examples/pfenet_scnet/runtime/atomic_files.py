"""Write a file whole or not at all, even if the process dies."""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import IO

UNFINISHED = ".*.unfinished"
# Nothing takes so long to write, so what is older was left by a process that died.
DAY = 24 * 60 * 60


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename that to `path`.

    Raises:
        OSError: names `path` where the disk is full or cannot be written to.
    """
    unfinished = unfinished_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except Exception as error:
        failure = _failure_of_disk(error, unfinished)
        if failure is None:
            raise
        raise OSError(failure.errno, failure.strerror, str(path)) from None
    finally:
        _remove(unfinished)


def write_text_atomically(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode()))


def write_picture_atomically(path: Path, save: Callable[[IO[bytes]], object]) -> None:
    """Write what `save` encodes."""
    write_atomically(path, lambda file: file.write(encoded(save)))


def encoded(save: Callable[[IO[bytes]], object]) -> bytes:
    """A picture's bytes, made in memory: Pillow does not say why it could not write to a file."""
    memory = BytesIO()
    save(memory)
    return memory.getvalue()


def check_writable(path: Path) -> None:
    """Refuse a path that cannot be written, before the work whose result it shall hold.

    Raises:
        OSError: names the path.
    """
    try:
        write_atomically(path.with_name(f".{path.name}.try"), lambda _: None)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    path.with_name(f".{path.name}.try").unlink()


def unfinished_name(path: Path) -> Path:
    """What a file or folder is called until it is whole."""
    return path.with_name(f".{path.name}.{os.getpid()}.unfinished")


def remove_unfinished(folder: Path, pattern: str = UNFINISHED, age: float = 0) -> None:
    """Remove what a process that died left unfinished in a folder, from an `age` in seconds on."""
    for path in folder.glob(pattern):
        try:
            old = time.time() - path.stat().st_mtime >= age
        except OSError:  # Another process may have ended its work.
            continue
        if old:
            _remove(path)


def _remove(path: Path) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _failure_of_disk(error: BaseException | None, unfinished: Path) -> OSError | None:
    """What the system said about `unfinished`; torch hides it behind an error of its own."""
    while error is not None:
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(unfinished)):
            return error
        error = error.__context__
    return None

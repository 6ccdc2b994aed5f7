"""One way to run every command: what its user did wrong is said in one line, and the exit status is 2."""

import errno
import re
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from runtime.say import shown

# What a wrong option, a damaged file, a full disk, a missing package or a small GPU raises. Anything else is a fault of
# ours, and its traceback is what we need to mend it.
MISTAKES = (ValueError, OSError, ImportError, FloatingPointError, torch.OutOfMemoryError)
# What torch says in a RuntimeError, wherever the command is at work, when a process that works for it dies.
PROCESSES = {
    "DataLoader worker (pid": "workers: expected the processes that load pictures to live, got one that died "
    "({error}), perhaps for want of memory; close other programs or lower --workers",
    "gloo/transport": "torchrun: expected every process of the training to live, got one that died or is out of reach; "
    "look at what it said",
}
# What to do about an error of the file system, which does not say so itself.
FIXES = {
    errno.ENOENT: "check the path, and make the folder that it lies in",
    errno.EEXIST: "name another path, or move what lies there",
    errno.ENOTDIR: "a file lies where a folder is needed; name another path",
    errno.EISDIR: "a folder lies where a file is needed; name another path",
    errno.EACCES: "choose a place that you may write to and read from",
    errno.EROFS: "choose a place that can be written to",
    errno.ENOSPC: "make room on the disk, or choose another one",
    errno.EDQUOT: "make room, as your quota is used up, or choose another disk",
    errno.EFBIG: "choose a disk that holds files so large",
}


def run_command(main: Callable[[list[str]], object], arguments: list[str] | None = None) -> None:
    """Call `main` with the command line; `--debug true` shows the traceback of an error.

    Raises:
        SystemExit: with status 2 after a mistake of the user, 130 after Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        # What a console or a file cannot show, as in Windows' old encodings, is written out.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    words, debug = _without_debug(sys.argv[1:] if arguments is None else arguments)
    try:
        main(words)
    except MISTAKES as error:
        if debug:
            raise
        _end(one_line(error), 2)
    except RuntimeError as error:
        said = next((said for known, said in PROCESSES.items() if known in str(error)), None)
        if debug or said is None:
            raise
        _end(f"{said.format(error=one_line(error))}; a training goes on with --resume true", 2)
    except KeyboardInterrupt as stopped:
        if debug:
            raise
        _end("; ".join(("interrupted", *map(str, stopped.args))), 130)


def _end(message: str, status: int) -> None:
    print(f"{Path(sys.argv[0]).name}: {shown(message)}", file=sys.stderr)
    raise SystemExit(status)


def _without_debug(words: list[str]) -> tuple[list[str], bool]:
    joined = [part for word in words for part in re.split(r"(?<=^--debug)=", word)]
    if "--debug" not in joined:
        return words, False
    place = joined.index("--debug")
    value = joined[place + 1] if place + 1 < len(joined) else ""
    if value not in ("true", "false"):
        _end(f"debug: expected true or false, got {value or 'nothing'}; add --debug true to see a traceback", 2)
    return joined[:place] + joined[place + 2 :], value == "true"


def one_line(error: BaseException) -> str:
    """What an error says, in one line, also where it comes from a loader process with a traceback in its text.

    >>> one_line(ValueError("size: expected at least 32,\\n got 0"))
    'size: expected at least 32, got 0'
    """
    fix = FIXES.get(error.errno or 0, "") if isinstance(error, OSError) else ""
    if isinstance(error, OSError) and (error.filename or fix):
        return f"{error.filename or 'disk'}: {error.strerror}{fix and '; '}{fix}"
    text = str(error) or type(error).__name__
    if "\nOriginal Traceback" in text:
        text = re.split(r"\n\w[\w.]*: ", text)[-1]
    return " ".join(text.split())

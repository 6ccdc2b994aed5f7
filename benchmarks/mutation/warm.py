"""A process that has loaded what every test needs, without the library, and runs tests in copies of itself.

It reads a request a line, `{"tests": [...], "seconds": 90}`, and answers each with a line, such as `{"outcome":
"failed", "test": "tests/..."}`. The outcome is `passed`, `failed`, `limit` when the time was over, or `missing` when a
test was not found.
"""

import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import beartype  # noqa: F401
import hypothesis  # noqa: F401
import jaxtyping  # noqa: F401
import numpy  # noqa: F401
import pytest
import torch

OPTIONS = ["-o", "addopts=", "-q", "-x", "--doctest-modules", "-p", "no:xdist", "-p", "no:cacheprovider", "--tb=line"]
FOUND_NO_TEST = 4


class FirstFailure:
    """Writes down the first test that fails."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.path.write_text(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.path.write_text(report.nodeid)


def run(tests: list[str], note: Path, log: Path) -> None:
    """Run the tests in this process and end it with pytest's own status."""
    os.setsid()
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        os._exit(pytest.main([*OPTIONS, *tests], plugins=[FirstFailure(note)]))


def wait(process: int, seconds: float) -> int | None:
    """The status of a process, or None if it runs for longer; whatever it started ends with it."""
    end = time.monotonic() + seconds
    status = None
    while status is None and time.monotonic() < end:
        ended, raw = os.waitpid(process, os.WNOHANG)
        status = os.waitstatus_to_exitcode(raw) if ended else None
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
    if status is None:
        os.waitpid(process, 0)
    return status


def answer(tests: list[str], seconds: float) -> dict[str, Any]:
    """Run the tests in a copy of this process, until one fails or the time is over."""
    with tempfile.TemporaryDirectory() as folder:
        note, log = Path(folder, "note"), Path(folder, "log")
        process = os.fork()
        if not process:
            run(tests, note, log)
        status = wait(process, seconds)
        test = note.read_text() if note.is_file() else ""
    if status is None:
        return {"outcome": "limit", "test": ""}
    if status == FOUND_NO_TEST and not test:
        return {"outcome": "missing", "test": ""}
    return {"outcome": "failed" if status else "passed", "test": test}


if __name__ == "__main__":
    torch.set_num_threads(1)
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    # Nothing that is mutated may be left compiled.
    sys.dont_write_bytecode = True
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), flush=True)

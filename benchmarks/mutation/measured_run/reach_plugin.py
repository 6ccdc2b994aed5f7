"""A plugin of pytest for one measured run: it names the test at work to coverage and writes down how long each took.

python -m coverage run ... -m pytest -p reach_plugin
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

# Where the seconds of each test that passed go.
SECONDS = "SELFCONTRAST_MUTANTS_SECONDS"
_seconds: dict[str, float] = {}
_failed: set[str] = set()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    measured = coverage.Coverage.current()
    assert measured is not None, "run under `coverage run`"
    measured.switch_context(item.nodeid)
    try:
        return (yield)
    finally:
        measured.switch_context("")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _seconds[report.nodeid] = _seconds.get(report.nodeid, 0.0) + report.duration
    if not report.passed:
        _failed.add(report.nodeid)


def pytest_sessionfinish() -> None:
    passed = {name: seconds for name, seconds in _seconds.items() if name not in _failed}
    Path(os.environ[SECONDS]).write_text(json.dumps(passed))

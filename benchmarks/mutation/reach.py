"""Which tests run which lines of the library, and how long each test takes: measured once by coverage.

What a test has other processes do counts as its own: coverage starts in them too, under the name of the test at work.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from common.measure import write_text_atomically
from coverage import CoverageData

from mutation.measured_run.reach_plugin import SECONDS
from mutation.tree import LIBRARY, Tree

SETTINGS = """
[run]
source = {source}
parallel = true
data_file = {data}
context = ${{PYTEST_CURRENT_TEST-}}
patch = _exit
disable_warnings = no-data-collected, dynamic-conflict, couldnt-parse
"""
# By file: what its text was, and its tests that passed.
Measured = dict[str, dict[str, Any]]


class Reached(NamedTuple):
    """A test that passes: how long it takes, and the lines that it runs of each module."""

    seconds: float
    lines: dict[str, frozenset[int]]


def library_tests(tree: Tree) -> list[str]:
    """The files of the library's own tests, and its modules for their doctests."""
    script = [sys.executable, ".ci/library_tests.py"]
    listed = subprocess.run(script, cwd=tree.folder, capture_output=True, text=True, check=True).stdout.split()
    found: list[str] = []
    for name in (*listed, "tests/loops"):
        path = tree.folder / name
        pattern = "*.py" if name == LIBRARY else "test_*.py"
        found += (
            [name] if path.is_file() else [part.relative_to(tree.folder).as_posix() for part in path.rglob(pattern)]
        )
    return sorted(found)


def reach(tree: Tree, folder: Path) -> dict[str, Reached]:
    """What each test of the library runs; only files that changed are measured again, if the library did not."""
    path = folder / "reach.json"
    ground = tree.digest(*tree.library(), *tree.helpers())
    known = json.loads(path.read_text()) if path.is_file() else {}
    kept: Measured = known["files"] if known.get("ground") == ground else {}
    digests = {name: tree.digest(name) for name in library_tests(tree)}
    kept = {name: kept[name] for name, digest in digests.items() if name in kept and kept[name]["digest"] == digest}
    left = [name for name in digests if name not in kept]
    if left:
        fresh = measure(tree, folder / "coverage", left)
        kept |= {name: {"digest": digests[name], "tests": fresh.get(name, {})} for name in left}
        write_text_atomically(path, json.dumps({"ground": ground, "files": kept}))
    return {
        name: Reached(test["seconds"], {module: frozenset(lines) for module, lines in test["lines"].items()})
        for file in kept.values()
        for name, test in file["tests"].items()
    }


def measure(tree: Tree, folder: Path, files: list[str]) -> dict[str, dict[str, Any]]:
    """Run these tests once: by file, the seconds and lines of each that passed."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    settings = folder / "settings"
    settings.write_text(SETTINGS.format(source=tree.folder / LIBRARY, data=folder / "data"))
    pytest = ["-m", "pytest", "-o", "addopts=", "-q", "--doctest-modules", "-p", "reach_plugin", *files]
    quiet = ["-p", "no:xdist", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "coverage", "run", f"--rcfile={settings}", *pytest, *quiet]
    with (folder / "log").open("w") as log:
        subprocess.run(command, cwd=tree.folder, env=_measured(tree, folder), stdout=log)
    return _read(tree, folder)


def surroundings(tree: Tree) -> dict[str, str]:
    """The variables under which tests import the library of the copy, in processes that they start too."""
    return os.environ | {"PYTHONPATH": str(tree.folder), "OMP_NUM_THREADS": "1"}


def _measured(tree: Tree, folder: Path) -> dict[str, str]:
    """The same for the measured run, with the plugin and what makes coverage start in other processes."""
    given = surroundings(tree)
    given["PYTHONPATH"] += os.pathsep + str(Path(__file__).parent / "measured_run")
    # The tests of this command are themselves a test at work.
    given.pop("PYTEST_CURRENT_TEST", None)
    return given | {SECONDS: str(folder / "seconds"), "COVERAGE_PROCESS_START": str(folder / "settings")}


def _read(tree: Tree, folder: Path) -> dict[str, dict[str, Any]]:
    """What coverage and the plugin wrote, by file and test."""
    seconds: dict[str, float] = json.loads((folder / "seconds").read_text())
    lines: dict[str, dict[str, set[int]]] = {test: defaultdict(set) for test in seconds}
    for path in folder.glob("data.*"):
        data = CoverageData(str(path))
        data.read()
        for file in data.measured_files():
            module = Path(file).relative_to(tree.folder).as_posix()
            for line, contexts in data.contexts_by_lineno(file).items():
                for test in {_test(context) for context in contexts} & seconds.keys():
                    lines[test][module].add(line)
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for test, run in lines.items():
        by_module = {module: sorted(numbers) for module, numbers in run.items()}
        found[test.partition("::")[0]][test] = {"seconds": round(seconds[test], 3), "lines": by_module}
    return found


def _test(context: str) -> str:
    """The test of a context: set by the plugin, or in another process taken from pytest's variable."""
    for phase in (" (setup)", " (call)", " (teardown)"):
        context = context.removesuffix(phase)
    return context

"""One mutant against the tests that can notice it."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from mutation.reach import surroundings
from mutation.sample import Mutant
from mutation.tree import Tree

# The first few fail quickly if any does; collecting hundreds takes longer than running these.
FIRST = 12


class Outcome(NamedTuple):
    """What came of a mutant.

    Attributes:
        killed: whether a test failed.
        by: that test, or why there is none.
        seconds: how long its tests ran.
    """

    killed: bool
    by: str
    seconds: float


class Trials:
    """Runs tests in copies of one warm process, in the copied tree."""

    def __init__(self, tree: Tree, limit: float) -> None:
        self.tree = tree
        self.limit = limit
        self._sound: dict[str, bool] = {}
        self._warm = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm.py"))],
            cwd=tree.folder,
            env=surroundings(tree) | {"PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """End the warm process."""
        assert self._warm.stdin
        self._warm.stdin.close()
        self._warm.wait()

    def run(self, mutant: Mutant, source: str, tests: list[str]) -> Outcome:
        """Try the tests in their order until one fails: again with the mutant, and never without it."""
        started = time.monotonic()
        while True:
            with self.tree.holding(mutant.module, mutant.code(source)):
                answer = self._first_failure(tests)
                counts = answer["outcome"] == "failed" and self._fails_again(answer["test"])
            seconds = round(time.monotonic() - started, 1)
            if answer["outcome"] != "failed":
                return Outcome(False, _why(answer["outcome"], tests, self.limit), seconds)
            if counts and self._is_sound(answer["test"]):
                return Outcome(True, answer["test"] or "the run of the tests ended", seconds)
            tests = [test for test in tests if test != answer["test"]]

    def _first_failure(self, tests: list[str]) -> dict[str, Any]:
        end = time.monotonic() + self.limit
        answer = {"outcome": "passed", "test": ""}
        for part in (tests[:FIRST], tests[FIRST:]):
            if part and answer["outcome"] == "passed":
                answer = self._ask(part, end - time.monotonic())
        return answer

    def _ask(self, tests: list[str], seconds: float) -> dict[str, Any]:
        answer = self._request(tests, seconds)
        if answer["outcome"] != "missing":
            return answer
        # Where a mutant changes a list, tests for its entries have other names: the rest of the file may still notice.
        return self._request(list(dict.fromkeys(test.partition("::")[0] for test in tests)), seconds)

    def _request(self, tests: list[str], seconds: float) -> dict[str, Any]:
        assert self._warm.stdin and self._warm.stdout
        self._warm.stdin.write(json.dumps({"tests": tests, "seconds": seconds}) + "\n")
        self._warm.stdin.flush()
        return json.loads(self._warm.stdout.readline())

    def _fails_again(self, test: str) -> bool:
        """Whether the test alone notices the mutant that the tree holds, and not the load of the machine."""
        return "::" not in test or self._request([test], self.limit)["outcome"] != "passed"

    def _is_sound(self, test: str) -> bool:
        """Whether the test passes alone without a mutant; a file that cannot be imported could be before."""
        if "::" in test and test not in self._sound:
            self._sound[test] = self._request([test], self.limit)["outcome"] == "passed"
        return self._sound.get(test, True)


def _why(outcome: str, tests: list[str], limit: float) -> str:
    if not tests:
        return "no test runs it"
    if outcome == "limit":
        return f"the time limit of {limit:g} s was hit"
    return f"{len(tests)} tests passed" if outcome == "passed" else "its tests have other names"

"""The outcomes so far, a line each, so that a run that was killed goes on."""

import ast
import json
from pathlib import Path
from typing import Any

from mutation.sample import Mutant
from mutation.tree import Tree, digest
from mutation.trial import Outcome


class Records:
    """Outcomes that hold for a tree.

    A mutant stays killed while its module and the test that killed it are as they were, with all that stands beside
    that test in its file but other tests and imports. One that is alive is tried again as soon as anything changed.
    """

    def __init__(self, path: Path, tree: Tree, everything: list[str]) -> None:
        self.path = path
        self.tree = tree
        self._everything = tree.digest(*everything)
        self._known = dict(_lines(path))

    def find(self, mutant: Mutant) -> Outcome | None:
        """What came of a mutant, if that still holds."""
        row = self._known.get(_name(mutant))
        if row is None:
            return None
        outcome = Outcome(**row["outcome"])
        return outcome if row["ground"] == self._ground(mutant, outcome) else None

    def add(self, mutant: Mutant, outcome: Outcome) -> None:
        """Write down what came of a mutant."""
        row = {"mutant": _name(mutant), "outcome": outcome._asdict(), "ground": self._ground(mutant, outcome)}
        self._known[row["mutant"]] = row
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def _ground(self, mutant: Mutant, outcome: Outcome) -> str:
        file, _, test = outcome.by.partition("::")
        if not outcome.killed or not (self.tree.folder / file).is_file():
            return self._everything
        parts = _without_other_tests((self.tree.folder / file).read_text(encoding="utf-8"), test)
        return self.tree.digest(mutant.module) + digest(parts)


def _without_other_tests(text: str, test: str) -> list[str]:
    """The statements of a file without its imports and all tests but one."""
    name, imports = test.partition("[")[0], (ast.Import, ast.ImportFrom)
    nodes = [node for node in ast.parse(text).body if not isinstance(node, imports)]
    return [ast.unparse(node) for node in nodes if not _is_other_test(node, name)]


def _is_other_test(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and node.name != name


def _name(mutant: Mutant) -> str:
    return json.dumps([mutant.module, mutant.operator, mutant.occurrence, mutant.before, mutant.after])


def _lines(path: Path) -> Any:
    """The rows by their mutant; a last line that was cut off is none."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):
            row = json.loads(line)
            yield row["mutant"], row

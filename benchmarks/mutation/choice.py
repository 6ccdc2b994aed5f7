"""Which tests a mutant meets, and in which order."""

import ast
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from mutation.reach import Reached
from mutation.sample import Mutant
from mutation.tree import LIBRARY


def tests_for(mutant: Mutant, source: str, tests: Mapping[str, Reached]) -> list[str]:
    """The tests that run the mutated statement, and behind them the others of the module's own test files.

    Those of its own files come first among the former, then those that take less time.

    What stands outside every function runs when the module is imported, in whichever test comes first. So it meets all
    tests that run a function of the module, and where there is none, of its folder.
    """
    own = {name for name in tests if _is_own(mutant.module, name)}
    reaching = _reaching(mutant, source, tests)
    return sorted(own | reaching, key=lambda name: (name not in reaching, name not in own, tests[name].seconds))


def _reaching(mutant: Mutant, source: str, tests: Mapping[str, Reached]) -> set[str]:
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    inside = any(node.body[0].lineno <= mutant.line <= (node.end_lineno or 0) for node in functions)
    lines = _statement(source, mutant) if inside else {line for node in functions for line in _body(node)}
    found = {name for name, test in tests.items() if lines & test.lines.get(mutant.module, frozenset())}
    return found or {name for name, test in tests.items() if _runs_folder(mutant.module, test)}


def _statement(source: str, mutant: Mutant) -> set[int]:
    """The lines of the smallest statement around the first line that changes; of a compound one, its head."""
    last = mutant.line + mutant.before.count("\n")
    around = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt) and node.lineno <= mutant.line <= (node.end_lineno or 0)
    ]
    smallest: Any = max(around, key=lambda node: node.lineno)
    end = smallest.body[0].lineno - 1 if hasattr(smallest, "body") else smallest.end_lineno
    return set(range(smallest.lineno, max(end, last) + 1))


def _body(function: ast.FunctionDef) -> range:
    return range(function.body[0].lineno, (function.end_lineno or 0) + 1)


def _runs_folder(module: str, test: Reached) -> bool:
    folder = PurePosixPath(module).parent
    return any(PurePosixPath(name).parent == folder for name in test.lines)


def _is_own(module: str, test: str) -> bool:
    """Whether a test lies in the mirrored folder, in a file with the module's name in its own, or is its doctest.

    >>> _is_own("selfcontrast/attach/verify/images.py", "tests/attach/verify/test_verify_images.py::test_a")
    True
    """
    file = test.partition("::")[0]
    path, mirrored = PurePosixPath(module), PurePosixPath(file)
    folder = PurePosixPath("tests", *path.parent.parts[1:])
    return file == module or (
        mirrored.parent == folder and path.stem.strip("_") in mirrored.stem and path.stem != LIBRARY
    )

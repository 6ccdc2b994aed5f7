"""A tree with a library of one module and tests that notice some of its mutants."""

import subprocess
from pathlib import Path

from mutation.sample import Mutant

NUMBERS = '''"""Four functions."""


def larger(one: int, other: int) -> int:
    return max(one, other) + 1


def count_down(number: int) -> int:
    while number > 0:
        number -= 1
    return number


def twice(number: int) -> int:
    return number * 2


def nobody(number: int) -> bool:
    return number == 7


def same(number: int) -> int:
    """The number.

    >>> same(4)
    4
    """
    return number // 1
'''
TESTS = """import subprocess
import sys
from pathlib import Path

from selfcontrast.numbers import count_down, larger


def test_larger() -> None:
    assert larger(2, 3) == 4


def test_count_down() -> None:
    assert count_down(3) == 0


def test_another_process_doubles() -> None:
    code = "import sys; from selfcontrast.numbers import twice; sys.exit(twice(3) != 6)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_of_a_red_suite() -> None:
    assert larger(2, 3) == 5


def test_that_fails_once() -> None:
    failed = Path("failed")
    if not failed.exists():
        failed.touch()
        raise AssertionError
"""
MODULE = "selfcontrast/numbers.py"


def tiny_tree(root: Path) -> Path:
    """Write the tree and have git know it."""
    files = {
        ".ci/library_tests.py": 'print("tests selfcontrast")\n',
        "selfcontrast/__init__.py": "",
        MODULE: NUMBERS,
        "tests/test_numbers.py": TESTS,
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


def mutant(operator: str, before: str, after: str, occurrence: int = 0) -> Mutant:
    """A mutant of the module."""
    lines = NUMBERS.splitlines()
    (line,) = (number for number, text in enumerate(lines, 1) if text.strip() == before)
    made = Mutant(MODULE, operator, occurrence, line, before, after)
    assert after in made.code(NUMBERS)
    return made

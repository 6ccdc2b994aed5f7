"""Print the tests that need the library alone, as arguments of pytest: all but those of the commands around it.

python -m pytest $(python .ci/library_tests.py)
"""

from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
# These need the example, its packages or the tools that build what is published.
AROUND = {"pfenet_scnet", "experiments", "benchmarks", "docs", "loops", "package", "upstream"}

if __name__ == "__main__":
    found = [
        path
        for path in TESTS.iterdir()
        if path.name not in AROUND and any([*path.glob("test_*.py"), path.match("test_*.py")])
    ]
    print(*sorted(path.relative_to(TESTS.parent).as_posix() for path in found), "selfcontrast")

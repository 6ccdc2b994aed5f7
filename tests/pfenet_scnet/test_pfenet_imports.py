"""Arrows run one way in the example too: which part may import which, read from the code itself."""

import ast
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "pfenet_scnet"
COMMANDS = {"train", "compare", "evaluate", "report", "predict", "demo", "prepare", "leakage"}
# From the bottom up; a part may import itself and what stands above it here.
ORDER = ("runtime", "data", "model", "recipe", "run_folder", "prediction", "evaluation", "training", "reporting")
ORDER += ("comparison",)
# Parts that know less than their place in the order allows.
KNOWS = {"model": {"runtime"}, "reporting": {"runtime", "data", "model", "recipe", "run_folder", "evaluation"}}
MODULES = {path.relative_to(EXAMPLE).with_suffix("").as_posix(): path for path in EXAMPLE.rglob("*.py")}


def imported(path: Path) -> set[str]:
    """The first names of all modules that a file imports anywhere."""
    tree = ast.parse(path.read_text())
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return {name.partition(".")[0] for name in names}


def test_every_module_is_a_command_or_belongs_to_a_part():
    assert {name.partition("/")[0] for name in MODULES} == COMMANDS | set(ORDER)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_module_imports_a_command_and_arrows_run_one_way(name):
    part, own = name.partition("/")[0], imported(MODULES[name]) & (COMMANDS | set(ORDER))
    below = ORDER if part in COMMANDS else ORDER[: ORDER.index(part)]
    assert own <= KNOWS.get(part, set(below)) | ({part} - COMMANDS)

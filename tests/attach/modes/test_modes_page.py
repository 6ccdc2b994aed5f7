"""docs/attach-modes.md: each line names a test of all three cells, and the figures are the measured ones."""

import importlib
import json
import re
from pathlib import Path

import pytest
from small_modes import MECHANISMS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "attach-modes.md").read_text()
MEASURED = json.loads((ROOT / "tests" / "upstream" / "compile.json").read_text())
HERE = Path(__file__).parent
ROWS = [
    re.split(r" *\| *", line.strip("| ")) for line in PAGE.splitlines() if line.startswith("|") and "/modes/" in line
]
TESTS = {row[0]: re.fullmatch(r"\[(\w+)\]\(\.\./tests/attach/modes/(\w+)\.py\)", row[-1]) for row in ROWS}


def test_the_columns_are_the_mechanisms() -> None:
    assert f"| | {' | '.join(MECHANISMS)} | test |" in PAGE
    assert len(ROWS) >= 12 and all(len(row) == len(MECHANISMS) + 2 and all(row) for row in ROWS)


@pytest.mark.parametrize("mode", TESTS)
def test_each_cell_has_a_test(mode: str) -> None:
    named = TESTS[mode]
    assert named is not None, "the last cell links to a test"
    function = getattr(importlib.import_module(named[2]), named[1])
    ways = [mark.args for mark in function.pytestmark if mark.name == "parametrize"]
    assert ("mechanism", MECHANISMS) in ways
    assert not [mark for mark in function.pytestmark if mark.name.startswith(("skip", "xfail"))]


def test_every_test_of_the_folder_stands_in_the_table_or_below_it() -> None:
    named = {found[1] for found in TESTS.values() if found is not None}
    for path in HERE.glob("test_*.py"):
        if path != Path(__file__):
            of_all = re.findall(r"^@every_mechanism\n(?:@.*\n)*def (test_\w+)", path.read_text(), re.MULTILINE)
            assert of_all and set(of_all) <= named, path.name


def test_the_graphs_are_those_that_the_tests_allow() -> None:
    graphs = importlib.import_module("test_compiled_hosts").GRAPHS
    assert f"At most {graphs['exchange']} graph: from" in PAGE
    assert f"At most {graphs['fold']} graphs where" in PAGE and f"At most {graphs['replay']} graphs; the" in PAGE


def figures() -> str:
    """The table of measured models."""
    lines = ["| model | compiled by | graphs, alone → attached | first step | third step |", "|---|---|---|---|---|"]
    for name, ways in MEASURED["models"].items():
        for backend in dict.fromkeys(way.partition(",")[0] for way in ways):
            alone, attached = (ways[f"{backend}, {how}"] for how in ("alone", "attached"))
            graphs, first, third = (
                " → ".join(shown(one) for one in pair)
                for pair in (
                    [way.get("graphs", ["–"])[-1] for way in (alone, attached)],
                    [way["processor seconds"][0] for way in (alone, attached)],
                    [way["processor seconds"][-1] for way in (alone, attached)],
                )
            )
            graphs = "" if "–" in graphs else graphs
            lines.append(f"| {name} | {backend} | {graphs} | {first} | {third} |")
    return "\n".join(lines)


def shown(figure: object) -> str:
    return f"{figure:.1f}" if isinstance(figure, float) else str(figure)


def test_the_figures_are_the_measured_ones() -> None:
    assert figures() in PAGE
    for ways in MEASURED["models"].values():
        for how in ("alone", "attached"):
            losses = [way["losses"] for name, way in ways.items() if name.endswith(how)]
            assert all(one == pytest.approx(losses[0], rel=1e-4) for one in losses), (
                "a compiled model computes the same"
            )
        for way in ways.values():
            assert len(set(way.get("graphs", [0]))) == 1, "no later step compiles again"

"""The sample is drawn by its seed alone, and from every module."""

import ast

import pytest
from common.measure import ROOT
from mutation.places import places
from mutation.sample import sample
from tiny_library import MODULE, NUMBERS

FOLDER = ROOT / "selfcontrast" / "doctor"
SOURCES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py")}


def test_the_same_seed_draws_the_same_and_another_seed_others() -> None:
    drawn = sample(SOURCES, 10, 0)
    assert len(drawn) == 10 and drawn == sample(dict(reversed(SOURCES.items())), 10, 0)
    assert drawn != sample(SOURCES, 10, 1)


def test_every_module_that_can_be_mutated_is_drawn_from() -> None:
    drawn = {mutant.module for mutant in sample(SOURCES, 9, 0)}
    assert drawn == {module for module, source in SOURCES.items() if places(source)} and len(drawn) == 3


def test_fewer_than_one_for_each_module_are_refused() -> None:
    with pytest.raises(ValueError, match="count: expected at least"):
        sample(SOURCES, 2, 0)


def test_lines_above_do_not_change_what_is_drawn() -> None:
    moved = sample({MODULE: "\n\n" + NUMBERS}, 6, 0)
    assert [mutant._replace(line=mutant.line - 2) for mutant in moved] == sample({MODULE: NUMBERS}, 6, 0)


def test_a_mutant_is_another_program_and_says_which_lines_change() -> None:
    for mutant in sample({MODULE: NUMBERS}, 100, 0):
        code = mutant.code(NUMBERS)
        assert ast.dump(ast.parse(code)) != ast.dump(ast.parse(NUMBERS))
        assert NUMBERS.splitlines()[mutant.line - 1].strip() == mutant.before
        assert code.splitlines()[mutant.line - 1].strip() == mutant.after

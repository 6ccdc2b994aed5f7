"""A tree with its tests: what each mutant meets and what comes of it. Mutants are made at night, and so is this."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mutation import reach as reaching
from mutation.choice import tests_for as chosen
from mutation.reach import Reached, reach
from mutation.records import Records
from mutation.sample import Mutant
from mutation.tree import Tree
from mutation.trial import Outcome, Trials
from nightly import at_night
from tiny_library import MODULE, NUMBERS, mutant, tiny_tree

pytestmark = at_night

SAME = f"{MODULE}::selfcontrast.numbers.same"
KILLED = mutant("NumberReplacer", "return max(one, other) + 1", "return max(one, other) + 2")
ENDLESS = mutant("RemoveStatement", "number -= 1", "pass")
ELSEWHERE = mutant("ReplaceBinaryOperator_Mul_Add", "return number * 2", "return number + 2")
UNTESTED = mutant("ReplaceComparisonOperator_Eq_NotEq", "return number == 7", "return number != 7")
EQUIVALENT = mutant("ReplaceBinaryOperator_FloorDiv_Mul", "return number // 1", "return number * 1")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def tree(work: Path) -> Tree:
    return Tree(tiny_tree(work / "root"), work / "tree")


@pytest.fixture(scope="module")
def tests(tree: Tree, work: Path) -> dict[str, Reached]:
    return reach(tree, work)


@pytest.fixture(scope="module")
def trials(tree: Tree) -> Iterator[Trials]:
    trials = Trials(tree, limit=6)
    yield trials
    trials.close()


def named(test: str) -> str:
    return f"tests/test_numbers.py::test_{test}"


def test_a_red_test_kills_nothing(tests: dict[str, Reached]) -> None:
    assert set(tests) == {SAME, *map(named, ("larger", "count_down", "another_process_doubles"))}


def test_what_another_process_runs_counts_for_the_test_that_started_it(tests: dict[str, Reached]) -> None:
    line = NUMBERS.splitlines().index("    return number * 2") + 1
    assert [name for name, test in tests.items() if line in test.lines[MODULE]] == [named("another_process_doubles")]


def test_tests_that_run_the_line_are_chosen_and_those_of_the_modules_own_file(tests: dict[str, Reached]) -> None:
    own = {named("larger"), named("count_down"), named("another_process_doubles"), SAME}
    assert set(chosen(KILLED, NUMBERS, tests)) == own
    elsewhere = {name.replace("test_numbers", "test_other"): test for name, test in tests.items()}
    assert named("larger").replace("numbers", "other") in chosen(KILLED, NUMBERS, elsewhere)
    assert named("count_down").replace("numbers", "other") not in chosen(KILLED, NUMBERS, elsewhere)


@pytest.mark.parametrize(
    ("mutant", "outcome"),
    [
        (KILLED, (True, named("larger"))),
        (ELSEWHERE, (True, named("another_process_doubles"))),
        (UNTESTED, (False, "4 tests passed")),
        (EQUIVALENT, (False, "4 tests passed")),
    ],
    ids=["killed", "killed in another process", "alive", "without effect"],
)
def test_outcomes(trials: Trials, tests: dict[str, Reached], mutant: Mutant, outcome: tuple[bool, str]) -> None:
    found = trials.run(mutant, NUMBERS, chosen(mutant, NUMBERS, tests))
    assert (found.killed, found.by) == outcome
    assert (trials.tree.folder / MODULE).read_text() == NUMBERS


def test_a_mutant_that_never_ends_is_alive(
    trials: Trials, tests: dict[str, Reached], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "limit", 1)
    found = trials.run(ENDLESS, NUMBERS, chosen(ENDLESS, NUMBERS, tests))
    assert (found.killed, found.by) == (False, "the time limit of 1 s was hit")
    assert (trials.tree.folder / MODULE).read_text() == NUMBERS


def test_a_test_that_fails_without_the_mutant_too_does_not_count(trials: Trials) -> None:
    found = trials.run(UNTESTED, NUMBERS, [named("of_a_red_suite"), named("larger")])
    assert not found.killed


def test_a_test_that_fails_once_kills_nothing(trials: Trials) -> None:
    failed = trials.tree.folder / "failed"
    failed.unlink(missing_ok=True)
    assert not trials.run(UNTESTED, NUMBERS, [named("that_fails_once"), named("larger")]).killed
    assert failed.is_file()


def test_a_module_that_cannot_be_imported_is_noticed(trials: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mutant, "code", lambda *_: "raise RuntimeError")
    assert trials.run(KILLED, NUMBERS, [named("larger")]).killed


def test_a_test_whose_name_went_is_no_failure(trials: Trials) -> None:
    found = trials.run(UNTESTED, NUMBERS, ["selfcontrast/numbers.py::selfcontrast.numbers.gone"])
    assert not found.killed


def test_two_runs_do_not_share_a_folder(tree: Tree, work: Path) -> None:
    with pytest.raises(ValueError, match="work: expected a folder that no run uses"):
        Tree(work / "root", work / "tree")
    assert (tree.folder / MODULE).is_file()


def test_only_files_that_changed_are_measured_again(
    tree: Tree, work: Path, tests: dict[str, Reached], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[list[str]] = []
    monkeypatch.setattr(reaching, "measure", lambda *given: measured.append(given[-1]) or {})
    assert reach(tree, work) == tests and not measured
    added = tree.folder / "tests" / "test_added.py"
    added.write_text("def test_added() -> None: ...\n")
    reach(tree, work)
    added.unlink()
    assert measured == [["tests/test_added.py"]]


def test_outcomes_hold_while_their_files_do(tree: Tree, tmp_path: Path) -> None:
    everything = [MODULE, "tests/test_numbers.py"]
    records = Records(tmp_path / "outcomes", tree, everything)
    killed, alive = Outcome(True, named("larger"), 1.0), Outcome(False, "4 tests passed", 1.0)
    records.add(KILLED, killed)
    records.add(EQUIVALENT, alive)
    with records.path.open("a") as file:
        file.write('{"mutant": "cut o')
    again = Records(records.path, tree, everything)
    assert again.find(KILLED) == killed and again.find(EQUIVALENT) == alive and again.find(UNTESTED) is None
    more = Records(records.path, tree, [*everything, ".ci/library_tests.py"])
    assert more.find(KILLED) == killed and more.find(EQUIVALENT) is None

    def found(test_file: str) -> Outcome | None:
        with tree.holding("tests/test_numbers.py", test_file):
            return Records(records.path, tree, everything).find(KILLED)

    text = (tree.folder / "tests" / "test_numbers.py").read_text()
    assert found(text + "\n\ndef test_more() -> None: ...\n") == killed
    assert found(text + "\n\nSIZE = 2\n") is None
    assert found(text.replace("larger(2, 3) == 4", "larger(2, 3) > 3")) is None

"""The command's report: what counts, and the committed reasons."""

import json
from pathlib import Path

import pytest
from common.measure import ROOT
from jsonschema import Draft202012Validator
from mutation.reasons import FILE, Reason, read_reasons, reason_for
from mutation.report import Tried, details, rows, summary
from mutation.trial import Outcome
from tiny_library import MODULE, NUMBERS, mutant

KILLED = mutant("NumberReplacer", "return max(one, other) + 1", "return max(one, other) + 2")
SAME = mutant("ReplaceBinaryOperator_FloorDiv_Mul", "return number // 1", "return number * 1")
UNTESTED = mutant("ReplaceComparisonOperator_Eq_NotEq", "return number == 7", "return number != 7")
WHY = "A whole number is what it is."
NOT_NOTICED = Outcome(False, "4 tests passed", 1.0)
ENTRY = (
    f'[[equivalent]]\nmodule = "{MODULE}"\nbefore = "return number // 1"\nafter = "return number * 1"\nwhy = "{WHY}"\n'
)


def test_the_share_leaves_out_what_nobody_can_notice_and_nothing_else() -> None:
    killed = Outcome(True, "tests/test_numbers.py::test_larger", 1.0)
    tried = [Tried(KILLED, killed, None), Tried(SAME, NOT_NOTICED, WHY), Tried(UNTESTED, NOT_NOTICED, None)]
    totals = summary(tried, 5)
    assert [totals[name] for name in ("tried", "of_a_sample_of", "killed", "equivalent", "alive")] == [3, 5, 1, 1, 1]
    assert totals["killed_of_those_not_equivalent"] == 0.5 and not totals["bars"][0]["met"]
    assert [row["median"] for row in rows(tried)] == [1, 1, 1]
    shown = details(tried)
    assert shown["equivalent"][0]["why"] == WHY and shown["alive"][0]["why"] == "not known"
    assert list(shown["killed"].values()) == ["tests/test_numbers.py::test_larger"]
    schema = json.loads((ROOT / "benchmarks" / "schema.json").read_text())
    Draft202012Validator(schema["properties"]["rows"]).validate(rows(tried))


def test_a_reason_for_a_mutant_that_is_killed_makes_it_no_equivalent() -> None:
    assert Tried(SAME, Outcome(True, "tests/test_numbers.py::test_larger", 1.0), WHY).state == "killed"


def test_a_reason_is_found_by_the_text(tmp_path: Path) -> None:
    file = tmp_path / "equivalent.toml"
    file.write_text(ENTRY)
    reasons = read_reasons(file, {MODULE: "\n\n\n" + NUMBERS})
    assert reason_for(SAME, reasons) == WHY and reason_for(UNTESTED, reasons) is None


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (ENTRY.replace("// 1", "// 2"), "got 'return number // 2'; delete the entry"),
        (ENTRY.replace("why =", "because ="), "got module, before, after, because; mend the entry"),
    ],
)
def test_an_entry_that_says_nothing_of_the_library_is_refused(tmp_path: Path, entry: str, message: str) -> None:
    file = tmp_path / "equivalent.toml"
    file.write_text(entry)
    with pytest.raises(ValueError, match=r"equivalent\.toml: expected") as caught:
        read_reasons(file, {MODULE: NUMBERS})
    assert message in str(caught.value)


def test_the_committed_reasons_speak_of_the_library_as_it_is() -> None:
    paths = (ROOT / "selfcontrast").rglob("*.py")
    sources = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    reasons = read_reasons(FILE, sources)
    assert all(isinstance(reason, Reason) and reason.why.endswith(".") for reason in reasons)
    assert len({reason[:3] for reason in reasons}) == len(reasons)

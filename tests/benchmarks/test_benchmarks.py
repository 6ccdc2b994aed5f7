"""Every committed result keeps the contract of benchmarks/README.md."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from common.measure import RESULTS, ROOT
from jsonschema import Draft202012Validator, ValidationError

SCHEMA = Draft202012Validator(json.loads((ROOT / "benchmarks" / "schema.json").read_text()))
FILES = sorted(RESULTS.glob("*.json"))
README = (ROOT / "benchmarks" / "README.md").read_text()


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def test_there_are_results() -> None:
    assert {"clustering", "seeding", "growth"} <= {path.stem for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_result_fits_the_schema(path: Path) -> None:
    SCHEMA.validate(read(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_row_names_its_unit_and_its_spread_is_in_order(path: Path) -> None:
    report = read(path)
    for row in report["rows"]:
        if "not_run" not in row:
            assert row["measure"] in report["units"], row
            assert row["min"] <= row["median"] <= row["max"], row


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_command_is_a_script_of_the_same_name_and_the_readme_lists_it(path: Path) -> None:
    (script,) = (ROOT / "benchmarks").rglob(f"{path.stem.removesuffix('_cuda')}.py")
    assert script.relative_to(ROOT).as_posix() in read(path)["command"]
    assert f"results/{path.name}" in README


def test_what_the_readme_names_exists() -> None:
    links = re.findall(r"\]\(([\w/.]+)\)", README)
    scripts = re.findall(r"python benchmarks/([\w/]+\.py)", README)
    parts = re.findall(r"`([\w/]+\.py)`", README)
    assert links and scripts and parts
    for name in (*links, *scripts, *parts):
        root = ROOT if name.startswith(("examples/", "tests/")) else ROOT / "benchmarks"
        assert (root / name).is_file(), name


@pytest.mark.parametrize("missing", ["command", "seed", "environment", "units", "question"])
def test_a_result_without_a_part_is_refused(missing: str) -> None:
    report = read(FILES[0])
    SCHEMA.validate(report)
    del report[missing]
    with pytest.raises(ValidationError, match=missing):
        SCHEMA.validate(report)


@pytest.mark.parametrize("missing", ["commit", "torch", "machine"])
def test_an_environment_without_a_part_is_refused(missing: str) -> None:
    report = read(FILES[0])
    del report["environment"][missing]
    with pytest.raises(ValidationError, match=missing):
        SCHEMA.validate(report)


@pytest.mark.parametrize(
    "row",
    [
        {"arm": "fast"},
        {"arm": "fast", "measure": "seconds", "median": 1.0, "rounds": 3},
        {"arm": "fast", "measure": "seconds", "median": 1.0, "min": 1.0, "max": 1.0, "rounds": 0},
        {"arm": "fast", "not_run": ""},
    ],
)
def test_a_row_without_figures_or_a_reason_is_refused(row: dict[str, Any]) -> None:
    report = read(FILES[0])
    report["rows"].append(row)
    with pytest.raises(ValidationError):
        SCHEMA.validate(report)

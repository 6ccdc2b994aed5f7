"""`python -m selfcontrast`: one command, its exit status, and one line for every other word."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import warm_python

import selfcontrast
from selfcontrast import __main__ as command

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def test_the_version_is_the_projects() -> None:
    assert selfcontrast.__version__ == tomllib.loads(PROJECT.read_text())["project"]["version"]


def test_a_folder_that_was_never_installed_has_no_version() -> None:
    code = "import importlib.metadata as m, torch, jaxtyping\ndef none(name): raise m.PackageNotFoundError(name)\n"
    code += "m.version = none\nimport selfcontrast\nprint(selfcontrast.__version__)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "unknown\n"


def test_the_doctor_answers_in_a_process_of_its_own() -> None:
    run = warm_python.run("-m", "selfcontrast", "doctor", cwd=PROJECT.parent, env=os.environ)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("selfcontrast ") and run.stdout.endswith("\nAll that is installed works.\n")


@pytest.mark.parametrize(("well", "status"), [(True, 0), (False, 1)])
def test_the_status_says_whether_all_is_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], well: bool, status: int
) -> None:
    monkeypatch.setattr(command, "report", lambda: ("found", well))
    assert command.main(["doctor"]) == status
    assert capsys.readouterr().out == "found\n"


@pytest.mark.parametrize("words", [[], ["docter"], ["doctor", "now"], ["--version"], ["--help", "doctor"]])
def test_other_words_are_refused_in_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(words) == 2
    out, error = capsys.readouterr()
    got = " ".join(words) or "nothing"
    assert out == "" and error == f"command: expected doctor, got {got}; write: python -m selfcontrast doctor\n"


def test_help_says_what_to_write(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--help"]) == 0
    assert capsys.readouterr().out == "write: python -m selfcontrast doctor\n"

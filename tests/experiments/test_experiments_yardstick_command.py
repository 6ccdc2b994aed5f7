"""The command: which cells it reads, and what it says of those that it cannot."""

from dataclasses import replace

import pytest
import run
import yardstick
from grid.cell_store import READ
from grid.studies import READABLE, STUDIES
from grid.study import Study
from running.pool import READING, log_of
from tiny_cells import TINY, tiny_folders

CELLS = TINY | {"weight": 0.0, "steps": 1}
TINY_STUDY = Study("", {"PFENet": CELLS, "gone": CELLS | {"steps": 2}}, {}, seeds=(0,))
UNTRAINED = Study("", {"Untrained cosine": CELLS | {"steps": 0, "host": "Untrained cosine"}}, {}, seeds=(0,))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return tiny_folders(tmp_path_factory.mktemp("experiments"))


@pytest.fixture(autouse=True)
def tiny_studies(monkeypatch):
    """Scenes few enough for a test are too few for some folds."""
    monkeypatch.setattr("grid.study.FOLDS", (0,))
    monkeypatch.setitem(STUDIES, "main", TINY_STUDY._replace(arms={"PFENet": CELLS}))
    monkeypatch.setitem(READABLE, "main", TINY_STUDY)
    monkeypatch.setitem(READABLE, "untrained", UNTRAINED)


def options(folders, study="main"):
    return [study, "--jobs", "1", "--work", str(folders.work), "--results", str(folders.results)]


def test_finished_cells_are_read_once_and_those_without_weights_are_named(folders, capsys):
    kept, missing = TINY_STUDY.cells().values()
    assert run.main(options(folders)) == 0
    capsys.readouterr()
    for to_read in (1, 0):
        assert yardstick.main(options(folders)) == 1
        said = capsys.readouterr().out
        assert f"{to_read} cells to read" in said
        command = f"python experiments/run.py main --work {folders.work} --results {folders.work / 'again'}"
        assert f"no weights: {missing.digest}; to train it: {command}\n" in said
    line = folders.result(kept, READ)
    assert line["digest"] == kept.digest and line["environment"]["machine"].endswith("1 threads")
    assert folders.result(missing, READ) is None
    # The cell's own process knows the real studies alone, none of which has it.
    assert (folders.results / "yardstick" / "other.jsonl").read_text().count("\n") == 1
    assert "5-shot reading" in log_of(kept, folders, READING).read_text()


def test_what_nothing_is_trained_of_is_read_at_once(folders, capsys):
    assert yardstick.main(options(folders, "untrained")) == 0
    (cell,) = UNTRAINED.cells().values()
    assert folders.result(cell, READ)["answers"] is None and "1 cells to read" in capsys.readouterr().out


def test_a_cell_that_cannot_be_read_is_named_with_its_log(folders, capsys):
    kept, _ = TINY_STUDY.cells().values()
    broken = tiny_broken(folders, kept)
    assert yardstick.main(options(broken)) == 1
    assert f"failed: {kept.digest}, see {log_of(kept, broken, READING)}" in capsys.readouterr().out
    assert "expected" in log_of(kept, broken, READING).read_text()


def tiny_broken(folders, cell):
    """The same folders with another results folder, and weights that are none."""
    (folders.run(cell) / "run").mkdir(parents=True, exist_ok=True)
    (folders.run(cell) / "run" / "last.pt").write_bytes(b"no weights")
    return replace(folders, results=folders.results / "broken")


def test_a_name_that_is_no_study_ends_with_the_names():
    with pytest.raises(ValueError, match=r"got untraned; did you mean untrained\?"):
        yardstick.main(["untraned"])
    with pytest.raises(ValueError, match="jobs: expected at least 1, got 0"):
        yardstick.main(["main", "--jobs", "0"])

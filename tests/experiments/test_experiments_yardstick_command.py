"""The command: which cells it reads, and what it says of those that it cannot."""

from dataclasses import replace

import pytest
import torch
import yardstick
from grid.cell_store import READ
from grid.studies import READABLE
from grid.study import Study
from running.pool import READING, log_of
from running.yardstick import weights_of
from tiny_cells import TINY, tiny_folders

CELLS = TINY | {"weight": 0.0, "steps": 1}
TRAINED = Study("", {"PFENet": CELLS, "gone": CELLS | {"steps": 2}}, {}, seeds=(0,))
UNTRAINED = Study("", {"Untrained cosine": CELLS | {"steps": 0, "host": "Untrained cosine"}}, {}, seeds=(0,))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folders = tiny_folders(tmp_path_factory.mktemp("experiments"))
    # A test counts what is computed.
    (folders.work / "features").unlink()
    return folders


@pytest.fixture(autouse=True)
def tiny_studies(monkeypatch):
    """Scenes few enough for a test are too few for some folds."""
    monkeypatch.setattr("grid.study.FOLDS", (0,))
    monkeypatch.setitem(READABLE, "main", TRAINED)
    monkeypatch.setitem(READABLE, "untrained", UNTRAINED)


def options(folders, *studies):
    return [*studies, "--jobs", "2", "--work", str(folders.work), "--results", str(folders.results)]


def test_finished_cells_are_read_once_and_those_without_weights_are_named(folders, capsys):
    (kept, missing), (cosine,) = TRAINED.cells().values(), UNTRAINED.cells().values()
    file = weights_of(kept, folders)
    file.parent.mkdir(parents=True)
    torch.save(folders.recipe(kept).build_model().state_dict(), file)
    for to_read in (2, 0):
        assert yardstick.main(options(folders, "main", "untrained")) == 1
        said = capsys.readouterr().out
        assert f"{to_read} cells to read" in said
        command = f"python experiments/run.py main --work {folders.work} --results {folders.work / 'again'}"
        assert f"no weights: {missing.digest}; to train it: {command}\n" in said
    line = folders.result(kept, READ)
    assert line["digest"] == kept.digest and line["environment"]["machine"].endswith("1 threads")
    assert folders.result(missing, READ) is None and folders.result(cosine, READ)["answers"] is None
    # The cells' own processes know the real studies alone, none of which has them.
    assert (folders.results / "yardstick" / "other.jsonl").read_text().count("\n") == 2
    assert "5-shot reading" in log_of(kept, folders, READING).read_text()
    # Of the training list nothing is needed.
    assert len(list((folders.work / "features").iterdir())) == 1


def test_a_cell_that_cannot_be_read_is_named_with_its_log(folders, capsys):
    kept, _ = TRAINED.cells().values()
    broken = replace(folders, results=folders.results / "broken")
    file = weights_of(kept, folders)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"no weights")
    assert yardstick.main(options(broken, "main")) == 1
    assert f"failed: {kept.digest}, see {log_of(kept, broken, READING)}" in capsys.readouterr().out
    assert "expected" in log_of(kept, broken, READING).read_text()


def test_a_name_that_is_no_study_ends_with_the_names():
    with pytest.raises(ValueError, match=r"got untraned; did you mean untrained\?"):
        yardstick.main(["untraned"])
    with pytest.raises(ValueError, match="jobs: expected at least 1, got 0"):
        yardstick.main(["main", "--jobs", "0"])

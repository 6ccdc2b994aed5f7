"""The command line: which cells a study's name means, and what is said where something is wrong."""

import pytest
import run
from grid.studies import STUDIES
from grid.study import Study
from tiny_cells import TINY, tiny, tiny_folders

TINY_STUDY = Study("", {"PFENet": TINY | {"weight": 0.0, "steps": 1}}, {}, seeds=(0,))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """With features of their own: a test counts what the command computes."""
    folders = tiny_folders(tmp_path_factory.mktemp("experiments"))
    (folders.work / "features").unlink()
    (folders.work / "features").mkdir()
    return folders


@pytest.fixture
def only_fold_0(monkeypatch):
    """Scenes few enough for a test are too few for some folds."""
    monkeypatch.setattr("grid.study.FOLDS", (0,))
    monkeypatch.setitem(STUDIES, "main", TINY_STUDY)


def options(folders):
    return ["main", "--jobs", "1", "--work", str(folders.work), "--results", str(folders.results)]


def test_a_study_is_run_and_then_left_alone(folders, only_fold_0, capsys):
    (cell,) = TINY_STUDY.cells().values()
    assert run.main(options(folders)) == 0
    assert folders.result(cell) is not None and "1 cells to run" in capsys.readouterr().out
    # The list's features and the evaluation's, computed before the cell was started, which found them.
    assert len(list((folders.work / "features").iterdir())) == 2
    assert "features to cache" not in (folders.run(cell) / "log.txt").read_text()
    assert run.main(options(folders)) == 0 and "0 cells to run" in capsys.readouterr().out


def test_a_failed_cell_is_named_with_its_log(folders, only_fold_0, monkeypatch, capsys):
    broken = TINY | {"weight": 0.0, "optimizer": "sgd", "learning_rate": 1e30}
    monkeypatch.setitem(STUDIES, "main", TINY_STUDY._replace(arms={"broken": broken}))
    (cell,) = STUDIES["main"].cells().values()
    assert run.main(options(folders)) == 1
    assert f"failed: {cell.digest}, see {folders.run(cell) / 'log.txt'}" in capsys.readouterr().out


def test_a_name_that_is_no_study_ends_with_the_names():
    with pytest.raises(ValueError, match=r"got maine; did you mean main\?") as raised:
        run.main(["maine"])
    assert all(name in str(raised.value) for name in STUDIES)
    with pytest.raises(ValueError, match="jobs: expected at least 1, got 0"):
        run.main(["main", "--jobs", "0"])


def test_photographs_that_nobody_named_end_with_a_sentence(folders, monkeypatch):
    monkeypatch.delenv("SELFCONTRAST_VOC", raising=False)
    with pytest.raises(ValueError, match="--data: expected a folder in VOC's layout"):
        run.main(options(folders))


def test_a_variant_that_was_deleted_names_the_commit_that_has_it(folders, only_fold_0, monkeypatch):
    monkeypatch.setitem(STUDIES, "main", TINY_STUDY._replace(arms={"lost": TINY | {"objective": "soft assignment"}}))
    with pytest.raises(ValueError, match=r"oracle, got 'soft assignment', .* in commit [0-9a-f]{7}$"):
        run.main(options(folders))


def test_scenes_of_an_earlier_drawing_name_the_commit_that_drew_them(folders, only_fold_0, monkeypatch):
    monkeypatch.setitem(STUDIES, "main", TINY_STUDY._replace(arms={"earlier": TINY | {"data": "scenes"}}))
    with pytest.raises(ValueError, match=r"or places, got scenes, .* at commit dc34113, whose code drew them$"):
        run.main(options(folders))


def test_no_cell_of_an_earlier_drawing_is_ever_drawn_anew(folders):
    with pytest.raises(ValueError, match="got scenes, an earlier drawing"):
        folders.recipe(tiny(data="scenes"))

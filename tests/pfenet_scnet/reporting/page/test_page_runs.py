import json

import pytest
from page_runs import run
from recipe import Recipe
from reporting.page.runs import labels, read_runs


@pytest.fixture
def folder(tmp_path):
    def write(name, **files):
        path = tmp_path / name
        path.mkdir(parents=True)
        Recipe(data="data/voc", weight=0.25).save(path / "recipe.yaml")
        for file, text in files.items():
            (path / file.replace("_", ".")).write_text(text)
        return path

    return write


def test_a_finished_run_and_one_that_has_only_begun(folder):
    row = json.dumps({"step": 0, "main_loss": 1.5})
    finished = folder("one", result_json='{"miou": 3.0}', metrics_jsonl=f"{row}\n", environment_json='{"torch": "2"}')
    one, other = read_runs([finished, folder("two")])
    assert (one.label, other.label) == ("one", "two") and one.task == "PFENet with SCNet's task, weight 0.25"
    assert one.result == {"miou": 3.0} and one.losses == [{"step": 0, "main_loss": 1.5}] and one.unfinished == ""
    assert one.environment == {"torch": "2"}
    assert other.result is None and other.losses == [] and other.environment == {}
    assert other.unfinished == "two is not finished: it has logged no step yet."


def test_a_run_that_was_stopped_says_where():
    stopped = run("x", losses=[{"step": 0}, {"step": 39}], steps=60)
    assert stopped.unfinished == "x is not finished: its log ends at step 40 of 60, and it has no scores yet."


def test_labels_are_as_long_as_they_must_be(tmp_path):
    assert labels([tmp_path / "a" / "x"]) == ["x"]
    assert labels([tmp_path / "a" / "x", tmp_path / "b" / "x", tmp_path / "b" / "y"]) == ["a/x", "b/x", "b/y"]
    assert labels([tmp_path / "a\u200bb"]) == ["a\\u200bb"]


def test_what_is_no_run_is_refused(folder, tmp_path):
    whole = folder("whole")
    with pytest.raises(FileNotFoundError, match="runs: expected the folder of a run, got nowhere; check the path"):
        read_runs([tmp_path.relative_to(tmp_path) / "nowhere"])
    with pytest.raises(FileNotFoundError, match=r"recipe.yaml: expected the recipe of a run"):
        read_runs([tmp_path])
    with pytest.raises(ValueError, match="runs: expected each run once"):
        read_runs([whole, folder("other"), tmp_path / "other" / ".." / "whole"])
    with pytest.raises(ValueError, match=r"result.json: expected a JSON object, got something else"):
        read_runs([folder("torn", result_json='{"miou": ')])

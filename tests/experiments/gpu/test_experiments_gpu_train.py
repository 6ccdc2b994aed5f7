"""`gpu.sh` runs from end to end with tiny cells, and its trainings go on where they stopped and stop in time."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
import warm_python
from gpu import train
from gpu.arms import ARMS, FOLDS, READINGS, SEEDS, gpu_cell
from packed_scenes import TINY, words

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def on_the_processor(monkeypatch):
    monkeypatch.setenv("SELFCONTRAST_DEVICE", "cpu")


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    """What the rehearsal leaves: pack, photographs, features, checkpoints and results."""
    root = tmp_path_factory.mktemp("rehearsal")
    surroundings = os.environ | {"WORK_OF_REHEARSAL": str(root), "PATH": warm_python.search_path()}
    subprocess.run(["bash", "experiments/gpu.sh", "rehearse"], cwd=ROOT, env=surroundings, check=True)
    return root


@pytest.fixture
def place(rehearsed, tmp_path):
    """A folder of its own with the rehearsal's photographs and features, before any step."""
    (tmp_path / "work").mkdir()
    for folder in [rehearsed / "features", *rehearsed.glob("photographs-*")]:
        (tmp_path / "work" / folder.name).symlink_to(folder)
    return tmp_path


def options(rehearsed, root, *more, arm="SCNet"):
    return words(rehearsed / "pack.zip", root, *more, arm=arm)


def rows(results, arm="SCNet"):
    return [json.loads(line) for line in (results / "gpu" / f"{arm}-seed0.jsonl").read_text().splitlines()]


def figures(found):
    return [{name: one[name] for name in ("digest", "step", "novel", "base", "offset", "loss")} for one in found]


@pytest.mark.parametrize("arm", ARMS)
def test_the_rehearsal_writes_a_line_for_every_cell_at_every_reading(rehearsed, arm):
    found = rows(rehearsed / "results", arm)
    assert [(one["step"], one["cell"]["recipe"]["fold"]) for one in found] == [(2, 0), (2, 1), (4, 0), (4, 1)]
    assert all(one["novel"].keys() == {"own", "other_class", "empty", "own_5"} for one in found)
    assert all(one["base"].keys() == {"own", "other_class"} and one["environment"]["torch"] for one in found)
    assert found[0]["digest"] == found[2]["digest"] != found[1]["digest"]
    assert found[0]["novel"] != found[2]["novel"] != found[3]["novel"]


def test_every_arm_minimises_another_loss(rehearsed):
    lasts = [rows(rehearsed / "results", arm)[-1] for arm in ARMS]
    assert len({one["digest"] for one in lasts}) == len({one["loss"] for one in lasts}) == len(ARMS)


def test_what_was_stopped_goes_on_to_the_same_lines(rehearsed, place, capsys, monkeypatch):
    # After the first reading the second is expected to take longer than there is time.
    monkeypatch.setattr("gpu.readings.Readings.expected_seconds", lambda _, step: 0 if step == 0 else 1e6)
    train.main(options(rehearsed, place, "--minutes", "9"))
    assert "stopped after step 2: the next reading needs 1000000 s" in capsys.readouterr().out
    assert [one["step"] for one in rows(place / "results")] == [2, 2]
    monkeypatch.undo()
    monkeypatch.setenv("SELFCONTRAST_DEVICE", "cpu")
    train.main(options(rehearsed, place))
    assert figures(rows(place / "results")) == figures(rows(rehearsed / "results"))
    monkeypatch.setattr(train, "prepare", lambda *_: pytest.fail("it was trained again"))
    train.main(options(rehearsed, place))
    assert "SCNet-seed0.jsonl: finished" in capsys.readouterr().out


def test_no_step_is_taken_where_no_time_is_left(rehearsed, place, capsys):
    train.main(options(rehearsed, place, "--minutes", "0.0001"))
    assert "stopped after step 0" in capsys.readouterr().out and not (place / "results").exists()


def test_arms_begin_alike_and_see_the_same_episodes(rehearsed, place):
    stacks = []
    for arm in ("PFENet", "SCNet"):
        given = train.parse(options(rehearsed, place, arm=arm))
        stacks.append(train.prepare(arm, train.recipes_of(given, train.cells_of(given)))[0])
    one, other = stacks
    assert all(torch.equal(a, b) for a, b in zip(one.heads.parameters(), other.heads.parameters(), strict=True))
    assert all(torch.equal(value, other.batches[1][name]) for name, value in one.batches[1].items())
    losses = []
    for stack in stacks:
        torch.manual_seed(0)
        losses.append(stack.task(stack.batches[0]).main)
    assert losses[0] == losses[1] > 0


def test_a_loss_that_is_not_finite_ends_the_training(rehearsed, place):
    with pytest.raises(FloatingPointError, match="loss: expected a finite one after step 2, got nan"):
        train.main(options(rehearsed, place, "--settings", broken()))
    assert not (place / "results").exists()


def broken():
    """The rehearsal's settings, with a learning rate that no weight stands."""
    return json.dumps(json.loads(TINY) | {"learning_rate": 1e30, "optimizer": "sgd"})


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--arm", "SCNot"], r"arm: expected one of PFENet, .*, got 'SCNot'; did you mean SCNet\?"),
        (["--readings", "4", "2"], r"readings: expected ascending steps from 1 on, got \[4, 2\]"),
        (["--minutes", "0"], "minutes: expected more than 0, got 0"),
        (["--folds", "4"], "folds: expected 0 to 3, got 4"),
        (["--settings", "size=64"], "--settings: expected a JSON object, got size=64"),
        (["--settings", '{"sise": 64}'], "expected settings that RECIPE names, got sise"),
    ],
)
def test_a_mistake_is_named_before_anything_is_written(tmp_path, more, message):
    with pytest.raises(ValueError, match=message):
        train.main(words(tmp_path / "pack.zip", tmp_path, *more))
    assert not list(tmp_path.iterdir())


def test_an_unknown_stage_is_refused():
    found = subprocess.run(["bash", "experiments/gpu.sh", "rehears"], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 2 and "expected rehearse, features, train SEED" in found.stderr


def test_every_cell_of_the_study_is_another():
    cells = [gpu_cell(arm, fold, seed, READINGS[-1]) for arm in ARMS for fold in FOLDS for seed in SEEDS]
    assert len({one.digest for one in cells}) == len(cells) == 12
    assert {one.recipe["steps"] for one in cells} == {25_000} and {one.recipe["batch"] for one in cells} == {16}

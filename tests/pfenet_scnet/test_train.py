"""The script as a user runs it: real processes, real kills, a real ImageNet backbone on small scenes."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
import warm_python
from drawn_scenes import drawn_scenes
from recipe import load_recipe
from train import train

EXAMPLE = Path(__file__).parents[2] / "examples" / "pfenet_scnet"
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "SELFCONTRAST_VOC"}


@pytest.fixture(scope="module")
def scenes():
    return drawn_scenes()


def command(scenes, out, **options):
    settings = {"data": scenes, "min_pixels": 500, "out": out, "size": 64, "scales": "[4,2]", "channels": 16}
    settings |= {"batch": 2, "steps": 8, "episodes": 2, "checkpoint_every": 2}
    settings |= {"benchmark": "PASCAL-5i", "select": "base", "select_every": 4, "select_episodes": 4} | options
    return [warm_python.python(), EXAMPLE / "train.py", *(f"--{key}={value}" for key, value in settings.items())]


def ended(*arguments, **options):
    return warm_python.run(*command(*arguments, **options)[1:], cwd=os.getcwd(), env=ENVIRONMENT)


def run(*arguments, **options):
    result = ended(*arguments, **options)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def finished(scenes, tmp_path_factory):
    """A baseline and an SCNet run; the second finds the first."""
    folder = tmp_path_factory.mktemp("runs")
    outputs = {
        name: run(scenes, folder / name, weight=weight, baseline=folder / "baseline")
        for name, weight in (("baseline", 0), ("scnet", 0.5))
    }
    return folder, outputs


def state(run_folder):
    return torch.load(run_folder / "checkpoint.pt", weights_only=True)


def rows(run_folder):
    return [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_writes_everything_into_its_folder(finished):
    folder, outputs = finished
    names = {
        "recipe.yaml",
        "environment.json",
        "metrics.jsonl",
        "checkpoint.pt",
        "best.pt",
        "last.pt",
        "selection.jsonl",
        "result.json",
        "curves.png",
        "sheet.png",
    }
    for name, method in (("baseline", "PFENet"), ("scnet", "SCNet")):
        assert {path.name for path in (folder / name).iterdir()} == names
        result = json.loads((folder / name / "result.json").read_text())
        assert 0 <= result["miou"] <= 100 and len(result["class_iou"]) == 5
        assert torch.__version__.startswith(result["environment"]["torch"])
        assert "% of them hide an unlabelled object" in outputs[name] and "mIoU" in outputs[name]
        assert f"1-shot, {method}: mIoU" in outputs[name] and "the paper prints no such cell" in outputs[name]
        assert "  - batch is 2; the paper says 4" in outputs[name]
        assert "batch is 2; the paper says 4" in result["paper"]["departures"] and result["paper"]["method"] == method
    assert "no baseline column" not in outputs["scnet"]


def test_baseline_and_scnet_share_episodes_and_first_weights(finished, scenes, tmp_path):
    folder, _ = finished
    baseline, scnet = (json.loads((folder / name / "result.json").read_text()) for name in ("baseline", "scnet"))
    for key in ("training_episodes_digest", "episodes_digest", "hidden_share_percent"):
        assert baseline[key] == scnet[key]
    first = {name: rows(folder / name)[0] for name in ("baseline", "scnet")}
    # Same weights, episode and dropout: L1 of the first step is the same number.
    assert first["baseline"]["main_loss"] == first["scnet"]["main_loss"]
    assert first["baseline"]["contrast_loss"] is None and first["scnet"]["contrast_loss"] > 0
    assert state(folder / "baseline")["model"].keys() == state(folder / "scnet")["model"].keys()


def test_the_recipe_it_wrote_gives_the_same_run(finished):
    folder, _ = finished
    recipe = load_recipe(folder / "scnet")
    assert recipe.weight == 0.5 and tuple(recipe.scales) == (4, 2) and recipe.out == str(folder / "scnet")


def test_evaluating_the_checkpoint_repeats_the_result(finished):
    folder, _ = finished
    words = [folder / "scnet", "--episodes=2"]
    warm_python.run(EXAMPLE / "evaluate.py", *words, cwd=folder, env=ENVIRONMENT).check_returncode()
    name = "evaluation-scenes-fold2-sequential-64px-ours-1shot-2-seeds1000.json"
    again = json.loads((folder / "scnet" / name).read_text())
    result = json.loads((folder / "scnet" / "result.json").read_text())
    assert {key: result[key] for key in again} == again


def wait_for(path, process):
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_resumes_to_the_very_weights_of_one_never_stopped(finished, scenes, tmp_path, how):
    folder, _ = finished
    out = tmp_path / "stopped"
    options = {"weight": 0.5, "baseline": folder / "baseline"}
    # As in a terminal, the loader's processes get the signal too.
    process = subprocess.Popen(
        command(scenes, out, **options), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, process_group=0,
    )  # fmt: skip
    wait_for(out / "checkpoint.pt", process)
    os.killpg(process.pid, how)
    output, _ = process.communicate(timeout=120)
    stopped = state(out)["step"]
    assert process.returncode == (-signal.SIGKILL if how == signal.SIGKILL else 130)
    assert 2 <= stopped < 8, "it must have been stopped on the way for this test to mean anything"
    assert how == signal.SIGKILL or f"stopped after step {stopped}" in output
    assert f"resumed after step {stopped}" in run(scenes, out, resume="true", **options)
    whole, resumed = state(folder / "scnet"), state(out)
    assert resumed["step"] == whole["step"] == 8
    assert all(torch.equal(value, resumed["model"][key]) for key, value in whole["model"].items())
    assert rows(out) == rows(folder / "scnet")
    selections = [(at / "selection.jsonl").read_text() for at in (out, folder / "scnet")]
    assert selections[0] == selections[1] and selections[0].count("\n") == 2
    for name in ("best.pt", "last.pt"):
        one, other = (torch.load(at / name, weights_only=True) for at in (out, folder / "scnet"))
        assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_cached_features_train_two_arms_from_one_cache_and_say_what_is_missing(scenes, tmp_path):
    options = {"cache_features": "true", "features": tmp_path / "features", "baseline": tmp_path / "baseline"}
    for arm, weight in (("baseline", 0), ("scnet", 0.5)):
        assert "mirroring only" in run(scenes, tmp_path / arm, weight=weight, **options)
        assert json.loads((tmp_path / arm / "result.json").read_text())["augmentation"].startswith("mirroring only")
    assert len(list((tmp_path / "features").iterdir())) == 1
    assert rows(tmp_path / "baseline")[0]["main_loss"] == rows(tmp_path / "scnet")[0]["main_loss"]


def test_a_loss_that_is_not_finite_ends_the_run(scenes, tmp_path):
    result = ended(scenes, tmp_path / "out", weight=0, optimizer="sgd", learning_rate=1e30)
    assert result.returncode != 0 and "lower learning_rate" in result.stderr


def test_a_wrong_option_ends_with_a_sentence(scenes, tmp_path):
    result = ended(scenes, tmp_path / "out", fold=7)
    assert result.returncode != 0 and "fold: expected 0 to 3, got 7" in result.stderr


@pytest.mark.skipif("SELFCONTRAST_VOC" not in os.environ, reason="set SELFCONTRAST_VOC to a VOC tree of photographs")
def test_trains_on_photographs_named_by_the_environment(tmp_path):
    from recipe import Recipe

    recipe = Recipe(out=str(tmp_path), size=64, scales=(4, 2), channels=16, batch=2, steps=2, episodes=2, workers=0)
    assert train(recipe)["training_images"] > 1000

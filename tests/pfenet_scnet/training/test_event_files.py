"""TensorBoard's files are read back with TensorBoard's own reader and compared with the run's logs."""

import json
import math
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import warm_python
from drawn_scenes import drawn_scenes
from PIL import Image
from processes import EXAMPLE, WITHOUT_MODULE
from recipe import Recipe
from run_folder.rows import read_rows
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training.event_files import EventFiles, write_result

NAMES = {"loss/L1": "main_loss", "loss/L2": "contrast_loss", "loss/blended": "loss", "learning_rate": "lr"}
FIGURES = ("judged", "agreement", "empty_regions", "region_1", "region_2", "region_3")


@pytest.fixture(scope="module")
def scenes():
    return drawn_scenes()


@pytest.fixture
def recipe(scenes):
    return Recipe(data=str(scenes), min_pixels=50, size=64, scales=(4, 2), channels=8, steps=30, batch=2)


def read(run, part):
    """Scalars as tag → [(step, value)], and pictures as tag → [(step, width, height)]."""
    found = EventAccumulator(str(run / "tensorboard" / part), size_guidance={"images": 0, "scalars": 0})
    found.Reload()
    scalars = {tag: [(one.step, one.value) for one in found.Scalars(tag)] for tag in found.Tags()["scalars"]}
    pictures = {tag: [(e.step, e.width, e.height) for e in found.Images(tag)] for tag in found.Tags()["images"]}
    return scalars, pictures


def row(step):
    return {"step": step, "lr": 0.5, "loss": 1.0 + step, "main_loss": 2.0, "contrast_loss": None, "agreement": None}


def test_a_row_is_written_under_plain_names_and_what_is_none_is_left_out(recipe, tmp_path):
    events = EventFiles(tmp_path, recipe, 0)
    events.step(row(0) | {"judged": 0.25})
    events.close()
    scalars, _ = read(tmp_path, "training")
    assert scalars == {
        "learning_rate": [(0, 0.5)],
        "loss/blended": [(0, 1.0)],
        "loss/L1": [(0, 2.0)],
        "task/judged": [(0, 0.25)],
    }


def test_a_run_that_goes_on_purges_what_was_written_after_its_checkpoint(recipe, tmp_path):
    model = recipe.build_model().train()
    first = EventFiles(tmp_path, recipe, 0)
    for step in (0, 10, 20):
        first.step(row(step))
    for done in (10, 20):
        first.checkpoint(model, done, {"step": done, "miou": 1.0, "fb_iou": 2.0})
    first.close()
    # Stopped after 20 steps or more, whereas the checkpoint on disk is that of step 10.
    second = EventFiles(tmp_path, recipe, 10)
    second.step(row(10) | {"loss": 7.0})
    second.checkpoint(model, 20, {"step": 20, "miou": 3.0, "fb_iou": 4.0})
    second.close()
    assert read(tmp_path, "training")[0]["loss/blended"] == [(0, 1.0), (10, 7.0)]
    scalars, pictures = read(tmp_path, "checkpoints")
    assert scalars == {"score/miou": [(10, 1.0), (20, 3.0)], "score/fb_iou": [(10, 2.0), (20, 4.0)]}
    assert pictures.keys() == {f"{what}/episode_{n}" for what in ("prediction", "task") for n in (1, 2, 3)}
    assert all([step for step, *_ in found] == [10, 20] for found in pictures.values())
    assert pictures["prediction/episode_1"][0] == (10, 128, 64)
    assert model.training and not model.layer0.training


def test_a_baseline_has_no_pictures_of_the_task(recipe, tmp_path):
    recipe.weight = 0.0
    events = EventFiles(tmp_path, recipe, 0)
    events.checkpoint(recipe.build_model(), 10, None)
    events.close()
    scalars, pictures = read(tmp_path, "checkpoints")
    assert scalars == {} and {tag.partition("/")[0] for tag in pictures} == {"prediction"}


def test_a_result_takes_the_place_of_an_earlier_one(tmp_path):
    Image.new("RGB", (30, 20)).save(tmp_path / "sheet.png")
    write_result(tmp_path, {"steps": 8, "miou": 1.0, "fb_iou": 2.0})
    write_result(tmp_path, {"steps": 8, "miou": 3.0, "fb_iou": 4.0}, tmp_path / "sheet.png")
    scalars, pictures = read(tmp_path, "result")
    assert scalars == {"score/miou": [(8, 3.0)], "score/fb_iou": [(8, 4.0)]} and pictures == {"sheet": [(8, 30, 20)]}


def command(scenes, out, *more):
    settings = {"data": scenes, "min_pixels": 50, "out": out, "size": 64, "scales": "[4,2]", "channels": 8}
    settings |= {"batch": 2, "steps": 24, "episodes": 2, "checkpoint_every": 3, "workers": 0}
    settings |= {"select": "base", "select_every": 12, "select_episodes": 6, "tensorboard": "true"}
    return [warm_python.python(), EXAMPLE / "train.py", *(f"--{key}={value}" for key, value in settings.items()), *more]


def wait_for(path, process):
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)


def test_a_killed_and_resumed_run_has_every_row_of_its_logs_once(scenes, tmp_path):
    process = subprocess.Popen(command(scenes, tmp_path), env=os.environ, stdout=-1, stderr=-1, text=True)
    wait_for(tmp_path / "checkpoint.pt", process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "last.pt").exists(), "it must have been stopped on the way for this test to mean anything"
    resumed = warm_python.run(*command(scenes, tmp_path, "--resume=true")[1:], cwd=tmp_path, env=os.environ)
    assert resumed.returncode == 0 and "resumed after step" in resumed.stdout, resumed.stderr
    logged = read_rows(tmp_path / "metrics.jsonl")
    assert [one["step"] for one in logged] == [0, 10, 20, 23]
    scalars, _ = read(tmp_path, "training")
    for tag, key in (NAMES | {f"task/{name}": name for name in FIGURES}).items():
        assert same(scalars.pop(tag), [(one["step"], one[key]) for one in logged]), tag
    assert not scalars
    candidates = read_rows(tmp_path / "selection.jsonl")
    assert [one["step"] for one in candidates] == [12, 24]
    scalars, pictures = read(tmp_path, "checkpoints")
    for name in ("miou", "fb_iou"):
        assert same(scalars[f"score/{name}"], [(one["step"], one[name]) for one in candidates])
    assert [step for step, *_ in pictures["task/episode_1"]] == list(range(3, 25, 3))
    result = json.loads((tmp_path / "result.json").read_text())
    scalars, pictures = read(tmp_path, "result")
    assert same(scalars["score/miou"] + scalars["score/fb_iou"], [(24, result["miou"]), (24, result["fb_iou"])])
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert pictures == {"sheet": [(24, *sheet.size)]}


def same(found, expected):
    """TensorBoard holds float32."""
    steps = [step for step, _ in found] == [step for step, _ in expected]
    return steps and all(
        math.isclose(*pair, rel_tol=1e-6) for pair in zip(*map(values, (found, expected)), strict=True)
    )


def values(points):
    return [value for _, value in points]


def test_without_the_package_the_run_does_not_begin(tmp_path):
    words = ["-c", WITHOUT_MODULE, "tensorboard", EXAMPLE / "train.py", "--tensorboard", "true"]
    done = warm_python.run(*words, cwd=tmp_path, env=os.environ)
    assert done.returncode == 2 and done.stderr.startswith("train.py: ") and done.stderr.count("\n") == 1
    assert done.stderr.endswith("got none; install it with: pip install tensorboard\n")
    assert not list(tmp_path.iterdir())


def test_a_run_that_does_not_ask_for_it_does_not_import_it(tmp_path):
    code = "import sys, train; print(sorted({'tensorboard', 'torch.utils.tensorboard'} & sys.modules.keys()))"
    done = warm_python.run("-c", code, cwd=EXAMPLE, env=os.environ)
    assert done.stdout == "[]\n", done.stderr
    assert not Path(tmp_path, "tensorboard").exists()

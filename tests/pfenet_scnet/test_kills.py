"""kill -9 at any moment: the same command goes on, and what it leaves at last is that of one never killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from download_trees import square, write_coco
from killed_commands import KilledCommand
from living_processes import alive_after, started_by
from nightly import NIGHTLY, often
from processes import EXAMPLE
from run_folder.rows import read_rows
from voc_tree import write_twenty_classes

# What a run does, in the order in which it does it; `bytes` is in the middle of a checkpoint.
MOMENTS = [
    {"event": "os.rename", "name": "*/masks/*.json"},
    {"event": "os.rename", "name": "*/manifest.json"},
    {"event": "os.rename", "name": "*/checkpoint.pt", "turn": 2},
    {"bytes": 1_000_000},
    {"event": "os.rename", "name": "*/last.pt"},
]
ALL_MOMENTS = [
    *MOMENTS[:1],
    {"event": "open", "name": "*/mid.npy"},
    *MOMENTS[1:2],
    {"event": "os.rename", "name": "*/recipe.yaml"},
    {"event": "open", "name": "*/metrics.jsonl"},
    {"event": "os.rename", "name": "*/best.pt"},
    {"event": "open", "name": "*/selection.jsonl"},
    *MOMENTS[2:],
    {"event": "os.rename", "name": "*/result.json"},
    {"event": "os.rename", "name": "*/sheet.png"},
]
SAME = ("metrics.jsonl", "selection.jsonl", "curves.png", "sheet.png")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """VOC's twenty classes."""
    work = tmp_path_factory.mktemp("work")
    write_twenty_classes(work / "voc", train=2, val=2)
    return work


@pytest.fixture(scope="module")
def train(work):
    return KilledCommand("train", work)


def words(work, name, **options):
    """Every run is called `run`, as it is in its pictures."""
    settings = {"data": work / "voc", "min_pixels": 50, "size": 64, "scales": "[4,2]", "channels": 16, "batch": 2}
    settings |= {"steps": 8, "checkpoint_every": 2, "episodes": 2, "workers": 1, "resume": "true"}
    settings |= {"select": "novel", "select_every": 4, "select_episodes": 4, "out": work / name / "run"} | options
    return [f"--{key}={value}" for key, value in settings.items()]


def finish(train, work, name, cache="cache", **options):
    """The same command, until its end."""
    done = train(*words(work, name, **options), cache=cache)
    assert done.status == 0, done.err
    return work / name / "run"


@pytest.fixture(scope="module")
def whole(work, train):
    return finish(train, work, "whole")


def assert_same_run(found, expected):
    """The very weights, lines and pictures, and no other file beside them."""
    assert {path.name for path in found.iterdir()} == {path.name for path in expected.iterdir()}
    for name in SAME:
        assert (found / name).read_bytes() == (expected / name).read_bytes(), name
    for name in ("best.pt", "last.pt", "checkpoint.pt"):
        one, other = (torch.load(run / name, weights_only=True) for run in (found, expected))
        assert_same(one, other)
    one, other = (json.loads((run / "result.json").read_text()) for run in (found, expected))
    assert one | {"training_seconds": 0} == other | {"training_seconds": 0}


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            assert_same(first, second)
    else:
        assert one == other


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_training_killed_while_it_writes_ends_as_one_never_killed(work, train):
    options = {name: {"cache_features": "true", "features": work / f"{name}-features"} for name in ("killed", "spared")}
    for moment in ALL_MOMENTS if NIGHTLY else MOMENTS:
        killed = train(*words(work, "killed", **options["killed"]), cache="killed-counts", **moment)
        assert killed.status == (-signal.SIGXFSZ if "bytes" in moment else -signal.SIGKILL), (moment, killed.err)
    found, expected = (finish(train, work, name, f"{name}-counts", **options[name]) for name in options)
    assert_same_run(found, expected)
    # What a killed run computed of the cache beside the whole one goes after a day.
    kept = [files(one) for name in options for one in (work / f"{name}-features").glob("[!u]*")]
    assert len(kept) == 2 and kept[0] == kept[1]


def test_a_training_killed_at_any_time_ends_as_one_never_killed(work, train, whole, tmp_path):
    """In processes as a user starts them; those of every day die while they import."""
    draws, kills, runs, seconds = random.Random(0), 0, 0, 0.8
    if NIGHTLY:
        started = time.monotonic()
        subprocess.run(**process_of(words(work, "timed"), tmp_path / "timed"), check=True)
        seconds = time.monotonic() - started
    while kills < often(1, 20):
        try:
            name = f"killed{runs}"
            subprocess.run(
                **process_of(words(work, name), tmp_path / name), timeout=draws.uniform(0, seconds), check=True
            )
            runs += 1
        except subprocess.TimeoutExpired:
            kills += 1
    for run in range(runs + 1):
        assert_same_run(finish(train, work, f"killed{run}"), whole)


def process_of(words, cache):
    """What `subprocess` is to run; at a timeout it kills."""
    settings = {key: value for key, value in os.environ.items() if key != "SELFCONTRAST_VOC"}
    settings |= {"SELFCONTRAST_CACHE": str(cache)}
    return {"args": [sys.executable, EXAMPLE / "train.py", *words], "env": settings, "stderr": subprocess.DEVNULL}


def test_a_loader_that_is_killed_ends_a_training_with_one_line_and_it_goes_on(work, train, whole):
    ended = train(*words(work, "loaded"), event="open", name="*.jpg", turn=9, whom="started")
    assert ended.status == 2 and "Traceback" not in ended.err
    said = ended.err.replace("\r", "\n").strip().splitlines()[-1]
    assert said.startswith("train.py: workers: expected the processes that load pictures to live, got one that died")
    assert said.endswith("a training goes on with --resume true")
    assert_same_run(finish(train, work, "loaded"), whole)


def test_a_rank_that_is_killed_ends_the_other_with_one_line(work, train):
    started = time.monotonic()
    # Each rank looks at all 80 pictures before the first step, and then reads two a step.
    options = words(work, "ranks", workers=0, select="last")
    ended = train(*options, ranks=2, event="open", name="*.jpg", turn=90, whom="itself")
    assert time.monotonic() - started < 60
    assert ended.status == 2, ended.err[-1500:]
    assert "torchrun: expected every process of the training to live" in ended.err
    assert "Traceback" not in ended.err
    assert torch.load(work / "ranks/run/checkpoint.pt", weights_only=True)["step"] == 4


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="Linux tells there which processes were started")
def test_all_that_torchrun_started_ends_when_it_is_killed(work, tmp_path):
    options = process_of(words(work, "launched", steps=300, select="last"), tmp_path)
    options["args"][1:1] = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    launcher = subprocess.Popen(**options, stdout=subprocess.DEVNULL)
    while not read_rows(work / "launched/run/metrics.jsonl"):
        assert launcher.poll() is None
        time.sleep(0.05)
    started = started_by(launcher.pid)
    launcher.kill()
    launcher.wait()
    assert len(started) >= 4, "two ranks with a loader each"
    survived = alive_after(30, started)
    for process in survived:
        os.kill(process, signal.SIGKILL)
    assert not survived


@pytest.fixture(scope="module")
def prepare(tmp_path_factory):
    return KilledCommand("prepare", tmp_path_factory.mktemp("prepare"))


PREPARING = [
    {"event": "os.rename", "name": "*/classes.txt"},
    {"event": "os.symlink", "name": "*"},
    {"event": "open", "name": "*/.*.png.*", "turn": 2},
    {"event": "os.rename", "name": "*/*.png", "turn": 3},
    {"event": "os.rename", "name": "*/train.txt"},
    {"event": "os.rename", "name": "*/val.txt"},
]


def test_a_preparation_killed_at_any_moment_ends_with_the_bytes_of_one_never_killed(prepare, tmp_path):
    one = {"category_id": 1, "segmentation": square(3, 3, 20), "area": 400}
    coco = write_coco(tmp_path / "coco", {"train": [[one]] * 12, "val": [[one]] * 6})
    for moment in PREPARING:
        killed = prepare("coco", f"--coco={coco}", f"--out={tmp_path / 'killed'}", **moment)
        assert killed.status == -signal.SIGKILL, (moment, killed.err)
    draws = random.Random(0)
    for _ in range(often(0, 20)):
        turn = draws.randint(1, 9)
        prepare("coco", f"--coco={coco}", f"--out={tmp_path / 'killed'}", event="os.rename", name="*", turn=turn)
    for out in ("killed", "whole"):
        done = prepare("coco", f"--coco={coco}", f"--out={tmp_path / out}")
        assert done.status == 0, done.err
    assert files(tmp_path / "killed") == files(tmp_path / "whole") and len(files(tmp_path / "whole")) == 12 + 6 + 3

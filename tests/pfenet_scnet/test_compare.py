"""The command as a user types it: both runs, the table, the files; what is there is taken and never mixed."""

import json
import os
import signal
import subprocess
import time
from functools import partial

import pytest
import torch
import warm_python
from compare import asked, main
from forked_commands import ForkedCommand
from PIL import Image
from processes import EXAMPLE, SHORT, carried_out
from voc_tree import write_twenty_classes

NAME = "runs/voc-efficientnet_lite0-fold2-keep-4steps-seed"
SCNET = "scnet-weight0.5-n3-neutral"


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """VOC's twenty classes, and where the runs go."""
    work = tmp_path_factory.mktemp("work")
    write_twenty_classes(work / "voc", train=2, val=3)
    return work


@pytest.fixture(scope="module")
def compare(work):
    return partial(ForkedCommand("compare", work), "--data", "voc", *SHORT)


@pytest.fixture(scope="module")
def finished(work, compare):
    done = compare()
    assert done.status == 0, done.err
    return done


def weights(run):
    return torch.load(run / "last.pt", weights_only=True)


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(done):
    line = done.err.strip().splitlines()[-1]
    assert done.status == 2 and line.startswith("compare.py: "), done.err
    return line


def test_a_run_is_that_of_train(work, finished):
    # The second run of a process is the one that the first could disturb.
    carried_out("train", "--data", "voc", *SHORT, "--out", "alone", cwd=work)
    ours, alone = work / f"{NAME}0" / SCNET, work / "alone"
    assert equal(weights(ours), weights(alone)) and not equal(weights(ours), weights(ours.parent / "baseline"))
    results = [json.loads((run / "result.json").read_text()) for run in (ours, alone)]
    assert results[0].keys() == results[1].keys()
    for key in results[0].keys() - {"training_seconds", "environment"}:
        assert results[0][key] == results[1][key], key


def test_the_comparison_says_what_both_results_say(work, finished):
    folder = work / f"{NAME}0" / f"comparison-{SCNET}"
    assert {path.name for path in folder.iterdir()} == {"comparison.json", "comparison.png"}
    found = json.loads((folder / "comparison.json").read_text())
    ((one),) = found["seeds"]
    for arm, name in (("baseline", "baseline"), ("scnet", SCNET)):
        result = json.loads((work / f"{NAME}0" / name / "result.json").read_text())
        assert {key: one[arm][key] for key in ("miou", "fb_iou", "class_iou")} == {
            key: result[key] for key in ("miou", "fb_iou", "class_iou")
        }
        assert result["episodes_digest"] == found["episodes_digest"]
    assert one["difference"]["miou"] == one["scnet"]["miou"] - one["baseline"]["miou"]
    assert found["difference"]["miou"]["low"] is None and found["environment"]["torch"]
    assert all(sentence in finished.out for sentence in found["worth"]) and "One seed proves nothing" in finished.out
    assert f"{one['baseline']['fb_iou']:.1f}" in finished.out and "baseline    SCNet   difference" in finished.out
    assert "training the baseline" in finished.err and "training SCNet" in finished.err
    with Image.open(folder / "comparison.png") as sheet:
        # One episode; at 100 dots an inch it would be 1,000 wide.
        assert sheet.width == 1500 and 300 < sheet.height < 450


def test_a_finished_run_is_taken_and_only_new_seeds_are_trained(work, compare, finished):
    before = content(work / f"{NAME}0")
    done = compare("--seeds", "0", "1")
    assert done.status == 0, done.err
    assert done.out.count("is not trained again") == 2 and done.out.count("trained in runs/") == 2
    assert content(work / f"{NAME}0") == before
    folder = work / f"{NAME}s0-1" / f"comparison-{SCNET}"
    assert {path.name for path in folder.iterdir()} == {"comparison.json", "comparison.png", "seeds.png"}
    found = json.loads((folder / "comparison.json").read_text())
    differences = [one["difference"]["fb_iou"] for one in found["seeds"]]
    assert found["difference"]["fb_iou"]["mean"] == pytest.approx(sum(differences) / 2)
    assert "Over 2 seeds SCNet's mIoU" in done.out


def test_another_recipe_and_a_run_that_stopped_are_refused_before_anything_is_trained(work, compare, finished):
    before = content(work)
    assert "learning_rate 0.5 (saved: 0.003)" in refused(compare("--learning_rate", "0.5"))
    assert "seed1" not in refused(compare("--seeds", "2", "0", "--optimizer", "sgd"))
    assert content(work).keys() - before.keys() <= {work / ".out", work / ".err"}
    (work / "runs/stopped/scnet-seed0").mkdir(parents=True)
    (work / "runs/stopped/scnet-seed0/metrics.jsonl").touch()
    assert "holds metrics.jsonl but no recipe.yaml" in refused(compare("--out", "runs/stopped"))
    assert not (work / "runs/stopped/baseline-seed0").exists()


def test_ctrl_c_says_how_to_go_on_and_the_rest_is_that_of_a_comparison_never_stopped(work, compare, finished):
    words = ["--checkpoint_every", "1", "--steps", "12", "--out"]
    options = ["--data", "voc", *SHORT, *words, "stopped"]
    settings = {key: value for key, value in os.environ.items() if key != "SELFCONTRAST_VOC"}
    process = subprocess.Popen(
        [warm_python.python(), EXAMPLE / "compare.py", *options], cwd=work, env=settings, text=True,
        process_group=0, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (work / "stopped/scnet-seed0/checkpoint.pt").exists():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130 and "add --resume true to go on" in output
    baseline = (work / "stopped/baseline-seed0/last.pt").stat().st_mtime_ns
    again = compare(*words, "stopped", "--resume", "true").out
    assert "is not trained again" in again and "resumed after step" in again
    assert (work / "stopped/baseline-seed0/last.pt").stat().st_mtime_ns == baseline
    carried_out("train", "--data", "voc", *SHORT, *words, "whole", cwd=work)
    assert equal(weights(work / "stopped/scnet-seed0"), weights(work / "whole"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--weight", "0"], "weight: expected more than 0, got 0"),
        (["--seeds", "1", "1"], "seeds: expected each seed once"),
        (["--seeds", "-1"], "seeds: expected at least 0, got -1"),
        (["--seeds", "1", "--seed", "2"], "seed: expected none beside --seeds"),
        (["--seeds", "1", "2", "--baseline", "x"], "baseline: expected none beside 2 seeds"),
    ],
)
def test_what_leaves_nothing_to_compare_is_refused(words, sentence):
    with pytest.raises(ValueError, match=sentence):
        asked(words)


def test_many_processes_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="torchrun: expected one process, got 2"):
        main([])
    assert not list(tmp_path.iterdir())


def test_drawn_scenes_have_a_recipe_of_their_own(monkeypatch):
    monkeypatch.delenv("SELFCONTRAST_VOC", raising=False)
    assert asked([])[0].cache_features and asked(["--steps", "3"])[0].steps == 3
    assert not asked(["--data", "x"])[0].cache_features
    assert asked(["--recipe", "voc_small"])[0].steps == 1200
    monkeypatch.setenv("SELFCONTRAST_VOC", "x")
    assert not asked([])[0].cache_features

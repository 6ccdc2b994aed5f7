"""A saved run is never emptied, never mixed with another, and never scored as what it is not."""

import json
import os
import shutil

import pytest
import torch
from processes import SHORT, carried_out, refused
from voc_tree import write_twenty_classes


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """VOC's twenty classes, and a finished run of fold 2 beside them."""
    work = tmp_path_factory.mktemp("work")
    write_twenty_classes(work / "voc", train=2, val=3)
    train(carried_out, work)
    shutil.copytree(work / "run", work / "whole")
    return work


def train(how, work, *words):
    options = [*SHORT, "--checkpoint_every", "2", "--select", "novel", "--select_every", "2"]
    return how("train", "--data", "voc", *options, "--out", "run", *words, cwd=work)


@pytest.fixture
def run(work):
    shutil.rmtree(work / "run")
    shutil.copytree(work / "whole", work / "run")
    return work / "run"


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "out: expected a new folder, got run, which holds a run; add --resume true"),
        (("--micro_batch", "3"), "batch: expected a multiple of processes x micro_batch"),
        (("--resume", "true", "--backbone_weights", "none.pth"), "(saved: imagenet)"),
    ],
)
def test_the_same_command_again_touches_nothing(work, run, words, sentence):
    before = content(run)
    assert sentence in train(refused, work, *words)
    assert content(run) == before


@pytest.mark.parametrize("left", ["checkpoint.pt", "metrics.jsonl"])
def test_what_is_left_of_a_run_is_not_emptied_either(work, run, left):
    for path in run.iterdir():
        if path.name != left:
            path.unlink()
    before = content(run)
    for resume in ("false", "true"):
        assert f"which holds {left} but no recipe.yaml" in train(refused, work, "--resume", resume)
    assert content(run) == before


@pytest.mark.parametrize(
    ("option", "saved"),
    [
        ("fold 1", "2"),
        ("weight 0.25", "0.5"),
        ("steps 2", "4"),
        ("learning_rate 0.5", "0.003"),
        ("scales [8,4]", "[4, 2]"),
        ("novel_classes 1,2 --fold null", "None"),
        ("episodes 5", "1"),
    ],
)
def test_another_option_is_not_gone_on_with(work, run, option, saved):
    before = content(run)
    said = train(refused, work, "--resume", "true", *f"--{option}".split())
    assert option.split()[0] in said and f"(saved: {saved})" in said
    assert content(run) == before


def test_two_differing_options_are_both_named(work, run):
    said = train(refused, work, "--resume", "true", "--seed", "7", "--optimizer", "sgd")
    assert "optimizer sgd (saved: adamw), seed 7 (saved: 0)" in said


def test_an_option_that_changes_no_result_may_differ(work, run):
    weights = torch.load(run / "last.pt", weights_only=True)
    (run / "checkpoint.pt").unlink()
    train(carried_out, work, "--resume", "true", "--workers", "1", "--checkpoint_every", "3", "--data", work / "voc")
    again = torch.load(run / "last.pt", weights_only=True)
    assert all(torch.equal(value, again[name]) for name, value in weights.items())


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("fold 1", "fold 1 (saved: 2)"),
        ("split interleaved", "split interleaved (saved: sequential)"),
        ("weight 0", "weight 0 (saved: 0.5)"),
        ("scales [8,4]", "scales [8, 4] (saved: [4, 2])"),
    ],
)
def test_weights_are_not_scored_as_what_they_are_not(work, run, option, sentence):
    before = content(run)
    assert sentence in refused("evaluate", "run", *f"--{option}".split(), cwd=work)
    assert content(run) == before


def test_evaluations_stand_side_by_side_and_say_what_they_are_of(work, run):
    other = shutil.copytree(work / "voc", work / "other", dirs_exist_ok=True)
    carried_out("evaluate", "run", cwd=work)
    carried_out("evaluate", "run", "--size", "96", cwd=work)
    carried_out("evaluate", "run", "--data", other, "--novel_classes", "cat", "--fold", "null", cwd=work)
    found = {path.name: json.loads(path.read_text()) for path in run.glob("evaluation-*.json")}
    assert sorted(found) == [
        "evaluation-other-novel-cat-sequential-64px-ours-1shot-1-seeds1000.json",
        "evaluation-voc-fold2-sequential-64px-ours-1shot-1-seeds1000.json",
        "evaluation-voc-fold2-sequential-96px-ours-1shot-1-seeds1000.json",
    ]
    for name, result in found.items():
        assert result["held_out"] in name and f"{result['size']}px" in name and result["split"] == "sequential"
    assert json.loads((run / "result.json").read_text())["held_out"] == "fold2"


def test_the_checkpoint_of_another_run_is_not_gone_on_with(work, run):
    other = work / "baseline"
    carried_out("train", "--data", "voc", *SHORT, "--weight", "0", "--out", other, cwd=work)
    shutil.copy(run / "checkpoint.pt", other / "checkpoint.pt")
    (other / ".checkpoint.pt.1.unfinished").touch()
    before = content(other)
    said = refused("train", "--data", "voc", *SHORT, "--weight", "0", "--out", other, "--resume", "true", cwd=work)
    assert "checkpoint.pt: expected the options of the saved run, got weight 0 (saved: 0.5)" in said
    assert content(other) == before


def test_a_list_that_changed_is_not_gone_on_with(work, run, tmp_path):
    listed = work / "voc/ImageSets/Segmentation/train.txt"
    lines = listed.read_text()
    listed.write_text("\n".join(reversed(lines.split())))
    try:
        assert "the data changed since: name another folder" in train(refused, work, "--resume", "true")
    finally:
        listed.write_text(lines)
    (run / ".checkpoint.pt.1.unfinished").touch()
    train(carried_out, work, "--resume", "true")
    assert not list(run.glob(".*")), "what a killed process left is gone"


@pytest.mark.parametrize("name", ["metrics.jsonl", "selection.jsonl"])
def test_a_torn_log_does_not_stop_a_whole_run(work, run, name):
    (run / name).write_bytes((run / name).read_bytes()[:-9])
    checkpoint = torch.load(run / "checkpoint.pt", weights_only=True)
    torch.save(checkpoint | {"step": 2}, run / "checkpoint.pt")
    assert "resumed after step 2" in train(carried_out, work, "--resume", "true")
    assert all(json.loads(line) for line in (run / name).read_text().splitlines())


def test_a_log_damaged_in_the_middle_is_named(work, run):
    rows = (run / "metrics.jsonl").read_text().splitlines()
    (run / "metrics.jsonl").write_text("\n".join(["{", *rows]) + "\n")
    assert "metrics.jsonl: expected a JSON object in line 1" in train(refused, work, "--resume", "true")


@pytest.mark.parametrize(
    ("command", "name", "damage", "sentence"),
    [
        ("train", "checkpoint.pt", lambda old: old[:5000], "copy it again, or delete it to begin the run anew"),
        ("train", "recipe.yaml", lambda old: old[:200], "recipe.yaml: expected every option of a recipe"),
        (
            "evaluate",
            "best.pt",
            lambda old: old[:5000],
            "best.pt: expected a checkpoint of tensors, got a damaged file",
        ),
        ("evaluate", "best.pt", lambda old: b"", "got an empty file"),
        ("evaluate", "best.pt", lambda old: os.urandom(999), "best.pt: expected a checkpoint of tensors"),
        ("evaluate", "recipe.yaml", lambda old: old[:200], "recipe.yaml: expected every option of a recipe"),
        ("evaluate", "recipe.yaml", lambda old: b"", "recipe.yaml: expected every option of a recipe"),
    ],
)
def test_a_damaged_file_is_named_with_a_way_out(work, run, command, name, damage, sentence):
    (run / name).write_bytes(damage((run / name).read_bytes()))
    said = train(refused, work, "--resume", "true") if command == "train" else refused(command, "run", cwd=work)
    assert sentence in said and "weights_only" not in said


def test_a_run_without_its_selected_weights_says_what_it_evaluates(work, run):
    (run / "best.pt").unlink()
    assert "run has no best.pt; the weights are those of last.pt" in carried_out("evaluate", "run", cwd=work)
    for name in ("last.pt", "checkpoint.pt"):
        (run / name).unlink()
    assert "none of best.pt, last.pt, checkpoint.pt; train first" in refused("evaluate", "run", cwd=work)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--channels", "8"), "among them; name the recipe it was trained with"),
        (("--backbone", "vgg16_bn"), "name the recipe it was trained with by --recipe, its backbone included"),
    ],
)
def test_weights_of_another_model_are_refused(work, run, words, sentence):
    published = shutil.copy(run / "last.pt", work / "published.pth")
    said = refused("evaluate", published, "--data", "voc", *SHORT, *words, cwd=work)
    assert sentence in said


def test_a_published_file_needs_neither_network_nor_pretrained_weights(work):
    """Every address is refused: the proxy is a port that nobody listens on."""
    torch.save({"state_dict": {"layer0.0.weight": torch.zeros(1)}}, work / "resnet.pth")
    nowhere = {
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
        "TORCH_HOME": str(work / "none"),
    }
    words = ["--recipe", "pascal_resnet50", "--data", "voc", "--min_pixels", "50", "--episodes", "4"]
    said = refused("evaluate", "resnet.pth", *words, cwd=work, **nowhere)
    assert "resnet.pth: expected the" in said and "tensors of this model" in said, "the file was read, nothing else"
    said = refused("train", *words, "--out", "never", "--steps", "4", "--epochs", "null", cwd=work, **nowhere)
    assert "name it by --backbone_weights FILE" in said and not (work / "never").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--shot", "9"), "class 11 (diningtable): expected at least 10 images"),
        (("--select", "base", "--select_episodes", "0"), "select_episodes: expected at least 1"),
        (("--fold", "4"), "fold: expected 0 to 3, got 4"),
    ],
)
def test_what_evaluation_needs_is_looked_at_before_the_first_step(work, words, sentence):
    assert sentence in refused("train", "--data", "voc", *SHORT, *words, "--out", "late", cwd=work)
    assert not (work / "late").exists()


def test_no_list_for_evaluation_is_said_before_the_first_step(work, tmp_path):
    write_twenty_classes(tmp_path / "voc", train=2)
    said = refused("train", "--data", "voc", *SHORT, "--out", "late", cwd=tmp_path)
    assert "val.txt, got none" in said and not (tmp_path / "late").exists()

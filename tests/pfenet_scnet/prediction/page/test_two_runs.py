"""Which baseline stands beside a run, and what the page says where there is none, or an unlike one."""

import shlex
from dataclasses import replace

import pytest
import torch
from model.backbones import build_backbone
from prediction.page.two_runs import load_runs
from recipe import Recipe, load_recipe, recipe_of
from training.checkpoint import save_weights


@pytest.fixture(scope="module")
def backbone():
    return build_backbone("efficientnet_lite0")


@pytest.fixture
def saved(tmp_path, backbone):
    """Save an untrained run."""

    def save(name, seed=0, **options):
        torch.manual_seed(seed)
        recipe = Recipe(size=64, channels=16, scales=(4, 2), baseline=str(tmp_path / "baseline"), **options)
        recipe.save(tmp_path / name / "recipe.yaml")
        save_weights(tmp_path / name / "last.pt", recipe.model_on(backbone))
        return tmp_path / name

    return save


def load(run, baseline=None, *words):
    return load_runs(run, recipe_of(run, list(words)), baseline, words)


def weights(model):
    return model.cls[3].weight


def test_the_recipes_baseline_stands_first_with_its_own_weights(saved):
    baseline, run = saved("baseline", seed=1, weight=0.0, num_prototypes=1, prior="keep"), saved("run", seed=2)
    runs = load(run)
    assert list(runs.models) == ["Baseline", "SCNet"] and runs.command is None
    assert not any(model.training for model in runs.models.values())
    for name, folder in (("Baseline", baseline), ("SCNet", run)):
        alone = load_recipe(folder).model_on(build_backbone("efficientnet_lite0"))
        alone.load_state_dict(torch.load(folder / "last.pt", weights_only=True))
        assert torch.equal(weights(runs.models[name]), weights(alone))
    assert runs.notes == [f"SCNet: {run}. Baseline: {baseline}."], "they differ in the task alone"
    assert load(run, None, "--size", "96").notes == runs.notes, "how they are shown is no difference"


def test_a_baseline_that_was_named_comes_before_the_recipes(saved):
    saved("baseline", seed=1, weight=0.0)
    other = saved("other", seed=3, weight=0.0, steps=77)
    runs = load(saved("run", seed=2), other)
    assert runs.notes[0].endswith(f"Baseline: {other}.")
    assert runs.notes[1:] == ["They differ in more than SCNet's task, and so may what they find: steps (77 and 200)."]


def test_a_file_of_weights_without_recipe_is_read_by_the_runs(saved, tmp_path):
    run = saved("run", seed=2)
    file = tmp_path / "published.pth"
    file.write_bytes((saved("baseline", seed=1, weight=0.0) / "last.pt").read_bytes())
    runs = load(run, file)
    assert runs.notes == [f"SCNet: {run}. Baseline: {file}."]
    assert not torch.equal(weights(runs.models["Baseline"]), weights(runs.models["SCNet"]))


def test_without_a_baseline_the_command_that_trains_one_is_named(saved, tmp_path):
    run = saved("run")
    runs = load(run, None, "--size", "96")
    assert list(runs.models) == ["SCNet"] and f"{tmp_path / 'baseline'} holds no run" in runs.notes[0]
    words = shlex.split(runs.command)
    assert words[0] == "python" and words[1].endswith("examples/pfenet_scnet/train.py")
    assert words[2:] == ["--recipe", f"{run}/recipe.yaml", "--weight", "0", "--out", f"{tmp_path}/baseline"]


def test_a_published_file_is_compared_with_what_its_own_words_train(saved, tmp_path):
    file = tmp_path / "published.pth"
    file.write_bytes((saved("run") / "last.pt").read_bytes())
    words = ("--channels", "16", "--scales", "[4,2]", "--size", "64")
    runs = load(file, None, *words)
    assert shlex.split(runs.command)[2:] == [*words, "--weight", "0", "--out", "runs/baseline"]


def test_a_baseline_itself_is_shown_alone(saved):
    run = saved("run", weight=0.0)
    runs = load(run)
    assert list(runs.models) == ["Baseline"] and "is itself a baseline" in runs.notes[0] and runs.command is None
    with pytest.raises(ValueError, match="baseline: expected none beside"):
        load(run, saved("baseline", weight=0.0))


def test_a_wrong_baseline_is_refused(saved, tmp_path):
    run = saved("run")
    with pytest.raises(ValueError, match=r"baseline: expected a run of weight 0, got .*other of weight 0.5; train one"):
        load(run, saved("other"))
    with pytest.raises(
        FileNotFoundError, match=r"baseline: expected a run's folder or a file of weights, got .*nowhere"
    ):
        load(run, tmp_path / "nowhere")


def test_paths_written_in_two_ways_are_the_same_data(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved("baseline", weight=0.0, data=str(tmp_path / "voc"))
    run = saved("run", data="voc")
    assert len(load(run).notes) == 1
    replace(load_recipe(run), fold=1).save(run / "recipe.yaml")
    assert load(run).notes[1].endswith("what they find: fold (2 and 1).")

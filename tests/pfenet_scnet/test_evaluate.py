"""The shared-feature evaluation against one episode at a time, and against what can be counted by hand."""

import json

import pytest
import torch
from common.one_at_a_time import evaluate_one_at_a_time
from evaluate import asked, main
from evaluation.evaluator import evaluate, evaluate_seeds
from evaluation.protocols import PROTOCOLS
from model.backbones import build_backbone
from model.pfenet import PFENet
from processes import carried_out
from recipe import Recipe
from tiny_backbone import tiny_model
from voc_tree import mask_with, write_voc


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Every class of fold 0 in three images at least, some together, in both orientations."""
    masks = [mask_with(1 + i % 5, 1 + (i + 2) % 5, size=(40, 60) if i % 2 else (70, 50)) for i in range(10)]
    return write_voc(tmp_path_factory.mktemp("voc"), masks, split="val")


@pytest.fixture
def recipe(data):
    return Recipe(data=str(data), fold=0, size=48, batch=4, episodes=40, min_pixels=100, workers=0)


@pytest.fixture
def model():
    """Untrained, and hard: each cell of the last grid is foreground or background by far, about half of them each.

    Soft logits cross 0 so near to some of 150,000 pixels that the order of a sum would decide them.
    """
    model = tiny_model()
    pictures, masks = torch.rand(8, 1, 3, 48, 48), torch.ones(8, 1, 48, 48)
    with torch.no_grad():
        logits = model(pictures[:, 0], pictures, masks)
        model.cls[3].bias[0] += (logits[:, 1] - logits[:, 0]).median()
    # Unlike amounts: halfway between equal ones a pixel would be a tie again.
    levels = torch.tensor([[1.0, 0.0], [0.0, 1.618]])
    model.cls.register_forward_hook(lambda _module, _inputs, logits: levels[logits.argmax(1)].movedim(-1, 1))
    return model


def comparable(evaluation):
    """Tensors are not equal or unequal as a whole, but lists are."""
    return evaluation._replace(by_episode=[(one.episode, one.pixels.tolist()) for one in evaluation.by_episode])


@pytest.mark.parametrize("shot", [1, 3])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_scores_are_those_of_one_episode_at_a_time(model, recipe, protocol, shot):
    recipe.protocol, recipe.shot = protocol, shot
    images = recipe.evaluation_images()
    scores = evaluate(model, recipe, images).scores
    expected = evaluate_one_at_a_time(model, recipe, images)
    assert scores == expected
    assert 0 < scores.miou < 100


def test_little_memory_changes_nothing_but_the_number_of_passes(model, recipe):
    images, passes = recipe.evaluation_images(), []
    model.layer0.register_forward_pre_hook(lambda _module, _inputs: passes.append(1))
    expected, ample = evaluate(model, recipe, images), len(passes)
    recipe.evaluation_memory = 1e-4
    assert comparable(evaluate(model, recipe, images)) == comparable(expected)
    # One pass each measures how much an image takes.
    assert ample == 1 + 10 and len(passes) - ample > 1 + 10


def test_seeds_share_features_and_each_has_its_own_scores(model, recipe):
    images, passes = recipe.evaluation_images(), []
    model.layer0.register_forward_pre_hook(lambda _module, _inputs: passes.append(1))
    together = evaluate_seeds(model, recipe, images, [1, 2, 3])
    assert len(passes) == 1 + 10
    recipe.evaluation_seed = 2
    assert comparable(evaluate(model, recipe, images)) == comparable(together[1])
    assert len({evaluation.digest for evaluation in together}) == 3


@pytest.mark.parametrize(
    ("protocol", "labelled", "foreground"),
    # The mask is 40 x 60 with a block of 10 x 10, its last column unlabelled.
    # HSNet squashes it to 60 x 60: rows 10..19 of 40 become 15 rows of 60.
    [("ours", 40 * 59, 100), ("pfenet", 40 * 59, 100), ("bam", 40 * 59, 100), ("hsnet", 60 * 59, 150)],
)
def test_truths_have_the_size_that_the_protocol_says(tmp_path, model, protocol, labelled, foreground):
    data = write_voc(tmp_path, [mask_with(c) for c in (1, 2, 3, 4, 5)] * 2, split="val")
    recipe = Recipe(data=str(data), fold=0, size=60, batch=4, episodes=10, min_pixels=100, workers=0, protocol=protocol)
    evaluation = evaluate(model, recipe, recipe.evaluation_images())
    assert evaluation.chance == pytest.approx(100 * foreground / labelled)


def test_base_classes_can_be_evaluated_instead(model, recipe):
    scores = evaluate(model, recipe, recipe.evaluation_images(), classes=[1, 2]).scores
    assert scores.class_iou.keys() == {1, 2}


def test_a_protocol_brings_its_count_and_seeds_unless_others_are_given(data, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    Recipe(data=str(data), fold=0, episodes=40, min_pixels=100, evaluation_seed=7).save(run / "recipe.yaml")

    def settings(*options):
        target, recipe, seeds, choose_offset = asked([str(run), *options])
        assert choose_offset == ("--choose_offset" in options)
        assert target == run and recipe.fold == 0
        return recipe.protocol, recipe.episodes, seeds

    assert settings() == ("ours", 40, [7])
    assert settings("--protocol", "bam") == ("bam", 1_000, [510, 365, 382, 322, 988])
    assert settings("--protocol", "pfenet", "--episodes", "9", "--seeds", "1", "2") == ("pfenet", 9, [1, 2])
    assert settings("--choose_offset", "true") == ("ours", 40, [7])
    assert asked([str(run), "--shot", "5"]).recipe.shot == 5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "expected a run's folder or a file of weights"),
        ([".", "--seeds", "3", "3"], "each seed once"),
        ([".", "--choose_offset", "perhaps"], "choose_offset: expected one of true, false, got perhaps"),
    ],
)
def test_refuses_what_it_cannot_evaluate(arguments, sentence):
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        asked(arguments)


def test_a_published_checkpoint_is_evaluated_by_one_command(data, tmp_path):
    torch.manual_seed(0)
    model = PFENet(build_backbone("efficientnet_lite0"), channels=8, scales=(4, 2))
    weights = {f"module.{name}": value for name, value in model.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": weights, "optimizer": {"param_groups": [{"lr": 0.1}]}}, tmp_path / "p.pth")
    options = {"data": data, "fold": 0, "size": 48, "channels": 8, "scales": "[4,2]", "min_pixels": 100}
    words = [tmp_path / "p.pth", "--seeds", "1", "2", "--episodes", "20"]
    said = carried_out("evaluate", *words, *(f"--{name}={value}" for name, value in options.items()), cwd=tmp_path)
    assert "±" in said and "aeroplane" in said and "p.pth: fold 0, 1-shot, protocol ours" in said
    scores = json.loads(
        (tmp_path / f"p-evaluation-{data.name}-fold0-sequential-48px-ours-1shot-20-seeds1-2.json").read_text()
    )
    assert scores["miou"] == pytest.approx((scores["seeds"]["1"]["miou"] + scores["seeds"]["2"]["miou"]) / 2)
    assert scores["miou_spread"] > 0
    reliance = scores["support_reliance"]
    assert reliance["over_empty"] == pytest.approx(scores["miou"] - reliance["empty_miou"])
    assert reliance["over_other_class"] == pytest.approx(scores["miou"] - reliance["other_class_miou"])
    assert f"(mIoU {reliance['other_class_miou']:.1f} with supports of another class" in said
    curves = scores["over_offsets"]
    zero = curves["offset"].index(0)
    assert curves["miou"][zero] == pytest.approx(scores["miou"]) and len(curves["miou"]) == len(curves["offset"]) == 25
    assert curves["fb_iou"][zero] == pytest.approx(scores["fb_iou"])
    assert curves["support_reliance"][zero] == pytest.approx(reliance["over_other_class"])
    assert "at_chosen_offset" not in scores and "base objects called" in said


def test_the_threshold_is_chosen_on_base_classes_where_no_novel_object_is_shown(tmp_path, capsys):
    masks = [mask_with(c, size=(40, 60) if c % 2 else (70, 50)) for c in range(1, 21) for _ in range(2)]
    data = write_voc(tmp_path, masks, split="val")
    (tmp_path / "run").mkdir()
    recipe = Recipe(data=str(data), fold=0, size=48, batch=4, episodes=30, min_pixels=100, channels=8, scales=(4, 2))
    recipe.save(tmp_path / "run" / "recipe.yaml")
    torch.manual_seed(0)
    model = recipe.build_model().eval()
    torch.save(model.state_dict(), tmp_path / "run" / "last.pt")
    main([str(tmp_path / "run"), "--choose_offset", "true", "--workers", "0"])
    (path,) = (tmp_path / "run").glob("evaluation-*-seeds1000-chosen-offset.json")
    scores = json.loads(path.read_text())
    chosen, curves = scores["at_chosen_offset"], scores["over_offsets"]
    images = recipe.evaluation_images().without_novel(0)
    base = evaluate(model, recipe, images, classes=list(range(6, 21)))
    assert chosen["base_episodes_digest"] == base.digest
    assert chosen["base_miou"] == pytest.approx(max(base.curves["own"]["miou"]))
    place = curves["offset"].index(chosen["offset"])
    for name in ("miou", "fb_iou", "support_reliance"):
        assert chosen[name] == curves[name][place]
    said = capsys.readouterr().out
    assert "mIoU, chosen offset" in said and "base classes, on images that show no novel object" in said

"""A reading gives the scores that the example's own evaluation gives, and curves around them."""

import json
from dataclasses import replace

import pytest
import torch
from evaluation.evaluator import evaluate
from evaluation.margin_counts import OFFSETS
from evaluation.support_reliance import EVERY
from gpu.device_features import DeviceFeatures
from gpu.packed_photographs import open_packed, unpack
from gpu.reading import EvaluationData, best_offset, labels_of, read_cell
from packed_scenes import TINY
from running.small_hosts import HostRecipe
from torch import nn

ZERO = OFFSETS.index(0)
EPISODES = {"1": 20, "5": 6}


@pytest.fixture(scope="module")
def recipe(packed, tmp_path_factory):
    root = tmp_path_factory.mktemp("reading")
    settings = json.loads(TINY) | {"cache_features": True, "fold": 0}
    return HostRecipe(**settings, data=str(unpack(packed, root)), features=str(root / "features"), workers=0)


@pytest.fixture(scope="module")
def model(recipe):
    # One whose answers change with the offset.
    torch.manual_seed(5)
    model = recipe.build_model().eval()
    for name, convolution in model.named_modules():
        if isinstance(convolution, nn.Conv2d) and "layer" not in name:
            nn.init.kaiming_normal_(convolution.weight)
    return model


@pytest.fixture(scope="module")
def data(recipe, model):
    _, (images, cache) = open_packed(recipe, model)
    cpu = torch.device("cpu")
    return EvaluationData(images, DeviceFeatures(cache, images, cpu), labels_of(images, recipe.size, cpu))


@pytest.fixture(scope="module")
def found(model, recipe, data):
    return read_cell(model, recipe, data, EPISODES)


def test_scores_at_offset_0_are_those_of_the_evaluation(found, model, recipe, data):
    expected = evaluate(model, replace(recipe, episodes=20), data.images, supports=EVERY)
    # Not to the last digit: features are kept in half precision.
    assert found["novel"]["own"]["miou"][ZERO] == pytest.approx(expected.scores.miou, abs=0.2)
    assert found["novel"]["own"]["fb_iou"][ZERO] == pytest.approx(expected.scores.fb_iou, abs=0.2)
    assert found["novel"]["other_class"]["miou"][ZERO] == pytest.approx(expected.reliance.other_class, abs=0.2)
    assert found["novel"]["empty"]["miou"][ZERO] == pytest.approx(expected.reliance.empty, abs=0.2)
    # The three differ, so that none stands for another.
    assert len({found["novel"][kind]["miou"][ZERO] for kind in ("own", "other_class", "empty")}) == 3
    five = evaluate(model, replace(recipe, shot=5, episodes=6), data.images)
    assert found["novel"]["own_5"]["miou"][ZERO] == pytest.approx(five.scores.miou, abs=0.2)


def test_base_classes_are_read_where_no_novel_object_is_shown(found, model, recipe, data):
    part = data.images.without_novel(0)
    base = recipe.class_split().base_classes(0, part.class_names)
    expected = evaluate(model, replace(recipe, episodes=10), part, base, supports=EVERY)
    assert found["base"]["own"]["miou"][ZERO] == pytest.approx(expected.scores.miou, abs=0.2)
    assert found["base"]["other_class"]["miou"][ZERO] == pytest.approx(expected.reliance.other_class, abs=0.2)
    assert found["base"]["own"]["novel_called"] == [0.0] * len(OFFSETS)
    assert found["offset"] == best_offset(found["base"]["own"]["miou"])


def test_a_higher_offset_never_calls_more_foreground(found):
    for name in ("target_found", "background_called", "base_called", "novel_called"):
        shares = found["novel"]["own"][name]
        assert shares == sorted(shares, reverse=True) and shares[0] > shares[-1]


def test_of_equal_scores_the_offset_nearest_to_0_is_chosen():
    assert best_offset([1.0] * len(OFFSETS)) == 0.0


def test_a_pack_of_another_size_is_refused(data):
    with pytest.raises(ValueError, match="size: expected the pack's 64 pixels, got 32; write another pack"):
        labels_of(data.images, 32, torch.device("cpu"))

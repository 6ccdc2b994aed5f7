"""Support reliance on models that read their supports, that do not, and against the whole evaluation."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from common.one_at_a_time import OneAtATime
from data.episodes import Episode
from evaluation.evaluator import episodes_of, evaluate, evaluate_seeds
from evaluation.support_reliance import EVERY, Sample, draw_lenders, support_reliance
from recipe import Recipe
from tiny_backbone import tiny_model
from voc_tree import mask_with, write_voc


def test_lenders_are_of_another_class_and_never_show_the_query():
    episodes = [Episode(1 + i % 3, i, ((i + 3) % 30,)) for i in range(30)]
    lenders = draw_lenders(episodes, seed=4)
    for episode, lender in zip(episodes, lenders, strict=True):
        assert lender in episodes and lender.novel_class != episode.novel_class and episode.query not in lender.supports
    assert lenders == draw_lenders(episodes, seed=4) != draw_lenders(episodes, seed=5)


def test_each_other_class_lends_as_often_however_rare_it_is():
    episodes = [Episode(1, i, (100 + i,)) for i in range(400)]
    episodes += [Episode(2, 1000 + i, (1100 + i,)) for i in range(90)] + [Episode(3, 2000, (2100,))]
    lent = Counter(lender.novel_class for lender in draw_lenders(episodes, 0)[:400])
    assert lent.keys() == {2, 3} and 150 < lent[3] < 250


@pytest.mark.parametrize(
    "episodes", [[Episode(1, 0, (1,)), Episode(1, 2, (3,))], [Episode(1, 0, (1,)), Episode(2, 3, (0,))]]
)
def test_without_another_class_or_with_the_query_alone_nothing_is_lent(episodes):
    assert draw_lenders(episodes, 0) is None


def test_a_class_whose_supports_are_all_the_query_is_passed_over():
    episodes = [Episode(1, 0, (1,)), Episode(2, 5, (0,)), Episode(3, 6, (7,))]
    assert all(draw_lenders(episodes, seed)[0].novel_class == 3 for seed in range(20))


CLASSES = 3


def pictures():
    """Two classes' objects on each query, in colours of their own; a support shows one."""
    samples, episodes = [], []
    for place in range(12):
        wanted, other = place % CLASSES, (place + 1) % CLASSES
        query, support = torch.zeros(3, 32, 32), torch.zeros(3, 32, 32)
        query[wanted, 4:12, 4:28], query[other, 20:28, 4:28], support[wanted, 8:24, 8:24] = 1.0, 1.0, 1.0
        truth = (query[wanted] > 0).byte()
        mask = (support[wanted] > 0).float()
        samples.append(Sample(query, support[None], mask[None], truth))
        episodes.append(Episode(wanted + 1, 2 * place, (2 * place + 1,)))
    return episodes, samples


def cosine_host(query, supports, masks):
    """Masked average pooling and a cosine, the smallest few-shot model; nothing is trained."""
    prototype = (supports * masks[:, :, None]).sum((1, 3, 4)) / masks.sum((1, 2, 3)).clamp(min=1)[:, None]
    cosine = F.cosine_similarity(query, prototype[:, :, None, None], dim=1)
    return torch.stack([torch.full_like(cosine, 0.5), cosine], 1)


def object_host(query, supports, masks):
    """Finds whatever is an object, and never looks at its supports."""
    brightest = query.amax(1)
    return torch.stack([1 - brightest, brightest], 1)


def test_a_cosine_host_relies_on_its_supports_wholly():
    miou, reliance = support_reliance(cosine_host, *pictures())
    assert miou == 100 and reliance.other_class == 0 and reliance.empty == 0


def test_a_model_that_finds_any_object_relies_on_nothing():
    miou, reliance = support_reliance(object_host, *pictures())
    # Half of what it finds is the other object.
    assert miou == 50 == reliance.other_class == reliance.empty


def test_with_one_class_the_empty_support_is_left():
    episodes, samples = pictures()
    kept = [i for i, episode in enumerate(episodes) if episode.novel_class == 1]
    miou, reliance = support_reliance(cosine_host, [episodes[i] for i in kept], [samples[i] for i in kept])
    assert miou == 100 and reliance.other_class is None and reliance.empty == 0


def test_refuses_lists_of_unlike_lengths():
    episodes, samples = pictures()
    with pytest.raises(ValueError, match="samples: expected one for each of the 12 episodes, got 11"):
        support_reliance(cosine_host, episodes, samples[1:])


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    masks = [mask_with(1 + i % 5, 1 + (i + 2) % 5, size=(40, 60) if i % 2 else (70, 50)) for i in range(10)]
    data = write_voc(tmp_path_factory.mktemp("voc"), masks, split="val")
    return Recipe(data=str(data), fold=0, size=48, batch=4, episodes=20, min_pixels=100, workers=0)


@pytest.fixture
def model():
    """Untrained, and hard, as in test_evaluate.py; its answer hangs on the prototype as much as on the query."""
    model = tiny_model()
    with torch.no_grad():
        model.down_supp[0].weight *= 30
        pictures, masks = torch.rand(8, 1, 3, 48, 48), torch.ones(8, 1, 48, 48)
        logits = model(pictures[:, 0], pictures, masks)
        model.cls[3].bias[0] += (logits[:, 1] - logits[:, 0]).median()
    levels = torch.tensor([[1.0, 0.0], [0.0, 1.618]])
    model.cls.register_forward_hook(lambda _module, _inputs, logits: levels[logits.argmax(1)].movedim(-1, 1))
    return model


@pytest.mark.parametrize("shot", [1, 3])
@pytest.mark.parametrize("protocol", ["ours", "hsnet"])
def test_the_evaluation_finds_what_the_function_finds_one_episode_at_a_time(model, recipe, shot, protocol):
    recipe = replace(recipe, shot=shot, protocol=protocol)
    images = recipe.evaluation_images()
    evaluation = evaluate(model, recipe, images, supports=EVERY)
    episodes = episodes_of(recipe, images)
    samples = [Sample(*sample[:4]) for sample in OneAtATime(recipe, images, episodes)]
    miou, reliance = support_reliance(model, episodes, samples, recipe.evaluation_seed)
    assert (evaluation.scores.miou, evaluation.reliance) == (miou, reliance)
    assert len({miou, *reliance}) == 3, "supports change what this model finds"


def test_it_changes_no_score_and_costs_no_backbone_pass(model, recipe):
    images, passes = recipe.evaluation_images(), []
    model.layer0.register_forward_pre_hook(lambda _module, _inputs: passes.append(1))
    plain, alone = evaluate(model, recipe, images), len(passes)
    whole = evaluate(model, recipe, images, supports=EVERY)
    assert len(passes) == 2 * alone
    assert plain.reliance is None and whole.scores == plain.scores and whole.digest == plain.digest


def test_little_memory_changes_nothing(model, recipe):
    images = recipe.evaluation_images()
    ample = evaluate_seeds(model, recipe, images, [1, 2], supports=EVERY)
    tight = evaluate_seeds(model, replace(recipe, evaluation_memory=1e-4), images, [1, 2], supports=EVERY)
    assert [one.reliance for one in ample] == [one.reliance for one in tight]
    assert ample[0].reliance != ample[1].reliance


def test_one_novel_class_has_no_other(model, recipe):
    images = recipe.evaluation_images()
    reliance = evaluate(model, recipe, images, classes=[2], supports=EVERY).reliance
    assert reliance.other_class is None and reliance.empty >= 0

"""Regions and prototype map against the task as training runs it; predictions against `segment`."""

import numpy as np
import pytest
import torch
from data.transforms import evaluation_transform
from prediction.page.side_by_side import _held, compare, task_on
from prediction.segment import segment
from recipe import Recipe
from tiny_backbone import tiny_model
from torch import Tensor
from torchvision import tv_tensors

SIZE = 48


def build(seed):
    return tiny_model(seed)


@pytest.fixture
def recipe():
    return Recipe(size=SIZE, batch=2, num_prototypes=3, seed=4)


def picture(height, width, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (3, height, width), dtype=np.uint8))


def block(height, width):
    foreground = torch.zeros(height, width, dtype=torch.bool)
    foreground[height // 4 : height // 2, width // 4 : width // 2] = True
    return foreground


@pytest.mark.parametrize("partition", ["kmeans", "pyramid"])
def test_regions_and_map_are_those_of_the_task_in_training(recipe, partition):
    recipe.partition, recipe.num_prototypes = partition, 4
    model, image, foreground = build(0), picture(96, 64), block(96, 64)
    task = task_on(model, recipe, image, foreground)
    shown = evaluation_transform(SIZE)(tv_tensors.Image(image), tv_tensors.Mask(foreground.long()))
    query, mask = (part.as_subclass(Tensor)[None] for part in shown)
    with torch.no_grad():
        encoded = model.encode(query, query[:, None], torch.ones(1, 1, SIZE, SIZE))
        auxiliary = recipe.build_auxiliary(torch.Generator().manual_seed(recipe.seed))
        there = auxiliary.contrast(encoded.features, encoded.high_level, mask, model.compare, prior=encoded.prior)
    for region in range(4):
        assert torch.equal(task.regions == region, there.regions[0, region])
    prototypes = there.prototypes[0]
    for row, column in np.ndindex(*task.compared_with.shape):
        held = task.compared_with[row, column]
        expected = torch.zeros(16) if held < 0 else prototypes[held]
        assert torch.equal(there.prototype_map[0, :, row, column], expected)
    inside = task.regions >= 0
    assert torch.equal(task.compared_with[inside], task.regions[inside])
    assert task.foreground.any() and not (task.foreground & inside).any()
    assert len(task.compared_with[task.foreground].unique()) == 1


def test_the_foregrounds_prototype_is_drawn_by_the_seed(recipe):
    model, image, foreground = build(0), picture(60, 60), block(60, 60)
    drawn = set()
    for recipe.seed in range(12):
        first, again = (task_on(model, recipe, image, foreground) for _ in range(2))
        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
        drawn.add(first.compared_with[first.foreground][0].item())
    assert drawn == {0, 1, 2}


def test_a_picture_without_background_has_no_region_and_no_prototype(recipe):
    task = task_on(build(0), recipe, picture(60, 60), torch.ones(60, 60, dtype=torch.bool))
    assert task.foreground.all() and (task.regions == -1).all() and (task.compared_with == -1).all()


def test_a_cell_that_holds_zeros_is_compared_with_no_region():
    # As a cell beyond the picture does, whose region lies wholly in the foreground.
    held = _held(
        torch.tensor([[[1.0, 0.0, 0.0]]]), torch.tensor([[0.2], [1.0], [0.0]]), torch.tensor([True, True, False])
    )
    assert held.tolist() == [[1, -1, -1]]


def test_a_picture_without_foreground_is_compared_with_its_own_regions(recipe):
    task = task_on(build(0), recipe, picture(60, 60), torch.zeros(60, 60, dtype=torch.bool))
    assert not task.foreground.any() and torch.equal(task.regions, task.compared_with)
    assert task.regions.unique().tolist() == [0, 1, 2]


def test_each_model_predicts_as_alone_and_queries_are_read_a_batch_at_a_time(recipe):
    supports, queries = [(picture(40, 60), block(40, 60).byte())], [picture(30 + 10 * i, 50, i) for i in range(5)]
    models, read = {"one": build(0), "other": build(1)}, []
    for model in models.values():
        # About half of all pixels are foreground then.
        with torch.no_grad():
            model.cls[3].bias[0] += torch.cat(
                [one.logit().ravel() for one in segment(model, supports, queries, SIZE)]
            ).median()

    def reading():
        for query in queries:
            read.append(query)
            yield query

    answers, most = [], 0
    for answer in compare(models, supports, reading(), recipe):
        answers.append(answer)
        most = max(most, len(read) - len(answers))
    assert most < recipe.batch
    assert [answer.picture.shape for answer in answers] == [query.shape for query in queries]
    for name, model in models.items():
        alone = [one > 0.5 for one in segment(model, supports, queries, SIZE, recipe.batch)]
        assert all(torch.equal(answer.foregrounds[name], one) for answer, one in zip(answers, alone, strict=True))
    for answer in answers:
        task = task_on(models["other"], recipe, answer.picture, answer.foregrounds["other"])
        assert all(torch.equal(one, other) for one, other in zip(answer.task, task, strict=True))
    shares = [answer.foregrounds[name].float().mean().item() for answer in answers for name in models]
    assert len(set(shares)) == 10 and 0 < max(shares) < 1


def test_a_baseline_alone_has_no_task(recipe):
    recipe.weight = 0.0
    (answer,) = compare({"Baseline": build(0)}, [(picture(40, 60), block(40, 60).byte())], [picture(40, 40)], recipe)
    assert answer.task is None and answer.foregrounds.keys() == {"Baseline"}

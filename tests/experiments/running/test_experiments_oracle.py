"""Perfect regions: hidden objects apart from all else, the masks those of the very queries, mirrored as they are."""

import pytest
import torch
from running.objectives import objective_of
from running.objectives.oracle import HiddenApart
from running.trial import result_of
from tiny_cells import tiny, tiny_folders
from torch.utils.data import DataLoader
from training.fit import training_data

from selfcontrast.prototypes import foreground_cells, labelled_cells, resize_nearest

CELL = tiny(objective="oracle", num_prototypes=2)


@pytest.fixture
def folders(tmp_path):
    return tiny_folders(tmp_path)


def test_two_regions_that_leave_the_foreground_out():
    mask, hidden = torch.zeros(2, 24, 24, dtype=torch.long), torch.zeros(2, 8, 8, dtype=torch.bool)
    mask[:, 12:] = 1
    mask[0, :3, :3] = 255
    hidden[:, 2:6, 2:6] = True
    task = HiddenApart(2)
    task.hidden = hidden
    regions = task.prepare(torch.rand(2, 4, 8, 8), torch.rand(2, 6, 4, 4), mask).regions
    background = labelled_cells(mask, (8, 8)) & ~foreground_cells(mask, (8, 8))
    assert torch.equal(regions, torch.stack([background & ~hidden, background & hidden], 1))
    assert regions.flatten(2).any(2).all()


def test_the_masks_are_those_of_the_queries_as_the_batch_shows_them(folders):
    """Asked for the target's class, which the batch holds too, it must answer what the batch holds."""
    recipe = folders.recipe(CELL)
    model, images = recipe.build_model(), recipe.training_images()
    dataset, _ = training_data(recipe, model, images, recipe.training_episodes(images))
    oracle = objective_of("oracle", recipe)(model, recipe.build_auxiliary()).train()
    for batch in DataLoader(dataset, 4):
        for index, target, mask in zip(batch["index"].tolist(), batch["class"], batch["mask"], strict=True):
            oracle._novel, oracle._seen = target[None], {}
            seen, expected = oracle._hidden(index), resize_nearest(mask == 1, (56, 56))
            assert (seen & expected).sum() > 0.6 * (seen | expected).sum() > 0


def test_a_cell_trains_with_it_and_gets_another_second_loss(folders):
    results = [result_of(cell, folders) for cell in (CELL, tiny(num_prototypes=2))]
    oracle, clusters = ([row["contrast_loss"] for row in result["losses"]] for result in results)
    assert oracle != clusters and all(loss > 0 for loss in oracle)

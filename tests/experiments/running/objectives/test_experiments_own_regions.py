"""Regions with the object among them, and the target of any map, against loops over cells and pixels."""

import torch
from cached_batches import SIDE, usual_masks
from running.objectives.own_regions import own_regions

from selfcontrast import SelfContrastiveAuxiliary

GRID, COUNT = 6, 3
CELL = SIDE // GRID


def build(masks=None):
    torch.manual_seed(0)
    masks = usual_masks() if masks is None else masks
    features, high_level = torch.rand(len(masks), 5, GRID, GRID), torch.rand(len(masks), 7, GRID, GRID)
    return masks, features, own_regions(SelfContrastiveAuxiliary(COUNT), features, high_level, masks)


def nearest(cell):
    """The pixel in the middle of a cell, as nearest resizing takes it."""
    return cell * CELL + CELL // 2


def test_regions_and_prototypes_are_those_of_the_loops():
    masks, features, found = build()
    for image in range(len(masks)):
        members = {}
        for row in range(GRID):
            for column in range(GRID):
                under = masks[image, row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]
                is_object = masks[image, nearest(row), nearest(column)] == 1
                expected = COUNT if is_object else int(found.labels[image, row, column])
                assert found.labels[image, row, column] == expected <= COUNT
                inside = [bool(found.regions[image, k, row, column]) for k in range(COUNT + 1)]
                assert inside == [k == expected and bool((under != 255).all()) for k in range(COUNT + 1)]
                if any(inside):
                    members.setdefault(expected, []).append(features[image, :, row, column])
        assert members.keys() == {k for k in range(COUNT + 1) if found.exists[image, k]} and COUNT in members
        for k, some in members.items():
            assert torch.allclose(found.prototypes[image, k], torch.stack(some).mean(0), atol=1e-6)


def test_the_target_of_a_map_is_that_of_the_loop():
    masks, _, found = build()
    held = torch.randint(COUNT + 1, found.labels.shape)
    found = found._replace(exists=found.exists.clone())
    found.exists[0, 1] = False
    task = found.task(held)
    for image in range(len(masks)):
        for row in range(0, SIDE, 3):
            for column in range(0, SIDE, 3):
                cell = image, row // CELL, column // CELL
                own = COUNT if masks[image, row, column] == 1 else None
                if own is None:
                    # A pixel of background below the object's cell has the cluster of that cell.
                    own = int(found.of_pixels[image, row, column])
                    assert own < COUNT and found.labels[cell] in (own, COUNT)
                judged = masks[image, row, column] != 255 and found.exists[image, held[cell]]
                assert task.target[image, row, column] == (int(held[cell] == own) if judged else 255)
                assert torch.equal(
                    task.prototype_map[image, :, row // CELL, column // CELL], found.prototypes[image, held[cell]]
                )


def test_every_region_may_be_missing():
    masks = torch.full((1, SIDE, SIDE), 255)
    _, _, found = build(masks)
    assert not found.exists.any() and not found.prototypes.any()
    assert (found.task(found.labels).target == 255).all()

from collections.abc import Callable

import numpy as np
import pytest
import reference
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from selfcontrast import InputError, expand_prototypes, masked_average_pool, remove_foreground
from selfcontrast.prototypes import foreground_cells, labelled_cells, resize_nearest

GRIDS = [(1, 1), (5, 7), (8, 6), (12, 16), (31, 23)]


def random_mask(seed: int, *shape: int) -> Tensor:
    values = torch.tensor([0, 0, 0, 0, 1, 1, 255])
    return values[torch.randint(len(values), shape, generator=torch.Generator().manual_seed(seed))]


@pytest.mark.parametrize("old", GRIDS)
@pytest.mark.parametrize("new", GRIDS)
def test_grids_agree_with_the_loops(old: tuple[int, int], new: tuple[int, int]) -> None:
    mask = random_mask(0, 2, *old)
    for image, nearest, known, foreground in zip(
        mask.numpy(), resize_nearest(mask, new), labelled_cells(mask, new), foreground_cells(mask, new), strict=True
    ):
        assert nearest.tolist() == reference.resize(image, *new).tolist()
        assert known.tolist() == reference.labelled(image, *new).tolist()
        assert foreground.tolist() == (reference.resize(image, *new) == 1).tolist()


@pytest.mark.parametrize("cells", [labelled_cells, foreground_cells])
@pytest.mark.parametrize("shape", [(4, 4), (1, 1, 4, 4)])
def test_cells_of_a_mask_of_another_rank(cells: Callable[..., Tensor], shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"^mask: expected a mask of shape \(B, H, W\), got .*; drop the channel"):
        cells(torch.zeros(shape, dtype=torch.long), (2, 2))


@pytest.mark.parametrize("size", GRIDS)
def test_removal_agrees_with_the_loops(size: tuple[int, int]) -> None:
    labels, mask = torch.randint(3, (2, *size)), random_mask(1, 2, 12, 16)
    regions = remove_foreground(labels, mask, 3)
    for b in range(2):
        expected = reference.remove_foreground(labels[b].numpy(), mask[b].numpy(), 3)
        assert regions[b].tolist() == expected.tolist()


def test_a_cell_with_any_unlabelled_pixel_under_it_is_in_no_region() -> None:
    mask = torch.zeros(1, 4, 4, dtype=torch.long)
    # In a corner of its cell, where the nearest pixel does not see it.
    mask[0, 0, 3] = 255
    regions = remove_foreground(torch.zeros(1, 2, 2, dtype=torch.long), mask, 1)
    assert regions[0, 0].tolist() == [[True, False], [True, True]]


def test_a_foreground_pixel_is_nearest_or_is_nothing() -> None:
    mask = torch.zeros(1, 4, 4, dtype=torch.long)
    mask[0, 0, 0] = mask[0, 1, 3] = 1
    regions = remove_foreground(torch.zeros(1, 2, 2, dtype=torch.long), mask, 1)
    assert regions[0, 0].tolist() == [[True, False], [True, True]]


def test_another_value_may_stand_for_unlabelled() -> None:
    mask = torch.tensor([[[0, -1, 1]]])
    assert remove_foreground(torch.zeros_like(mask), mask, 1, ignore_index=-1).tolist() == [[[[True, False, False]]]]


def test_a_strange_value_counts_as_unlabelled_where_values_are_not_read(values_cost: None) -> None:
    mask = torch.tensor([[[0, 7, 1]]])
    assert remove_foreground(torch.zeros_like(mask), mask, 1).tolist() == [[[[True, False, False]]]]


def test_regions_do_not_overlap_and_make_up_the_background() -> None:
    labels, mask = torch.randint(4, (2, 9, 9)), random_mask(2, 2, 9, 9)
    assert torch.equal(remove_foreground(labels, mask, 4).sum(1), (mask == 0).long())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64, torch.float32])
def test_a_mask_may_be_of_any_number_type(dtype: torch.dtype) -> None:
    labels, mask = torch.randint(3, (2, 5, 5)), random_mask(3, 2, 9, 9)
    assert torch.equal(remove_foreground(labels, mask.to(dtype), 3), remove_foreground(labels, mask, 3))


def test_pooling_agrees_with_the_loops() -> None:
    features, masks = torch.randn(2, 5, 6, 7), torch.rand(2, 3, 6, 7) > 0.6
    masks[1, 2] = False
    pooled = masked_average_pool(features, masks)
    for b in range(2):
        expected = reference.pool(features[b].double().numpy(), masks[b].numpy())
        np.testing.assert_allclose(pooled[b].numpy(), expected, rtol=1e-5, atol=1e-6)
    assert pooled[1, 2].eq(0).all()


def test_pooling_by_weights_is_their_mean() -> None:
    features, weights = torch.randn(1, 5, 6, 7), torch.rand(1, 1, 6, 7)
    expected = (features * weights).sum((2, 3)) / weights.sum()
    torch.testing.assert_close(masked_average_pool(features, weights)[:, 0], expected)


@given(seed=st.integers(0, 10_000), share=st.floats(0.05, 1))
def test_prototypes_lie_in_the_convex_hull(seed: int, share: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(1, 4, 5, 5, generator=generator) * 100
    masks = torch.rand(1, 2, 5, 5, generator=generator) < share
    masks[:, :, 0, 0] = True
    pooled = masked_average_pool(features, masks)[0]
    for prototype, mask in zip(pooled, masks[0], strict=True):
        inside = features[0][:, mask]
        assert (prototype >= inside.amin(1) - 1e-4).all() and (prototype <= inside.amax(1) + 1e-4).all()
    expected = reference.pool(features[0].double().numpy(), masks[0].numpy())
    np.testing.assert_allclose(pooled.numpy(), expected, rtol=1e-4, atol=1e-4)


def test_one_pixel_is_its_own_prototype() -> None:
    features, masks = torch.randn(1, 4, 3, 3), torch.zeros(1, 1, 3, 3, dtype=torch.bool)
    masks[0, 0, 1, 2] = True
    assert torch.equal(masked_average_pool(features, masks)[0, 0], features[0, :, 1, 2])


def test_an_images_prototypes_do_not_depend_on_its_batch() -> None:
    features, masks = torch.randn(4, 8, 9, 9), torch.rand(4, 3, 9, 9) > 0.5
    pooled = masked_average_pool(features, masks)
    changed = features * -1e10
    changed[1] = features[1]
    assert torch.equal(masked_average_pool(changed, masks)[1], pooled[1])
    # At another place in memory a product may be summed in another order.
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(masked_average_pool(features[order], masks[order]), pooled[order])
    torch.testing.assert_close(masked_average_pool(features[1:2], masks[1:2]), pooled[1:2])


def test_pooling_has_the_right_gradient() -> None:
    features = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    masks = torch.rand(2, 3, 4, 4) > 0.5
    masks[0, 1] = False
    assert torch.autograd.gradcheck(lambda x: masked_average_pool(x, masks), features)


def test_the_map_agrees_with_the_loops() -> None:
    features, labels, mask = torch.randn(6, 5, 8, 8), torch.randint(4, (6, 8, 8)), random_mask(4, 6, 16, 16)
    mask[0] = 1
    mask[1] = 0
    mask[2][resize_nearest(labels[2:3], (16, 16))[0] == 3] = 1
    regions, foreground = remove_foreground(labels, mask, 4), foreground_cells(mask, (8, 8))
    prototypes = masked_average_pool(features, regions)
    expanded = expand_prototypes(prototypes, regions, labels, foreground)
    for b in range(6):
        arguments = [x[b].numpy() for x in (prototypes, regions, labels, foreground)]
        possible = [k for k in range(4) if regions[b, k].any()] or [0]
        # Eq. 7 leaves open which one is drawn; it must be one of those that exist.
        assert any((reference.expand(*arguments, drawn) == expanded[b].numpy()).all() for drawn in possible)


def test_background_holds_exactly_its_own_prototype_and_foreground_exactly_one() -> None:
    prototypes, labels = torch.randn(3, 4, 16) * 1e3, torch.randint(4, (3, 8, 8))
    foreground = torch.rand(3, 8, 8) > 0.6
    regions = (labels[:, None] == torch.arange(4)[:, None, None]) & ~foreground[:, None]
    expanded = expand_prototypes(prototypes, regions, labels, foreground)
    for b in range(3):
        pixels = expanded[b].flatten(1).T
        inside, own = foreground[b].flatten(), labels[b].flatten()
        assert torch.equal(pixels[~inside], prototypes[b][own[~inside]])
        negatives = pixels[inside].unique(dim=0)
        assert len(negatives) == 1
        assert any(torch.equal(negatives[0], prototype) for prototype in prototypes[b])


def one_draw_an_image(regions: Tensor, images: int, seed: int) -> Tensor:
    """The number of the prototype that each of many images with these regions drew for its one foreground pixel."""
    clusters = regions.shape[0]
    prototypes = torch.arange(1.0, clusters + 1).view(1, clusters, 1).expand(images, -1, -1)
    labels = torch.zeros(images, 1, 2, dtype=torch.long)
    foreground = torch.ones(images, 1, 2, dtype=torch.bool)
    generator = torch.Generator().manual_seed(seed)
    expanded = expand_prototypes(
        prototypes, regions.expand(images, -1, -1, -1), labels, foreground, generator=generator
    )
    assert torch.equal(expanded[..., 0], expanded[..., 1])
    return expanded[:, 0, 0, 0].long() - 1


@pytest.mark.parametrize("exists", [(1, 1, 1), (1, 0, 1, 1), (0, 1, 1, 0, 1)])
def test_the_negative_is_uniform_over_existing_prototypes(exists: tuple[int, ...]) -> None:
    regions = torch.tensor(exists).bool()[:, None, None]
    counts = one_draw_an_image(regions, 3000, 0).bincount(minlength=len(exists))
    assert counts[~regions[:, 0, 0]].eq(0).all()
    drawn = counts[regions[:, 0, 0]]
    # The 0.9999 quantile of chi-square with two degrees of freedom.
    assert ((drawn - 1000) ** 2 / 1000).sum() < 18.4


def test_the_size_of_a_region_does_not_weigh_on_the_draw() -> None:
    regions = torch.zeros(2, 1, 9, dtype=torch.bool)
    regions[0, 0, :8], regions[1, 0, 8] = True, True
    assert one_draw_an_image(regions, 2000, 0).float().mean().sub(0.5).abs() < 0.05


@pytest.mark.parametrize("empty", [0, 1, 2])
def test_an_empty_region_is_never_drawn(empty: int) -> None:
    regions = torch.ones(3, 1, 1, dtype=torch.bool)
    regions[empty] = False
    for seed in range(50):
        assert (one_draw_an_image(regions, 20, seed) != empty).all()


def test_a_pixel_that_could_only_hold_a_missing_prototype_holds_zeros() -> None:
    prototypes, labels = torch.ones(1, 2, 3), torch.tensor([[[0, 1]]])
    regions = torch.tensor([[[[True, False]], [[False, False]]]])
    expanded = expand_prototypes(prototypes, regions, labels, torch.zeros(1, 1, 2, dtype=torch.bool))
    assert expanded[0, :, 0].T.tolist() == [[1, 1, 1], [0, 0, 0]]


def test_draws_repeat_given_a_seed() -> None:
    regions = torch.ones(4, 1, 1, dtype=torch.bool)
    assert torch.equal(one_draw_an_image(regions, 50, 3), one_draw_an_image(regions, 50, 3))
    assert not torch.equal(one_draw_an_image(regions, 50, 3), one_draw_an_image(regions, 50, 4))


def test_expansion_has_the_right_gradient() -> None:
    prototypes = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    labels, mask = torch.randint(3, (2, 5, 5)), random_mask(5, 2, 5, 5)
    regions = remove_foreground(labels, mask, 3)

    def expand(given: Tensor) -> Tensor:
        torch.manual_seed(0)
        return expand_prototypes(given, regions, labels)

    assert torch.autograd.gradcheck(expand, prototypes)

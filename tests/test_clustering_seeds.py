"""Seeding of the k-means, independence of the batch's images, and the spatial pyramid."""

import pytest
import reference
import torch
from torch import Tensor

from selfcontrast import cosine_kmeans, spatial_pyramid
from selfcontrast.clustering import SEEDINGS, _measure, _seed


def seeds(features: Tensor, clusters: int, seeding: str, seed: int, valid: Tensor | None = None) -> Tensor:
    """Labels before any iteration: on distinct directions each seed is alone with its own label at its pixel."""
    generator = torch.Generator().manual_seed(seed)
    return cosine_kmeans(features, clusters, iterations=0, valid=valid, seeding=seeding, generator=generator)


def centres(directions: Tensor, clusters: int, seeding: str, usable: Tensor | None = None) -> Tensor:
    """The seeds of a hundred images whose pixels have these directions, (C, N), before any label can hide a bad one."""
    pixels, inverse_norms = _measure(directions.expand(100, -1, -1))
    usable = (inverse_norms > 0) if usable is None else usable.expand(100, -1)
    return _seed(pixels, inverse_norms, usable, torch.rand(100, clusters), seeding)


@pytest.mark.parametrize("seeding", SEEDINGS)
def test_seeds_are_distinct_usable_pixels(seeding: str) -> None:
    usable = torch.arange(12) >= 5
    found = centres(torch.eye(12) * 3, 4, seeding, usable)
    assert found.sum(2).eq(1).all() and found.sum(1).max() == 1
    assert torch.equal(found.sum((0, 1)) > 0, usable) or seeding == "farthest-first"
    assert found[:, :, ~usable].eq(0).all()


@pytest.mark.parametrize("seeding", SEEDINGS)
def test_a_seed_that_finds_no_pixel_left_is_zero(seeding: str) -> None:
    found = centres(torch.eye(5), 4, seeding, torch.arange(5) < 2)
    assert found[:, :2].sum((1, 2)).eq(2).all() and found[:, 2:].eq(0).all()


@pytest.mark.parametrize("seeding", ["k-means++", "farthest-first"])
def test_a_direction_already_seeded_is_passed_over(seeding: str) -> None:
    # Many pixels of one direction and few of the others; each direction is wanted once.
    directions = torch.eye(4).repeat_interleave(torch.tensor([40, 2, 3, 1]), 1)
    found = centres(directions, 4, seeding)
    assert found.sum(1).eq(1).all()


@pytest.mark.parametrize("seeding", SEEDINGS)
def test_every_pixel_may_be_the_first_seed(seeding: str) -> None:
    # Of four directions at right angles the second seed alone is labelled 1; farthest-first's is opposite to its first.
    features = torch.tensor([[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, -1.0]]).view(1, 2, 2, 2)
    features = features.expand(400, -1, -1, -1)
    found = seeds(features, 2, seeding, 0).flatten(1)
    counts = (found == 1).float().mean(0)
    assert counts.gt(0.15).all()


def test_farthest_first_takes_opposite_directions() -> None:
    angles = torch.tensor([0.0, 0.1, 0.2, 3.1416, 1.5])
    features = torch.stack([angles.cos(), angles.sin()]).view(1, 2, 1, 5)
    for seed in range(20):
        labels = seeds(features, 2, "farthest-first", seed)[0, 0]
        # Whichever comes first, the other end is the farthest.
        assert labels[3] != labels[0]


def test_farthest_first_takes_the_pixel_farthest_from_all_seeds() -> None:
    angles = torch.tensor([0.0, 3.1416, 1.5708, 0.3, 2.9])
    features = torch.stack([angles.cos(), angles.sin()]).view(1, 2, 1, 5)
    for seed in range(20):
        labels = seeds(features, 3, "farthest-first", seed)[0, 0]
        assert len({int(labels[i]) for i in range(3)}) == 3


def test_kmeans_plus_plus_is_no_worse_than_random_on_average() -> None:
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(6, 16, generator=generator)
    sizes = torch.tensor([60, 20, 8, 6, 4, 2])
    pixels = directions.repeat_interleave(sizes, 0) + 0.3 * torch.randn(100, 16, generator=generator)
    features = pixels.T.reshape(1, 16, 10, 10)

    def average(seeding: str) -> float:
        results = [
            cosine_kmeans(features, 6, seeding=seeding, generator=torch.Generator().manual_seed(seed))
            for seed in range(30)
        ]
        values = [reference.objective(features[0].double().numpy(), labels[0].numpy()) for labels in results]
        return sum(values) / len(values)

    assert average("k-means++") <= average("random")


@pytest.mark.parametrize("seeding", SEEDINGS)
def test_a_seed_repeats_the_labels(seeding: str) -> None:
    features = torch.randn(2, 8, 9, 9, generator=torch.Generator().manual_seed(0))
    first, again = (seeds(features, 4, seeding, 1) for _ in range(2))
    assert torch.equal(first, again)
    assert any(not torch.equal(first, seeds(features, 4, seeding, other)) for other in range(2, 6))
    torch.manual_seed(1)
    globally = cosine_kmeans(features, 4, seeding=seeding)
    torch.manual_seed(1)
    assert torch.equal(globally, cosine_kmeans(features, 4, seeding=seeding))


@pytest.mark.parametrize("mates", ["other", "huge", "zero"])
def test_an_images_labels_do_not_depend_on_its_batch(mates: str) -> None:
    generator = torch.Generator().manual_seed(0)
    features, init = torch.randn(4, 8, 9, 9, generator=generator), torch.randn(4, 3, 8, generator=generator)
    labels = cosine_kmeans(features, 3, init=init)
    changed = features * {"other": -1.0, "huge": 1e15, "zero": 0.0}[mates]
    changed[1] = features[1]
    assert torch.equal(cosine_kmeans(changed, 3, init=init)[1], labels[1])
    assert torch.equal(cosine_kmeans(features[1:2], 3, init=init[1:2])[0], labels[1])


def test_labels_follow_a_permutation_of_the_batch() -> None:
    features, init = torch.randn(4, 8, 9, 9), torch.randn(4, 3, 8)
    order = torch.tensor([2, 0, 3, 1])
    labels = cosine_kmeans(features, 3, init=init)
    assert torch.equal(cosine_kmeans(features[order], 3, init=init[order]), labels[order])


def test_an_empty_cluster_of_one_image_moves_no_pixel_of_another() -> None:
    features, init = torch.rand(2, 8, 6, 6), torch.rand(2, 3, 8)
    alone = cosine_kmeans(features[1:], 3, init=init[1:])
    init[0, 1] = -1
    assert torch.equal(cosine_kmeans(features, 3, init=init)[1:], alone)


def test_no_gradient_flows() -> None:
    features = torch.randn(1, 4, 5, 5, requires_grad=True)
    init = torch.randn(1, 2, 4, requires_grad=True)
    labels = cosine_kmeans(features, 2, init=init)
    assert not labels.requires_grad and labels.dtype == torch.int64


def test_the_length_of_an_initial_centre_is_no_matter() -> None:
    features, init = torch.randn(2, 8, 6, 6), torch.randn(2, 3, 8)
    scaled = init * torch.tensor([0.25, 8.0, 64.0])[:, None]
    assert torch.equal(cosine_kmeans(features, 3, init=scaled), cosine_kmeans(features, 3, init=init))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("seeding", SEEDINGS)
def test_a_non_finite_pixel_weighs_nothing_where_values_are_not_read(
    values_cost: None, seeding: str, value: float
) -> None:
    features = torch.randn(2, 8, 6, 6, generator=torch.Generator().manual_seed(0))
    valid = torch.ones(2, 6, 6, dtype=torch.bool)
    valid[0, 2, 3] = False
    torch.manual_seed(0)
    expected = cosine_kmeans(features, 3, valid=valid, seeding=seeding)
    features[0, 5, 2, 3] = value
    torch.manual_seed(0)
    labels = cosine_kmeans(features, 3, seeding=seeding)
    assert torch.equal(labels[valid], expected[valid])
    assert labels[0, 2, 3] in (0, 1, 2)


@pytest.mark.parametrize("seeding", SEEDINGS)
@pytest.mark.parametrize("masked", [True, False])
def test_a_zero_pixel_weighs_nothing(seeding: str, masked: bool) -> None:
    features = torch.randn(20, 8, 4, 4)
    valid = torch.rand(20, 4, 4) > 0.5
    features = torch.where(valid[:, None], features, 0.0)
    first, second = (
        cosine_kmeans(features, 3, valid=mask, seeding=seeding, generator=torch.Generator().manual_seed(0))
        for mask in (valid, torch.ones_like(valid) if masked else None)
    )
    assert torch.equal(first[valid], second[valid])


@pytest.mark.parametrize("channels", [1, 63, 64, 65, 130])
def test_the_norm_counts_every_channel_once(channels: int) -> None:
    pixels = torch.randn(2, channels, 9)
    torch.testing.assert_close(_measure(pixels)[1], 1 / torch.linalg.vector_norm(pixels, dim=1))


@pytest.mark.parametrize("bins", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [(5, 5), (7, 12), (60, 60)])
def test_the_pyramid_agrees_with_the_loops(bins: int, size: tuple[int, int]) -> None:
    labels = spatial_pyramid(torch.ones(2, 3, *size), bins)
    expected = torch.tensor(reference.pyramid(*size, bins))
    assert torch.equal(labels, expected.expand(2, *size))
    assert labels.dtype == torch.int64
    assert labels.unique().tolist() == list(range(bins**2))
    # Cells differ by at most one row and one column.
    areas = labels[0].flatten().bincount()
    low, high = (size[0] // bins) * (size[1] // bins), -(-size[0] // bins) * -(-size[1] // bins)
    assert areas.min() >= low and areas.max() <= high

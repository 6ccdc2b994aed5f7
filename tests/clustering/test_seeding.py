import pytest
import reference
import torch
from torch import Tensor

from selfcontrast import cosine_kmeans
from selfcontrast.clustering.feature_matrix import FeatureMatrix
from selfcontrast.clustering.seeding import SEEDINGS, first_centres


def seeds(features: Tensor, clusters: int, seeding: str, seed: int, valid: Tensor | None = None) -> Tensor:
    """Labels before any iteration: on distinct directions each seed is alone with its own label at its pixel."""
    generator = torch.Generator().manual_seed(seed)
    return cosine_kmeans(features, clusters, iterations=0, valid=valid, seeding=seeding, generator=generator)


def centres(directions: Tensor, clusters: int, seeding: str, usable: Tensor | None = None) -> Tensor:
    """The seeds of a hundred images whose pixels have these directions, (C, N), before any label can hide a bad one."""
    pixels = FeatureMatrix(directions[:, None].expand(100, -1, -1, -1))
    weights = 1 / pixels.norms()
    return first_centres(pixels, weights if usable is None else weights * usable, torch.rand(100, clusters), seeding)


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

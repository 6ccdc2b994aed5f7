import pytest
import torch
from torch import Tensor

from selfcontrast.clustering.feature_matrix import FeatureMatrix
from selfcontrast.clustering.lloyd import Lloyd, normalise

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def clustering(features: Tensor, clusters: int) -> Lloyd:
    pixels = FeatureMatrix(features)
    return Lloyd(pixels, 1 / pixels.norms(), clusters)


def calls(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Tensor]:
    """The argument of each call of a method of `FeatureMatrix` from now on."""
    method, given = getattr(FeatureMatrix, name), list[Tensor]()

    def noted(pixels: FeatureMatrix, left: Tensor) -> Tensor:
        given.append(left)
        return method(pixels, left)

    monkeypatch.setattr(FeatureMatrix, name, noted)
    return given


def scene(generator: torch.Generator, batch: int = 4) -> Tensor:
    """Smooth maps, on which, as on a network's, only few pixels change cluster after the first iterations."""
    coarse = torch.randn(batch, 256, 6, 6, generator=generator)
    noise = torch.randn(batch, 256, 40, 40, generator=generator)
    return torch.nn.functional.interpolate(coarse, (40, 40), mode="bilinear") + 0.3 * noise


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("iterations", [1, 2, 5, 20])
def test_reading_only_the_pixels_that_changed_comes_to_the_same(
    request: pytest.FixtureRequest, layout: torch.memory_format, iterations: int
) -> None:
    generator = torch.Generator().manual_seed(0)
    features = scene(generator).to(memory_format=layout)
    centres = normalise(torch.randn(4, 3, 256, generator=generator))
    few = clustering(features, 3).move(centres, iterations)
    request.getfixturevalue("values_cost")
    torch.testing.assert_close(few, clustering(features, 3).move(centres, iterations))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_after_the_first_iterations_the_map_is_only_read_for_similarities(
    monkeypatch: pytest.MonkeyPatch, layout: torch.memory_format
) -> None:
    generator = torch.Generator().manual_seed(0)
    features = scene(generator).to(memory_format=layout)
    whole = calls(monkeypatch, "sums")
    clustering(features, 3).move(normalise(torch.randn(4, 3, 256, generator=generator)), 20)
    assert 1 <= len(whole) < 15


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("clusters", [1, 2, 5])
def test_the_nearest_centre_is_that_of_the_largest_cosine(layout: torch.memory_format, clusters: int) -> None:
    generator = torch.Generator().manual_seed(0)
    features = scene(generator).to(memory_format=layout)
    centres = normalise(torch.randn(4, clusters, 256, generator=generator))
    cosines = torch.nn.functional.normalize(features.flatten(2).double(), dim=1)
    expected = (centres.double() @ cosines).max(1).indices
    assert torch.equal(clustering(features, clusters).assign(centres), expected)


def test_of_equal_centres_the_first_is_the_nearest() -> None:
    centres = normalise(torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]]))
    assert clustering(torch.ones(1, 2, 1, 1), 3)._nearest(centres).item() == 0


def test_a_batch_that_has_settled_is_read_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    features, centres = scene(generator), normalise(torch.randn(4, 3, 256, generator=generator))
    passes = calls(monkeypatch, "similarities")
    moved = clustering(features, 3).move(centres, 1000)
    assert len(passes) < 100
    # One more iteration would move nothing.
    torch.testing.assert_close(clustering(features, 3).move(moved, 1), moved)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_image_decides_for_itself(layout: torch.memory_format) -> None:
    generator = torch.Generator().manual_seed(0)
    settled, restless = scene(generator, 1), torch.randn(1, 256, 40, 40, generator=generator)
    centres = normalise(torch.randn(2, 3, 256, generator=generator))
    both = torch.cat([settled, restless]).to(memory_format=layout)
    together = clustering(both, 3).move(centres, 10)
    alone = [clustering(both[i : i + 1], 3).move(centres[i : i + 1], 10) for i in range(2)]
    assert torch.equal(together, torch.cat(alone))


def test_the_centres_are_unit_vectors() -> None:
    moved = clustering(torch.randn(2, 8, 5, 5), 3).move(normalise(torch.randn(2, 3, 8)), 4)
    torch.testing.assert_close(moved.norm(dim=2), torch.ones(2, 3))


def test_a_zero_centre_stays_zero() -> None:
    assert normalise(torch.zeros(1, 1, 3)).eq(0).all()

import pytest
import torch
from torch import Tensor

from selfcontrast.clustering.feature_matrix import FeatureMatrix

LAYOUTS = [torch.contiguous_format, torch.channels_last]
layouts = pytest.mark.parametrize("layout", LAYOUTS)


def close(found: Tensor, expected: Tensor) -> None:
    """Within the rounding of float32 sums over a few hundred values of about 1."""
    torch.testing.assert_close(found, expected.float(), rtol=1e-5, atol=1e-4)


def pixels_of(features: Tensor) -> Tensor:
    return features.flatten(2).transpose(1, 2).double()


@layouts
@pytest.mark.parametrize("channels", [1, 63, 128, 129, 256, 300])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (17, 1), (40, 3)])
def test_products_and_norms_are_those_of_the_matrix(
    layout: torch.memory_format, channels: int, size: tuple[int, int]
) -> None:
    features = torch.randn(2, channels, *size).to(memory_format=layout)
    centres, weights = torch.randn(2, 3, channels), torch.rand(2, 3, size[0] * size[1])
    pixels, expected = FeatureMatrix(features), pixels_of(features)
    close(pixels.similarities(centres), centres.double() @ expected.mT)
    close(pixels.sums(weights), weights.double() @ expected)
    close(pixels.norms(), expected.square().sum(2).sqrt())


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[:, :, :, 1:4],
        lambda x: x[:, ::2],
        lambda x: x.transpose(2, 3),
        lambda x: x[:1].expand(3, -1, -1, -1),
    ],
)
@layouts
def test_any_strides_will_do(layout: torch.memory_format, view) -> None:
    features = view(torch.randn(2, 6, 5, 5).to(memory_format=layout))
    centres = torch.randn(features.shape[0], 2, features.shape[1])
    torch.testing.assert_close(
        FeatureMatrix(features).similarities(centres), (centres.double() @ pixels_of(features).mT).float()
    )


@layouts
def test_single_pixels(layout: torch.memory_format) -> None:
    features = torch.randn(2, 256, 4, 5).to(memory_format=layout)
    pixels, rows = FeatureMatrix(features), features.flatten(2).transpose(1, 2)
    assert torch.equal(pixels.of(1, torch.tensor([7, 0])), rows[1, [7, 0]])
    assert torch.equal(pixels.one_each(torch.tensor([3, 19])), torch.stack([rows[0, 3], rows[1, 19]]))


@layouts
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32(layout: torch.memory_format, dtype: torch.dtype) -> None:
    features = torch.rand(2, 256, 16, 16).to(dtype).to(memory_format=layout) * 300
    weights, centres = torch.ones(2, 1, 256), torch.ones(2, 1, 256)
    pixels, expected = FeatureMatrix(features), pixels_of(features)
    torch.testing.assert_close(pixels.sums(weights), (weights.double() @ expected).float())
    torch.testing.assert_close(pixels.similarities(centres), (centres.double() @ expected.mT).float())
    torch.testing.assert_close(pixels.norms(), expected.square().sum(2).sqrt().float())


@layouts
def test_the_map_is_not_copied(layout: torch.memory_format) -> None:
    features = torch.zeros(2, 256, 4, 4).to(memory_format=layout)
    pixels = FeatureMatrix(features)
    features += 1
    assert pixels.sums(torch.ones(2, 1, 16)).eq(16).all()


@layouts
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_memory_beside_the_map_is_a_small_share_of_it(layout: torch.memory_format, dtype: torch.dtype) -> None:
    features = torch.zeros(4, 1024, 40, 40, dtype=dtype).to(memory_format=layout)
    centres, weights = torch.ones(4, 3, 1024), torch.ones(4, 3, 1600)
    with torch.profiler.profile(profile_memory=True) as profile:
        pixels = FeatureMatrix(features)
        pixels.norms(), pixels.similarities(centres), pixels.sums(weights)
    # The greatest single allocation, in bytes of float32.
    largest = max(event.self_cpu_memory_usage for event in profile.events())
    assert 0 < largest <= 0.15 * features.numel() * 4


@layouts
@pytest.mark.parametrize("view", [lambda x: x[:, :, :, 1:13], lambda x: x.transpose(2, 3)])
def test_a_map_of_neither_layout_is_copied_once(layout: torch.memory_format, view) -> None:
    features = view(torch.zeros(2, 256, 16, 16).to(memory_format=layout))
    centres, weights = torch.ones(2, 3, 256), torch.ones(2, 3, features[0, 0].numel())
    with torch.profiler.profile(profile_memory=True) as profile:
        pixels = FeatureMatrix(features)
        for _ in range(3):
            pixels.similarities(centres), pixels.sums(weights)
    copies = [event for event in profile.events() if event.self_cpu_memory_usage >= features.numel() * 4]
    assert len(copies) == 1

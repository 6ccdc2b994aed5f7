import pytest
import reference
import torch

from selfcontrast import spatial_pyramid


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

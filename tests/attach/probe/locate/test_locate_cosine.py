"""What an output is read off: it follows a comparison that is lowered at one pixel at that pixel alone."""

import pytest
import torch

from selfcontrast.attach.probe.locate.cosine import _side


@pytest.mark.parametrize(
    ("foreground", "elsewhere", "side"),
    [(-1.0, 0.0, 1), (1.0, 0.0, 0), (-1.0, -0.01, 1), (1.0, -0.01, 0), (-1.0, -0.2, None), (-1.0, -1.0, None)],
    ids=["falls", "rises", "falls much there", "rises much there", "follows everywhere", "follows alike"],
)
def test_the_side_of_a_comparison_is_told_by_its_own_pixel(
    foreground: float, elsewhere: float, side: int | None
) -> None:
    gap = torch.full((2, 2, 8, 8), elsewhere)
    gap[:, :, 2:4, 2:4] = torch.tensor([0.0, foreground])[:, None, None]
    assert _side(gap) == side

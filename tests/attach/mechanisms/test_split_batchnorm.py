from copy import deepcopy

import pytest
import torch
from torch import nn

from selfcontrast.attach.mechanisms.split_batchnorm import normalise_apart


@pytest.mark.parametrize("make", [lambda: nn.BatchNorm2d(3), lambda: nn.BatchNorm2d(3, momentum=None)])
def test_the_first_half_is_normalised_and_counted_as_if_alone(make) -> None:
    alone = make()
    nn.init.normal_(alone.weight)
    folded = deepcopy(alone)
    first, second = torch.randn(4, 3, 5, 5), 9 + 3 * torch.randn(4, 3, 5, 5)
    handles = normalise_apart(folded, 4)
    output = folded(torch.cat([first, second]))
    for handle in handles:
        handle.remove()
    assert torch.equal(output[:4], alone(first))
    assert all(torch.equal(*pair) for pair in zip(folded.buffers(), alone.buffers(), strict=True))
    torch.testing.assert_close(output[4:], deepcopy(alone)(second))
    assert torch.equal(folded(first), alone(first))


def test_calls_of_another_batch_and_frozen_layers_are_left_alone() -> None:
    live, frozen = nn.BatchNorm2d(2), nn.BatchNorm2d(2).eval()
    assert normalise_apart(frozen, 2) == []
    handles = normalise_apart(live, 2)
    images = torch.randn(3, 2, 4, 4)
    assert len(handles) == 2 and torch.equal(live(images), nn.BatchNorm2d(2)(images))

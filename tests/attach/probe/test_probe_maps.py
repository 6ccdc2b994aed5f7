"""Maps of a forward: which channels are constant over space, and which maps differ from one forward to the next."""

from dataclasses import replace

import pytest
import torch

from selfcontrast.attach.probe.maps import Map, Trace, differing


def map_of(low: float, high: float, noise: float = 0.0) -> Map:
    """A map of one channel."""
    values = torch.tensor([[[low, high, high, noise]]]).unbind(2)
    lowest, highest, print, noise_of_print = values
    return Map("module", 0, (), 0, 0, 1, True, False, (1, 1, 4, 4), print, lowest, highest, noise_of_print)


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
def test_a_channel_is_constant_up_to_a_share_of_its_size(size: float) -> None:
    assert map_of(size, size * (1 + 3e-6)).flat and map_of(-size, -size * (1 - 3e-6)).flat
    assert not map_of(size, size * (1 + 3e-5)).flat
    assert not map_of(0, 0).flat


@pytest.mark.parametrize(("noise", "differs"), [(0.0, True), (0.1, True), (0.2, True), (0.3, False), (9.0, False)])
def test_a_map_differs_by_more_than_two_equal_forwards_do(noise: float, differs: bool) -> None:
    one = map_of(0, 1, noise)
    other = replace(one, print=one.print + 1)
    assert differing(Trace(outputs=[one]), Trace(outputs=[other]), [one]) == [one] * differs
    assert differing(Trace(outputs=[one]), Trace(outputs=[replace(one)]), [one]) == []

"""What stands in the self-contrastive pass: the map, the countered prior, and the tensors beside the entry."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from selfcontrast import Doubled, Entry, InputError
from selfcontrast.attach.hooks import Hooks
from selfcontrast.attach.mechanisms.counterparts import change_doubled, counterpart, second_half

MAP = torch.arange(2 * 3 * 4 * 4).view(2, 3, 4, 4).float()


def merged(channels: int, size: int = 4) -> Tensor:
    return torch.randn(2, channels, size, size)


def complement(prior: Tensor) -> Tensor:
    return 1 - prior


@pytest.mark.parametrize(
    ("entry", "channels", "kept", "mapped", "countered"),
    [
        (Entry("m", "C:2C", "2C:"), 7, [(0, 3)], [(3, 6)], [(6, 7)]),
        # The prototype first, the prior between.
        (Entry("m", "0:3", "3:4"), 7, [(4, 7)], [(0, 3)], [(3, 4)]),
        (Entry("m", "4:7", "3:4"), 7, [(0, 3)], [(4, 7)], [(3, 4)]),
        # Twice the prototype; none at all; everything.
        (Entry("m", "C:3C", "3C:"), 11, [(0, 3)], [(3, 6), (6, 9)], [(9, 11)]),
        (Entry("m", None, "C:"), 5, [(0, 3)], [], [(3, 5)]),
        (Entry("m", "C:2C"), 8, [(0, 3), (6, 8)], [(3, 6)], []),
    ],
)
def test_map_and_prior_take_their_places(
    entry: Entry, channels: int, kept: list[tuple[int, int]], mapped: list[tuple[int, int]], countered: list
) -> None:
    given = merged(channels)
    found = counterpart(entry, given, MAP, complement)
    assert found.shape == given.shape
    assert all(torch.equal(found[:, slice(*place)], given[:, slice(*place)]) for place in kept)
    assert all(torch.equal(found[:, slice(*place)], MAP) for place in mapped)
    assert all(torch.equal(found[:, slice(*place)], 1 - given[:, slice(*place)]) for place in countered)


def test_a_prior_of_another_scale_is_countered_at_its_own() -> None:
    entry, given = Entry("m", "C:2C", "2C:", prior_scale=10.0), 10 * merged(7).sigmoid()
    torch.testing.assert_close(counterpart(entry, given, MAP, complement)[:, 6:], 10 - given[:, 6:])


@pytest.mark.parametrize("size", [2, 3, 8])
def test_a_map_of_another_size_mixes_no_two_prototypes(size: int) -> None:
    found = counterpart(Entry("m", "C:2C"), merged(6, size), MAP, complement)[:, 3:]
    assert found.shape == (2, 3, size, size)
    own = {tuple(column) for column in MAP[0].flatten(1).t().tolist()}
    assert all(tuple(column) in own for column in found[0].flatten(1).t().tolist())


def test_a_prototype_alone_becomes_the_map() -> None:
    assert torch.equal(counterpart(Entry("m", ":"), torch.randn(2, 3, 1, 1), MAP, complement), MAP)


def test_the_map_takes_the_entrys_type() -> None:
    assert counterpart(Entry("m", "C:2C"), merged(6).half(), MAP, complement).dtype == torch.float16


@pytest.mark.parametrize("place", ["C:C", "C:20", "0:4", "2C:C"])
def test_channels_that_hold_no_whole_prototype_are_refused(place: str) -> None:
    with pytest.raises(InputError, match=rf"entry m: expected prototype channels {place}"):
        counterpart(Entry("m", place), merged(6), MAP, complement)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.pair = Inner(), Pair()

    def forward(self, first: Tensor, second: Any = None) -> Any:
        return self.inner(first, other=second), self.pair(first)


class Inner(nn.Module):
    def forward(self, first: Tensor, other: Any) -> Any:
        return first, other


class Pair(nn.Module):
    def forward(self, value: Tensor) -> tuple[list[Tensor], Tensor]:
        return [value], value


def run(doubled: Doubled, *args: Any, **kwargs: Any) -> Any:
    hooks = Hooks(model := Model())
    arguments = list(args)
    change_doubled(model, (doubled,), lambda tensor, which: tensor + 10, hooks, arguments, kwargs)
    return model(*arguments, **kwargs)


ONE, TWO = torch.tensor(1.0), torch.tensor(2.0)


def test_an_argument_of_the_model_by_position_or_by_name() -> None:
    assert run(Doubled("", 1), ONE, TWO)[0][1] == run(Doubled("", 1), ONE, second=TWO)[0][1] == 12
    assert run(Doubled("", 0), ONE, TWO)[0] == (11, 2)


def test_an_argument_of_a_module_by_position_or_by_name() -> None:
    assert run(Doubled("inner", 0), ONE, TWO)[0] == (11, 2)
    assert run(Doubled("inner", 1), ONE, TWO)[0] == (1, 12)


def test_a_list_is_changed_item_by_item_and_none_stays_none() -> None:
    assert run(Doubled("inner", 1), ONE, [ONE, TWO])[0][1] == [11, 12]
    assert run(Doubled("inner", 1), ONE, None)[0][1] is None


def test_an_item_of_an_output() -> None:
    several, one = run(Doubled("pair[1]", None), ONE)[1]
    assert several[0] == 1 and one == 11
    several, one = run(Doubled("pair[0]", None), ONE)[1]
    assert several[0] == 11 and one == 1


@pytest.mark.parametrize("doubled", [Doubled("", 2), Doubled("inner", 5)])
def test_an_argument_that_is_not_given_is_named(doubled: Doubled) -> None:
    with pytest.raises(InputError, match=rf"host\.doubled: expected argument {doubled.argument} of '{doubled.call}'"):
        run(doubled, ONE, TWO)


def test_the_second_half_is_filled_as_the_host_says() -> None:
    given = torch.tensor([0.2, 0.7])
    assert second_half(given, Doubled("m", 0), torch.neg) is given
    assert torch.equal(second_half(given, Doubled("m", 0, fill="prior"), torch.neg), -given)
    assert second_half(given, Doubled("m", 0, fill=0.5), torch.neg).tolist() == [0.5, 0.5]

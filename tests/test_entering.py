"""What an entry's second half holds, and which features a reading takes."""

import pytest
import torch
from torch import Tensor, nn

from selfcontrast import Entry, InputError, SelfContrastiveAuxiliary
from selfcontrast.entering import Reading, check_rows, counterpart, pick_item
from selfcontrast.hooks import Hooks
from selfcontrast.host import Call

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


@pytest.mark.parametrize(
    ("text", "output"), [("m[0]", [MAP]), ("m['3']", {"3": MAP}), ("m[1][0]", (1, [MAP])), ("m", MAP)]
)
def test_the_named_item_is_picked(text: str, output: object) -> None:
    assert pick_item(output, Call.parse(text), "features") is MAP


@pytest.mark.parametrize(("text", "output"), [("m[2]", [MAP]), ("m['x']", {"3": MAP}), ("m", [MAP]), ("m[0]", None)])
def test_an_item_that_is_no_tensor_is_refused(text: str, output: object) -> None:
    with pytest.raises(InputError, match=r"host\.features: expected a tensor at m"):
        pick_item(output, Call.parse(text), "features")


def test_rows_are_asserted() -> None:
    check_rows("cls", MAP, (1, 2))
    with pytest.raises(InputError, match="host cls: expected a call with 1 or 4 rows, got 2"):
        check_rows("cls", MAP, (1, 4))


def reading(joint: bool, **given: Tensor) -> Reading:
    """One for two queries, after a forward in which modules of these names gave these tensors."""
    found = Reading(SelfContrastiveAuxiliary(num_prototypes=2), torch.zeros(2, 8, 8, dtype=torch.long))
    model = nn.ModuleDict({name: nn.Identity() for name in ("features", "high_level")})
    hooks = Hooks(model)
    found.watch(hooks, joint=joint, features="features", high_level="high_level")
    for name, tensor in given.items():
        model[name](tensor)
    hooks.remove()
    return found


def test_of_a_joint_pass_the_querys_rows_come_last() -> None:
    images = torch.randn(6, 3, 4, 4)
    found = reading(True, features=images, high_level=images)
    assert [found.rows_of(images[row : row + 1]) for row in range(6)] == [[]] * 4 + [[0], [1]]
    assert found.rows_of(images[4:]) == [0, 1] and found.rows_of(images[3:5]) == []
    # A view of the query lies in its memory, a copy does not.
    assert found.rows_of(images[4:].view(1, 2, 3, 4, 4)[:, 1]) == [1] and found.rows_of(images[4:].clone()) == []
    assert found.prepared.prototype_map.shape == (2, 3, 4, 4)


def test_rows_of_several_queries_an_episode_are_told_apart() -> None:
    images = torch.randn(8, 3, 4, 4)
    found = Reading(SelfContrastiveAuxiliary(), torch.zeros(4, 8, 8, dtype=torch.long))
    hooks = Hooks(model := nn.Sequential(nn.Identity()))
    found.watch(hooks, joint=True, features="0", high_level="0")
    model(images)
    episodes = images[4:].view(2, 2, 3, 4, 4)
    assert [found.rows_of(episodes[:, episode]) for episode in range(2)] == [[0, 2], [1, 3]]


def test_before_any_features_nothing_is_a_query() -> None:
    assert reading(True).rows_of(torch.zeros(1, 1)) == []


@pytest.mark.parametrize("missing", ["features", "high_level"])
def test_a_map_asked_for_too_early_names_what_is_missing(missing: str) -> None:
    found = reading(False, **{"high_level" if missing == "features" else "features": torch.randn(2, 3, 4, 4)})
    with pytest.raises(InputError, match=rf"host\.{missing}: expected a call that comes before the comparison starts"):
        _ = found.prepared


def test_the_map_is_made_once() -> None:
    found = reading(False, features=torch.randn(2, 3, 4, 4), high_level=torch.randn(2, 5, 2, 2))
    assert found.prepared is found.prepared

"""Prototypes that differ from pixel to pixel: where else they stand, once one is found."""

import pytest
import torch
from maps_by_hand import QUERY, SUPPORT, map_of

from selfcontrast.attach.probe.locate.comparison import Comparison, Roles
from selfcontrast.attach.probe.locate.features import Placed
from selfcontrast.attach.probe.locate.palettes import _asked, _beside, _colours, _shared
from selfcontrast.attach.probe.maps import Trace

PLACE = slice(4, 8)


def test_a_later_module_of_the_same_list_holds_them_too() -> None:
    one = map_of("heads.0", started=2)
    beside = map_of("heads.1", started=3)
    others = [
        map_of("tails.1", started=3),
        map_of("heads.2", started=1),
        map_of("heads.3", (2, 9, 4, 4), started=3),
        map_of("heads.4", started=3, turn=1),
        map_of("heads.5", started=3, hooked=False),
    ]
    placed = {one.key: Placed(map_of("encoder"), slice(0, 4))}
    found = _beside(Trace(inputs=[one, *others, beside]), [one], {one.key: [PLACE]}, placed)
    assert found == {beside.key: [PLACE]} and placed[beside.key] is placed[one.key]


@pytest.mark.parametrize("alone", [True, False])
def test_they_could_stand_at_either_end_of_what_follows_the_support(alone: bool) -> None:
    support = torch.arange(20) >= 4
    one = map_of(shape=(2, 20, 4, 4), query=~support if alone else True, support=support)
    features = Placed(map_of("encoder", (2, 4, 4, 4)), slice(0, 4))
    comparison = Comparison([one], Roles((QUERY,), (SUPPORT,)))
    assert _asked(one, comparison, features, {one.key: features}) == [slice(4, 8), slice(16, 20)]
    unhooked = map_of(shape=(2, 20, 4, 4), support=support, hooked=False)
    single = map_of(shape=(1, 20, 4, 4), support=support)
    assert _asked(unhooked, comparison, features, {}) == _asked(single, comparison, features, {}) == []


def chosen(*vectors: tuple[float, float]) -> torch.Tensor:
    """(1, 2, 4, 4): each pixel has one of these vectors."""
    return torch.tensor(vectors).repeat(16, 1)[:16].T.reshape(1, 2, 4, 4)


ONE, TWO, THREE = (1.0, 0.0), (0.0, 1.0), (2.0, 2.0)


def test_few_vectors_are_two_of_sixteen_pixels_in_every_image() -> None:
    assert _colours(chosen(ONE, TWO))
    assert not _colours(chosen(ONE, TWO, THREE))
    assert not _colours(torch.cat([chosen(ONE), chosen(ONE, TWO, THREE)]))


def test_another_query_chooses_among_the_same_vectors_in_every_image() -> None:
    assert _shared(chosen(ONE, TWO), chosen(TWO, THREE))
    assert not _shared(chosen(ONE), chosen(TWO))
    assert not _shared(chosen(ONE, TWO).repeat(2, 1, 1, 1), torch.cat([chosen(ONE), chosen(THREE)]))

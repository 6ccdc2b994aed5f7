"""Which map gives the features, and which the deepest ones of the query."""

import pytest
import torch
from maps_by_hand import QUERY, SUPPORT, map_of

from selfcontrast.attach.probe.locate.comparison import LEAST, Roles
from selfcontrast.attach.probe.locate.features import (
    Placed,
    _begins_with,
    find_high_level,
    last_rows_of_query,
    widest_alike,
)
from selfcontrast.attach.probe.maps import Map, Trace

ROLES = Roles((QUERY,), (SUPPORT,))
WHOLE = map_of(shape=(2, 3 * LEAST, 4, 4))
FIRST = WHOLE.print[:, :LEAST]


@pytest.mark.parametrize(
    ("one", "begins"),
    [
        (map_of(shape=(2, LEAST, 4, 4), print=FIRST), True),
        (map_of(shape=(2, LEAST, 2, 2), print=FIRST), False),
        (map_of(shape=(1, LEAST, 4, 4), print=FIRST[:1]), False),
        (map_of(shape=(2, LEAST, 4, 4), print=FIRST + 1), False),
        (map_of(shape=(2, LEAST - 1, 4, 4), print=FIRST[:, 1:]), False),
        (WHOLE, False),
    ],
    ids=["its first channels", "another grid", "other rows", "other values", "too few", "itself"],
)
def test_a_map_begins_with_another(one: Map, begins: bool) -> None:
    assert _begins_with(WHOLE, one) is begins


def test_the_deepest_map_has_no_pooled_copies_behind_it() -> None:
    inner = map_of("layer4", shape=(2, LEAST, 4, 4), print=FIRST)
    late = map_of("head", shape=(2, 2 * LEAST, 4, 4), started=9)
    unsure: list[str] = []
    found = find_high_level(Trace(outputs=[inner, WHOLE, late]), 5, ROLES, 2, False, unsure)
    assert (
        found is inner
        and f"high_level is layer4, the last map of the query alone with the most channels ({LEAST})" in unsure[0]
    )


@pytest.mark.parametrize(
    ("query", "support", "last"),
    [
        ([False, True], [True, False], True),
        ([False, True], [False, False], True),
        ([False, True], [True, True], False),
        ([True, True], [True, False], True),
        ([True, True], [False, False], False),
        ([True, False], [False, True], False),
    ],
)
def test_the_last_rows_are_the_querys(query: list[bool], support: list[bool], last: bool) -> None:
    follows = [torch.tensor(rows)[:, None] for rows in (query, support)]
    assert last_rows_of_query(map_of(query=follows[0], support=follows[1]), ROLES, 1) is last


def placed(outputs: list[Map], grid: tuple[int, int]) -> Placed | None:
    """What stands in the first channels of an input, the query's, beside as many of the support's."""
    query = torch.arange(2 * LEAST) < LEAST
    entry = map_of("head", shape=(2, 2 * LEAST, *grid), print=WHOLE.print[:, : 2 * LEAST], started=9)
    entry.changed = {QUERY: query.expand(2, -1), SUPPORT: ~query.expand(2, -1)}
    return widest_alike(Trace(outputs=outputs), ROLES, entry)


@pytest.mark.parametrize("grid", [(2, 2), (1, 40)])
def test_features_on_a_grid_of_any_size_are_found(grid: tuple[int, int]) -> None:
    one = map_of("query_side", shape=(2, LEAST, *grid), print=FIRST)
    assert placed([one], grid) == Placed(one, slice(0, LEAST))


def test_a_map_that_follows_the_support_too_is_no_features_of_the_query() -> None:
    """A mixing module that still does nothing gives the features back, with the faintest trace of the support."""
    one = map_of("query_side", shape=(2, LEAST, 4, 4), print=FIRST)
    mixed = map_of("mixing", shape=(2, LEAST, 4, 4), print=FIRST, started=5, support=True)
    assert placed([one, mixed], (4, 4)) == Placed(one, slice(0, LEAST))

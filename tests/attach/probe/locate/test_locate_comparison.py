"""Where a comparison starts, and what stands behind its start."""

import pytest
from maps_by_hand import QUERY, SUPPORT, map_of

from selfcontrast.attach.probe.locate.comparison import Comparison, Roles, every_call, support_beside
from selfcontrast.attach.probe.maps import Trace


@pytest.mark.parametrize(
    ("name", "started", "hooked", "beside"),
    [
        ("attend", 6, True, ["attend"]),
        ("merge.attend", 6, True, []),
        ("merges.attend", 6, True, ["merges.attend"]),
        ("attend", 4, True, []),
        ("attend", 6, False, []),
    ],
    ids=["behind", "inside", "of a longer name", "before", "called by its forward"],
)
def test_modules_behind_the_start_that_are_given_the_support_too(
    name: str, started: int, hooked: bool, beside: list[str]
) -> None:
    comparison = Comparison([map_of("merge", started=5)], Roles((QUERY,), (SUPPORT,)))
    given = [
        map_of(name, started=started, hooked=hooked, support=True),
        map_of(name, started=started, hooked=hooked, query=False, support=True),
    ]
    assert support_beside(Trace(inputs=given), comparison) == beside


@pytest.mark.parametrize(
    ("texts", "written"),
    [
        (["head#0[1]", "head#1[1]"], ["head[1]"]),
        (["head#0[1]", "head#0[2]"], ["head#0[1]", "head#0[2]"]),
        (["head#0", "head#1"], ["head"]),
        (["head#1"], ["head#1"]),
        (["last[0]"], ["last[0]"]),
    ],
)
def test_calls_lose_their_number_where_each_is_among_them_and_keep_their_item(
    texts: list[str], written: list[str]
) -> None:
    assert every_call(Trace(calls={"head": 2, "last": 1}), texts) == written

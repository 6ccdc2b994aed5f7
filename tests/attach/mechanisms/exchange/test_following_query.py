"""What is made of the query's features alone: its images, its channels, and the same made of the map."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from selfcontrast.attach.mechanisms.exchange.following_query import QueryFollower, _first_index

B, C, SIDE = 2, 6, 3
MAP = torch.randn(B, C, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


class Following(TorchFunctionMode):
    """A context that follows features from its start on."""

    def __init__(self, features: Tensor, its_map: Tensor = MAP, channels: int = 1) -> None:
        super().__init__()
        self.follower = QueryFollower(B)
        self.follower.begin("encoder", features, channels, lambda: its_map)

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        self.follower.follow(func, args, kwargs or {}, output)
        return output


def features(supports: int = 0) -> Tensor:
    return torch.randn(supports + B, C, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


ALONE: dict[str, Callable[[Tensor], Tensor]] = {
    "normalise": F.normalize,
    "division by its norm": lambda one: one.div(one.norm(dim=1, keepdim=True).clamp(min=1e-4).expand_as(one)),
    "division by the largest of all": lambda one: one / one.abs().amax((0, 1, 2, 3), True),
    "division by a number": lambda one: one / one.abs().amax(),
    "tokens": lambda one: one.flatten(2).transpose(1, 2).contiguous(),
    "one row of pixels": lambda one: one.permute(0, 2, 3, 1).reshape(-1, C),
    "an image": lambda one: one[1],
    "an axis more": lambda one: one[:, None],
    "half of a normalised one": lambda one: F.normalize(one)[:1],
    "resized": lambda one: F.interpolate(one, scale_factor=2.0, mode="bilinear"),
    "another type": lambda one: one.double(),
    "changed in place": lambda one: F.normalize(one).mul_(3.0),
    "pieces joined": lambda one: torch.cat([one[1:] * 2, one[:1]]),
    "one of several": lambda one: one.flatten(2).clone().unbind(2)[4],
    "picked by an index": lambda one: one.flatten(2)[:, :, torch.tensor([0, 4])],
}


@pytest.mark.parametrize("way", ALONE)
def test_what_is_made_of_the_features_alone_has_a_counterpart_of_the_map(way: str) -> None:
    its_map, own = MAP.clone(), features()
    with Following(own, its_map) as following:
        made = ALONE[way](own)
    known = following.follower.known(made)
    assert known is not None
    torch.testing.assert_close(known.counterpart(), ALONE[way](MAP))
    assert torch.equal(its_map, MAP)


@pytest.mark.parametrize(
    ("way", "rows", "channels"),
    [
        ("tokens", (0, 1), 2),
        ("one row of pixels", (0, 1), 1),
        ("an image", (1,), 0),
        ("an axis more", (0, 1), 2),
        ("half of a normalised one", (0,), 1),
        ("pieces joined", (1, 0), 1),
    ],
)
def test_its_images_and_its_channels_are_known(way: str, rows: tuple[int, ...], channels: int) -> None:
    own = features()
    with Following(own) as following:
        made = ALONE[way](own)
    known = following.follower.known(made)
    assert known is not None and (known.rows, known.channels) == (rows, channels)


def test_images_of_several_queries_an_episode_keep_their_order() -> None:
    own = torch.randn(6, C, SIDE, SIDE)
    follower = QueryFollower(6)
    follower.begin("encoder", own, 1, lambda: own)
    # Three queries of two episodes each: those of the second episode are every other image.
    known = follower.known(own.view(3, 2, C, SIDE, SIDE)[:, 1])
    assert known is not None and known.rows == (1, 3, 5)


OTHER: dict[str, Callable[[Tensor], Tensor]] = {
    "masked": lambda one: one * torch.ones(B, 1, SIDE, SIDE),
    "a learned layer's": lambda one: nn.Conv2d(C, C, 1)(one),
    "filled by another": lambda one: torch.zeros_like(one).copy_(torch.ones(B, C, SIDE, SIDE)),
    "normalised, then changed by another": lambda one: F.normalize(one).add_(torch.ones(C, 1, 1)),
    "beside the features": lambda one: torch.ones(B, C, SIDE, SIDE),
}


@pytest.mark.parametrize("way", OTHER)
def test_what_something_else_takes_part_in_is_not_followed(way: str) -> None:
    own = features()
    with Following(own) as following:
        made = OTHER[way](own)
    assert following.follower.known(made) is None


JOINT: dict[str, Callable[[Tensor], Tensor]] = {
    "rows": lambda one: one,
    "normalised together": F.normalize,
    "divided together": lambda one: one / one.norm(dim=1, keepdim=True),
    "tokens made together": lambda one: one.flatten(2).transpose(1, 2).contiguous() * 2,
}


@pytest.mark.parametrize("way", JOINT)
def test_of_a_joint_pass_the_last_rows_are_the_query_s(way: str) -> None:
    own = features(supports=3)
    with Following(own) as following:
        made = JOINT[way](own)
        support, query, second = made[:3], made[3:], made[4:]
    assert following.follower.known(made) is None and following.follower.known(support) is None
    known, last = following.follower.known(query), following.follower.known(second)
    assert known is not None and known.rows == (0, 1) and last is not None and last.rows == (1,)
    torch.testing.assert_close(known.counterpart(), JOINT[way](MAP))
    torch.testing.assert_close(last.counterpart(), JOINT[way](MAP)[1:])


def test_features_with_other_channels_between_their_rows_are_not_mixed_with_these() -> None:
    both = torch.randn(B, 2 * C, SIDE, SIDE)
    own, beside = both.chunk(2, 1)
    with Following(own) as following:
        again = own.permute(0, 2, 3, 1)
    assert following.follower.known(beside) is None and following.follower.known(both) is None
    known = following.follower.known(again)
    assert known is not None and known.channels == 3
    assert torch.equal(known.counterpart(), MAP.permute(0, 2, 3, 1))


def test_a_later_call_of_the_features_replaces_an_earlier_one() -> None:
    first, second = features(), torch.randn(B, C, SIDE, SIDE)
    with Following(first) as following:
        unit = F.normalize(first)
        following.follower.begin("encoder", second, 1, lambda: MAP)
    assert following.follower.known(unit) is None and following.follower.known(second) is not None


def test_gradients_run_through_the_counterpart() -> None:
    its_map, own = MAP.clone().requires_grad_(), features()
    with Following(own, its_map) as following:
        made = F.normalize(own)[1:].permute(0, 2, 3, 1)
    known = following.follower.known(made)
    assert known is not None
    known.counterpart().square()[..., 0].sum().backward()
    expected = MAP.clone().requires_grad_()
    F.normalize(expected)[1:, 0].square().sum().backward()
    torch.testing.assert_close(its_map.grad, expected.grad)


@pytest.mark.parametrize(
    ("size", "stride", "offset", "index"),
    [
        ((2, 3, 4), (12, 4, 1), 16, 1),
        # One channel, channels last: its axis is one entry long and has the stride of the last one.
        ((2, 1, 2, 2), (4, 1, 2, 1), 5, 1),
        # Expanded: the same memory in each row.
        ((3, 2), (0, 1), 1, 0),
        ((2, 2), (2, 1), 4, None),
        # Between two entries.
        ((2, 2), (4, 2), 1, None),
    ],
)
def test_the_row_of_an_offset(size: tuple[int, ...], stride: tuple[int, ...], offset: int, index: int | None) -> None:
    assert _first_index(torch.empty(64).as_strided(size, stride), offset) == index

"""The pass against a whole second forward, and the name of an exit that gives no logits."""

import pytest
import torch
from followers import Base, Checkpointed, checked, host, line
from torch import Tensor, nn
from torch.nn import functional as F

from selfcontrast import Entry, Exit, Host, InputError

CLAIM = "the pass equals an explicit second comparison"


class Mixing(Base):
    """It centres what it merged over all rows, so that the pass sees the host's rows in a fold."""

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        merged = self.merge(torch.cat(self.both(query, support), 1))
        return self.head(merged - merged.mean(0, keepdim=True))


class TwoHeads(Base):
    """Heads of one channel, joined after they ran; the background's sees its own prototype."""

    def __init__(self) -> None:
        super().__init__()
        self.fg, self.bg, self.criterion = nn.Conv2d(16, 1, 1), nn.Conv2d(16, 1, 1), nn.CrossEntropyLoss()

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        features, prototype = self.both(query, support)
        pair = self.bg(torch.cat([features, 1 - prototype], 1)), self.fg(torch.cat([features, prototype], 1))
        return self.criterion(F.interpolate(torch.cat(pair, 1), mask.shape[1:]), mask)


def two_heads(*exits: Exit, **others: object) -> Host:
    entries = Entry("fg", "C:2C"), Entry("bg", "C:2C", holds="background" if others else "foreground")
    return Host("encoder#0", "deep", entries, exits, mask="mask", **others)


def test_a_pass_that_sees_the_hosts_rows_is_found() -> None:
    with pytest.raises(InputError, match=f"FAIL {CLAIM}: relative difference"):
        checked(Mixing())


@pytest.mark.parametrize("mechanism", ["fold", "replay"])
def test_a_pass_that_is_right_is_bit_equal(mechanism: str) -> None:
    assert line(checked(Base(), host(mechanism=mechanism)), CLAIM) == (CLAIM, True, "bit-equal")


def test_an_exit_that_gives_one_channel_is_named_with_the_way_out() -> None:
    said = (
        r"host\.exits bg: expected logits of shape \(2, 2, h, w\), background before foreground, got \(2, 1, 8, 8\); "
        r"two one-channel heads joined by cat\? read the logits off the criterion's argument: "
        r"Exit\('criterion#0', argument=0\)"
    )
    with pytest.raises(InputError, match=said):
        checked(TwoHeads(), two_heads(Exit("bg"), Exit("fg")))
    report = checked(TwoHeads(), two_heads(Exit("criterion#0", argument=0), mechanism="replay"))
    assert all(finding.holds for finding in report)


def test_an_exit_that_gives_features_is_named() -> None:
    with pytest.raises(InputError, match=r"host\.exits merge: expected logits .* got \(2, 8, 8, 8\); name the module"):
        checked(Base(), host(exits=(Exit("merge"),)))


@pytest.mark.parametrize("reentrant", [None, True, False])
def test_a_part_that_is_computed_again_is_compared_too(reentrant: bool | None) -> None:
    report = checked(Checkpointed(reentrant))
    assert all(finding.holds for finding in report)
    assert line(report, "L2's gradient equals").holds

"""Descriptions that name the wrong tensors: each mistake is found, with what it follows and the likely fix."""

import pytest
import torch
from followers import MASK, QUERY, SUPPORT, Base, Prior, SupportStays, attached, checked, host, line
from torch import Tensor, nn

from selfcontrast import Entry, Host, InputError

SAME = "features and high_level follow the same images"
EXCHANGED = "what the pass exchanges follows the other images"
REST = "and the logits of the pass follow these no more"


def test_a_right_description_names_the_images() -> None:
    report = checked(Prior(), host(Entry("merge", "C:2C", "2C:")))
    assert line(report, SAME) == (SAME, True, "query")
    assert line(report, EXCHANGED) == (EXCHANGED, True, "support")
    assert line(report, REST) == (REST, True, "none follows support")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (
            host(features="encoder#1"),
            f"FAIL {SAME}: features (encoder#1) follow support, high_level (deep) follows query: features='encoder#0'?",
        ),
        (
            host(high_level="encoder#1"),
            f"FAIL {SAME}: features (encoder#0) follow query, high_level (encoder#1) follows support: "
            "features='encoder#1'?",
        ),
        (
            host(Entry("merge", ":C")),
            f"FAIL {EXCHANGED}: :C of merge follows query, as the features do; C: follows support alone: "
            "prototype='C:'?",
        ),
        (
            host(Entry("merge", "4:12")),
            f"FAIL {EXCHANGED}: 4:12 of merge partly follows query, as the features do; C: follows support alone",
        ),
        (
            host(Entry("merge", "C:2C", ":C")),
            f"FAIL {EXCHANGED}: prior :C of merge follows query alone: no prior of a support",
        ),
        (
            host(Entry("merge", ":C"), features="encoder#1", high_level="encoder#1"),
            f"FAIL {EXCHANGED}: :C of merge varies over the image, and C:, which follows support, does not: are "
            "features and high_level those of the support?",
        ),
    ],
)
def test_a_mistake_fails_with_what_is_followed_and_the_likely_fix(where: Host, said: str) -> None:
    with pytest.raises(InputError) as it:
        checked(Base(), where)
    assert said in str(it.value)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Prior, "2C: of merge follows them: a prior? then write prior='2C:'"),
        (SupportStays, "2C: of merge follows them alone: another prototype, or features?"),
    ],
)
def test_what_of_the_support_stays_is_named_and_unproven(model: type[Base], said: str) -> None:
    assert line(checked(model()), REST) == (REST, None, said)


def test_a_prior_of_few_channels_that_hardly_depends_on_the_support_is_unproven() -> None:
    class Confident(Prior):
        def merged(self, features: Tensor, prototype: Tensor, support: Tensor) -> Tensor:
            return torch.cat([features, prototype, features.mean(1, keepdim=True).sigmoid()], 1)

    found = line(checked(Confident(), host(Entry("merge", "C:2C", "2C:"))), EXCHANGED)
    assert found == (EXCHANGED, None, "prior 2C: of merge follows query alone: no prior of a support")


def test_a_support_that_comes_in_by_plain_code_is_unproven() -> None:
    class Behind(Base):
        def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
            return self.head(self.merge(torch.cat(self.both(query, support), 1)) * support.mean().exp())

    found = line(checked(Behind()), REST)
    assert found.holds is None and "by a way that the host does not name" in found.figure


def test_an_entry_behind_another_may_hold_what_that_one_made_of_the_support() -> None:
    class Rounds(Base):
        def __init__(self) -> None:
            super().__init__()
            self.again = nn.Conv2d(16, 8, 1)

        def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
            features, prototype = self.both(query, support)
            merged = self.merge(torch.cat([features, prototype], 1))
            return self.head(self.again(torch.cat([merged, prototype], 1)))

    described = Host("encoder#0", "deep", (Entry("merge"), Entry("again")), host().exits, "mask", "replay")
    assert line(checked(Rounds(), described), REST).holds


def test_features_and_prototypes_made_of_both_images_are_unproven() -> None:
    class Attending(Base):
        def __init__(self) -> None:
            super().__init__()
            self.gated = nn.Identity()

        def both(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
            features, prototype = super().both(query, support)
            return self.gated(features * prototype), prototype * features.mean((2, 3), keepdim=True)

    report = checked(Attending(), host(features="gated"))
    assert "follow query, support, high_level (deep) follows query" in line(report, SAME).figure
    assert line(report, EXCHANGED).figure == "C:2C of merge follows query, support: a prototype made of both?"
    assert [line(report, claim).holds for claim in (SAME, EXCHANGED, REST)] == [None, None, None]


def test_images_that_no_map_tells_apart_leave_all_three_open() -> None:
    class Averaged(Base):
        def both(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
            return super().both(query + support, support)

    report = checked(Averaged())
    assert line(report, SAME).figure == "both follow query, support: query and support cannot be told apart"
    assert [line(report, claim).holds for claim in (SAME, EXCHANGED, REST)] == [None, None, None]


def test_one_tensor_of_query_and_support_leaves_all_three_open() -> None:
    class One(Base):
        def forward(self, both: Tensor, mask: Tensor) -> Tensor:
            return super().forward(both[:, 0], both[:, 1], mask)

    report = attached(One()).check(torch.stack([QUERY, SUPPORT], 1), MASK)
    figures = {line(report, claim).figure for claim in (SAME, EXCHANGED, REST)}
    assert figures == {"support and query come in one tensor, so that none can be changed alone"}


def test_the_supports_mask_in_the_place_of_the_querys_is_asked_about() -> None:
    class Pooled(Base):
        def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
            features, _ = self.both(query, support)
            inside = nn.functional.interpolate(mask[:, None].float(), features.shape[2:])
            prototype = (self.encoder(support) * inside).mean((2, 3), keepdim=True).expand_as(features)
            return self.head(self.merge(torch.cat([features, prototype], 1)))

    found = line(checked(Pooled()), EXCHANGED)
    assert found == (EXCHANGED, None, "C:2C of merge follows mask too: is this the support's mask?")


def test_silent_channels_do_not_split_a_range() -> None:
    class Silent(SupportStays):
        def merged(self, features: Tensor, prototype: Tensor, support: Tensor) -> Tensor:
            kept = torch.ones(24)
            kept[[16, 18, 23]] = 0
            return super().merged(features, prototype, support) * kept[:, None, None]

    assert line(checked(Silent()), REST).figure.startswith("2C: of merge follows them alone")

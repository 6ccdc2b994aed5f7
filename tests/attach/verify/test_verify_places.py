"""Which images each named tensor follows."""

import pytest
import torch
from followers import MASK, QUERY, SUPPORT, Base, Prior, attached, host
from torch import Tensor, nn

from selfcontrast import Attachment, Doubled, Entry
from selfcontrast.attach.verify.forwards import Batch
from selfcontrast.attach.verify.places import Followed, Place, flat, follow


def followed(model: nn.Module, attachment: Attachment | None = None, *batch: Tensor) -> Followed | str:
    attachment = attachment or attached(model)
    given = batch or (QUERY, SUPPORT, MASK)
    model(*given)
    return follow(attachment, Batch(given, {}))


def test_features_entries_and_logits_follow_their_images() -> None:
    found = followed(Prior())
    assert isinstance(found, Followed)
    assert found.names == ["query", "support", "mask"] and found.images == 2
    (entry,) = found.places("entry")
    assert found.of(Place("features", "encoder#0")) == {0} and found.of(Place("high_level", "deep")) == {0}
    assert found.follows[entry][0].tolist() == [True] * 8 + [False] * 8 + [True]
    assert found.follows[entry][1].tolist() == [False] * 8 + [True] * 9
    assert not found.follows[entry][2].any()
    assert found.of(found.places("logits")[0]) == {0, 1}, "the prior was not named"
    calls = {place.name: found.of(place) for place in found.places("call")}
    assert calls == {"encoder#0": {0}, "encoder#1": {1}, "deep#0": {0}}


def test_the_logits_of_the_exchange_follow_the_query_alone() -> None:
    model = Prior()
    found = followed(model, attached(model, host(Entry("merge", "C:2C", "2C:"))))
    assert isinstance(found, Followed) and found.of(found.places("logits")[0]) == {0}


def test_live_batch_normalisation_lets_no_image_affect_another() -> None:
    class Joint(Base):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.BatchNorm2d(8))
            self.first = nn.Identity()

        def both(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
            features, shown = self.encoder(torch.cat([query, support])).chunk(2)
            features = self.first(features)
            self.deep(features)
            return features, shown.mean((2, 3), keepdim=True).expand_as(features)

    model = Joint()
    found = followed(model, attached(model, host(features="first")))
    assert isinstance(found, Followed) and found.of(Place("features", "first")) == {0}
    assert model.encoder[1].training


def test_what_stays_beside_the_entry_is_followed() -> None:
    class Beside(Base):
        def __init__(self) -> None:
            super().__init__()
            self.join = nn.Bilinear(1, 1, 1)
            self.join.forward = lambda merged, shown: merged + shown

        def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
            merged = self.merge(torch.cat(self.both(query, support), 1))
            return self.head(self.join(merged, self.encoder(support)))

    model = Beside()
    found = followed(model, attached(model, host(doubled=(Doubled("join", 1),))))
    assert isinstance(found, Followed)
    assert [(place.name, found.of(place)) for place in found.places("doubled")] == [("argument 1 of join", {1})]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ((QUERY, torch.rand(2, 4, 32, 32), MASK), "support and query come in one tensor"),
        ((torch.rand(2, 4, 32, 32), torch.rand(2, 4, 32, 32), MASK), "no argument holds images (..., 3, H, W)"),
    ],
)
def test_images_that_cannot_be_changed_alone_are_a_reason(given: tuple[Tensor, ...], reason: str) -> None:
    class Cropped(Base):
        def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
            return super().forward(query[:, :3], support[:, :3], mask)

    found = followed(Cropped(), None, *given)
    assert isinstance(found, str) and found == f"{reason}, so that none can be changed alone"


def test_a_host_that_fails_on_another_image_is_a_reason() -> None:
    class Picky(Base):
        def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
            if not torch.equal(support, SUPPORT):
                raise ValueError("unknown support")
            return super().forward(query, support, mask)

    found = followed(Picky())
    assert found == "the host fails when one image is changed: ValueError: unknown support"


def test_flat_channels_are_the_same_everywhere_in_each_image() -> None:
    tensor = torch.stack([torch.rand(2, 4, 4), torch.rand(2, 1, 1).expand(2, 4, 4), torch.zeros(2, 4, 4)], 1)
    assert flat(tensor).tolist() == [False, True, True]

"""Heads that are joined after they ran: logits are read off what the criterion gets, prototypes change sides."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selfcontrast import Attachment, Entry, Exit, Host, InputError, SelfContrastiveAuxiliary

QUERY, SUPPORT = (torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
MASK = torch.zeros(2, 32, 32, dtype=torch.long)
MASK[:, 8:24, 8:24] = 1
ENTRIES = (Entry("fg", "C:2C", prior="2C:"), Entry("bg", "C:2C", holds="background"))
HOST = Host(
    "encoder", "deep", ENTRIES, (Exit("criterion#0", argument=0),), "y", mechanism="replay", criterion="criterion"
)


class TwoBranches(nn.Module):
    """One head of one channel for the foreground, one for the background, which runs first."""

    def __init__(self, by_name: bool = False) -> None:
        super().__init__()
        self.encoder, self.deep = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 16, 1)
        self.fg, self.bg, self.criterion = nn.Conv2d(17, 1, 1), nn.Conv2d(16, 1, 1), nn.CrossEntropyLoss()
        self.by_name = by_name

    def compare(self, features: Tensor, foreground: Tensor, background: Tensor, prior: Tensor) -> Tensor:
        background_score = self.bg(torch.cat([features, background], 1))
        merged = torch.cat([features, foreground, prior], 1)
        return torch.cat([background_score, self.fg(input=merged) if self.by_name else self.fg(merged)], 1)

    def encode(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.encoder(query)
        self.deep(features)
        prototype = self.encoder(support).mean((2, 3), keepdim=True).expand_as(features)
        return features, prototype, torch.sigmoid((features * prototype).sum(1, True))

    def forward(self, query: Tensor, support: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        features, prototype, prior = self.encode(query, support)
        logits = F.interpolate(self.compare(features, prototype, 1 - prototype, prior), y.shape[1:])
        loss = self.criterion(input=logits, target=y) if self.by_name else self.criterion(logits, y)
        return logits.max(1)[1], loss + 0.1 * self.criterion(2 * logits, y)


def attached(model: nn.Module, host: Host = HOST) -> Attachment:
    torch.manual_seed(0)
    return SelfContrastiveAuxiliary(weight=1.0, generator=torch.Generator().manual_seed(0)).attach(model, host)


@pytest.mark.parametrize("by_name", [False, True], ids=["by position", "by name"])
def test_the_pass_is_the_criterion_s_own_loss_of_the_exchanged_prototypes(by_name: bool) -> None:
    model = TwoBranches(by_name)
    attachment = attached(model)
    loss = attachment.blend(model(QUERY, SUPPORT, MASK)[1])
    contrast = attachment.contrast
    assert contrast is not None
    features, prototype, prior = model.encode(QUERY, SUPPORT)
    logits = model.compare(features, contrast.prototype_map, prototype, torch.full_like(prior, 0.5))
    whole = F.interpolate(logits, MASK.shape[1:])
    torch.testing.assert_close(contrast.logits, whole)
    torch.testing.assert_close(loss, F.cross_entropy(whole, contrast.target, ignore_index=255))


def test_its_check_passes_and_leaves_the_second_call_of_the_criterion_alone() -> None:
    report = attached(TwoBranches()).check(QUERY, SUPPORT, MASK)
    assert not [finding for finding in report if finding.holds is False]


def test_a_background_entry_is_refused_in_a_fold() -> None:
    with pytest.raises(InputError, match=r"host\.mechanism: expected replay.*got fold; .*mechanism='replay'"):
        attached(TwoBranches(), Host("encoder", "deep", ENTRIES, (Exit("criterion#0", argument=0),), "y"))


class Judged(TwoBranches):
    """Only the loss leaves it, so that nothing is doubled behind the criterion."""

    def forward(self, query: Tensor, support: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        features, prototype, prior = self.encode(query, support)
        scores = [
            1 - self.fg(torch.cat([features, prototype, prior], 1)),
            self.fg(torch.cat([features] * 2 + [prior], 1)),
        ]
        return self.criterion(F.interpolate(torch.cat(scores[:1] * 2, 1), y.shape[1:]), y)


def test_a_fold_takes_the_logits_out_of_what_the_criterion_gets() -> None:
    host = Host("encoder", "deep", (Entry("fg", "C:2C", "2C:"),), (Exit("criterion", argument=0),), "y")
    plain, model = Judged(), Judged()
    model.load_state_dict(plain.state_dict())
    attachment = attached(model, host)
    assert torch.equal(model(QUERY, SUPPORT, MASK), plain(QUERY, SUPPORT, MASK))
    assert attachment.contrast is not None and attachment.contrast.logits.shape == (2, 2, 32, 32)


@pytest.mark.parametrize(
    ("exit", "sentence"),
    [
        (Exit("criterion#0", argument=5), r"host\.exits: expected argument 5 of 'criterion#0'"),
        (Exit("criterion#7", argument=0), r"calls of criterion#7 in a training forward, got none"),
    ],
)
def test_an_argument_that_is_not_there_is_named(exit: Exit, sentence: str) -> None:
    model = TwoBranches()
    attachment = attached(model, Host("encoder", "deep", ENTRIES, (exit,), "y", mechanism="replay"))
    with pytest.raises(InputError, match=sentence):
        attachment.blend(model(QUERY, SUPPORT, MASK)[1])


class Scales(nn.Module):
    """Each scale compares features of its own, and the deeper ones have more channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.fine, self.coarse = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 12, 2, 2)
        self.deep, self.merge = nn.Conv2d(8, 16, 1), nn.ModuleList([nn.Conv2d(16, 4, 1), nn.Conv2d(24, 4, 1)])
        self.head = nn.Conv2d(8, 2, 1)

    def merged(self, features: list[Tensor], prototypes: list[Tensor]) -> Tensor:
        own = [
            merge(torch.cat([one, prototype.expand_as(one)], 1))
            for merge, one, prototype in zip(self.merge, features, prototypes, strict=True)
        ]
        return self.head(torch.cat([own[0], F.interpolate(own[1], own[0].shape[2:])], 1))

    def features(self, image: Tensor) -> list[Tensor]:
        stem = self.stem(image)
        self.deep(stem)
        return [self.fine(stem), self.coarse(stem)]

    def forward(self, query: Tensor, support: Tensor, y: Tensor) -> Tensor:
        features = self.features(query)
        return self.merged(features, [one.mean((2, 3), keepdim=True) for one in self.features(support)])


@pytest.mark.parametrize("mechanism", ["fold", "replay"])
def test_each_scale_gets_the_map_of_its_own_features(mechanism: str) -> None:
    entries = (Entry("merge.0"), Entry("merge.1", "12:24", features="coarse#0"))
    model = Scales()
    host = Host("fine#0", "deep", entries, (Exit("head"),), "y", mechanism=mechanism)  # type: ignore[arg-type]
    attachment = attached(model, host)
    model(QUERY, SUPPORT, MASK)
    assert attachment.query is not None and attachment.contrast is not None
    maps = [attachment.query.map_of(), attachment.query.map_of("coarse#0")]
    assert [one.shape[1:] for one in maps] == [(8, 8, 8), (12, 4, 4)]
    torch.testing.assert_close(attachment.contrast.logits, model.merged(model.features(QUERY), maps))

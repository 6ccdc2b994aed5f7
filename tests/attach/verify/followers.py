"""Small hosts for the claims of a check: a query, a support, and one thing that is unusual about each."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from selfcontrast import Attachment, Entry, Exit, Host, SelfContrastiveAuxiliary
from selfcontrast.attach.verify import CheckReport, Finding

QUERY, SUPPORT = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
MASK = torch.zeros(2, 32, 32, dtype=torch.long)
MASK[:, 8:24, 8:24] = 1


class Base(nn.Module):
    """Features of the query, and the prototype of the support beside them."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.deep = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 16, 1)
        self.merge, self.head = nn.Conv2d(channels, 8, 1), nn.Conv2d(8, 2, 1)

    def both(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
        features = self.encoder(query)
        self.deep(features)
        return features, self.encoder(support).mean((2, 3), keepdim=True).expand_as(features)

    def merged(self, features: Tensor, prototype: Tensor, support: Tensor) -> Tensor:
        return torch.cat([features, prototype], 1)

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        return self.head(self.merge(self.merged(*self.both(query, support), support)))


class Prior(Base):
    """A prior behind the prototype."""

    def __init__(self) -> None:
        super().__init__(17)

    def merged(self, features: Tensor, prototype: Tensor, support: Tensor) -> Tensor:
        return torch.cat([features, prototype, torch.sigmoid((features * prototype).sum(1, keepdim=True))], 1)


class SupportStays(Base):
    """The support's features in the comparison, behind the prototype."""

    def __init__(self) -> None:
        super().__init__(24)

    def merged(self, features: Tensor, prototype: Tensor, support: Tensor) -> Tensor:
        return torch.cat([features, prototype, self.encoder(support)], 1)


class Appending(Base):
    """It appends to a list that it is given, and its loss grows with it."""

    def forward(self, query: Tensor, support: Tensor, mask: Tensor, queue: list[Tensor]) -> Tensor:
        logits = super().forward(query, support, mask)
        queue.append(logits.detach())
        return judged(logits, mask) + 0.01 * len(queue)


class Queue(Base):
    """It keeps what it computed in a list of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: list[Tensor] = []

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        logits = super().forward(query, support, mask)
        self.queue.append(logits.detach().softmax(1).mean((0, 2, 3)))
        return judged(logits, mask)


class Checkpointed(Base):
    """A part between entry and exit, with live batch normalisation, is computed again in backward."""

    def __init__(self, reentrant: bool | None) -> None:
        super().__init__()
        self.body, self.reentrant = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)), reentrant

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        merged = self.merge(self.merged(*self.both(query, support), support))
        inside = (
            self.body(merged) if self.reentrant is None else checkpoint(self.body, merged, use_reentrant=self.reentrant)
        )
        return judged(self.head(inside), mask)


def judged(logits: Tensor, mask: Tensor) -> Tensor:
    return F.cross_entropy(F.interpolate(logits, mask.shape[1:]), mask)


def host(entry: Entry | None = None, **others: object) -> Host:
    fields = {"features": "encoder#0", "high_level": "deep", "exits": (Exit("head"),), "mask": "mask"} | others
    return Host(entries=(entry or Entry("merge", "C:2C"),), **fields)


def attached(model: nn.Module, where: Host | None = None) -> Attachment:
    generator = torch.Generator().manual_seed(0)
    return SelfContrastiveAuxiliary(generator=generator).attach(model, where or host())


def checked(model: nn.Module, where: Host | None = None, *more: object) -> CheckReport:
    return attached(model, where).check(QUERY, SUPPORT, MASK, *more)


def line(report: CheckReport, words: str) -> Finding:
    """The one finding whose claim holds these words."""
    (found,) = [finding for finding in report if words in finding.claim]
    return found

"""Cosine hosts: places counted wrongly, a prototype of the query, and logits that are not the host's own."""

import pytest
import torch
from followers import MASK, QUERY, SUPPORT, line
from torch import Tensor, nn
from torch.nn import functional as F

from selfcontrast import CosineHost, InputError, SelfContrastiveAuxiliary
from selfcontrast.attach.verify import CheckReport

EXCHANGED, REST = "what the pass exchanges follows the other images", "and the logits of the pass follow these no more"
PASS = "the pass equals an explicit second comparison"


class Nearest(nn.Module):
    """Cosines with the background's prototype, then with the foreground's."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Conv2d(3, 8, 4, 4)

    def prototypes(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
        shown = self.encoder(support)
        return shown[..., :4].mean((2, 3), keepdim=True), shown[..., 4:].mean((2, 3), keepdim=True)

    def forward(self, query: Tensor, support: Tensor) -> Tensor:
        features = self.encoder(query)
        both = self.prototypes(features, support)
        return 10 * torch.stack([F.cosine_similarity(features, one, dim=1) for one in both], 1)


class Threshold(Nearest):
    """One prototype, and a threshold that is learned."""

    def __init__(self) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.zeros(()))

    def forward(self, query: Tensor, support: Tensor) -> Tensor:
        similarity = F.cosine_similarity(self.encoder(query), self.prototypes(query, support)[1], dim=1)
        foreground = torch.sigmoid(10 * similarity + self.threshold)
        return torch.stack([1 - foreground, foreground], 1)


class OfTheQuery(Nearest):
    """The foreground's prototype is chosen by the support, and made of the query."""

    def prototypes(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
        background, foreground = super().prototypes(query, support)
        return background, foreground + query.mean((2, 3), keepdim=True)


def checked(model: nn.Module, **fields: object) -> CheckReport:
    usual = {"features": "encoder#0", "high_level": "encoder#0", "foreground": 1, "background": 0, "output": ""}
    host = CosineHost(**(usual | fields))
    attachment = SelfContrastiveAuxiliary().attach(model, host)
    with attachment.episode(MASK):
        return attachment.check(QUERY, SUPPORT)


def test_right_places_pass() -> None:
    report = checked(Nearest())
    assert len(report) == 8 and all(finding.holds for finding in report)
    assert line(report, REST).figure == "the foreground's does not follow support"


def test_exchanged_places_are_found() -> None:
    said = f"FAIL {EXCHANGED}: the higher the similarity at place 0, the less probable is class 1: is this the"
    with pytest.raises(InputError) as it:
        checked(Nearest(), foreground=0, background=1)
    assert said in str(it.value) and str(it.value).endswith("mend the CosineHost(...)")


def test_a_background_that_was_not_named_is_unproven() -> None:
    found = line(checked(Nearest(), background=None), REST)
    assert found.holds is None and found.figure.endswith("one with the background's, too?")


def test_features_of_the_support_are_found() -> None:
    with pytest.raises(InputError, match=r"host\.foreground: expected a similarity of each"):
        checked(Nearest(), features="encoder#1")


def test_a_prototype_made_of_the_query_too_is_unproven() -> None:
    assert "follows query, support: made of query and support?" in line(checked(OfTheQuery()), EXCHANGED).figure


def test_logits_that_are_not_the_hosts_own_are_unproven() -> None:
    report = checked(Nearest(), output=None, scale=10.0)
    assert line(report, PASS).holds is None
    assert line(report, PASS).figure.startswith("the logits are the similarities themselves")


def test_a_learned_threshold_takes_part() -> None:
    model = Threshold()
    host = CosineHost("encoder#0", "encoder#0", 0, None, "", "probabilities")
    attachment = SelfContrastiveAuxiliary().attach(model, host)
    with attachment.episode(MASK):
        assert all(finding.holds for finding in attachment.check(QUERY, SUPPORT))
        model(QUERY, SUPPORT)
    attachment.blend(torch.zeros(())).backward()
    assert model.threshold.grad

"""Cosine hosts: which similarities are the query's, with which prototype, and in what order."""

import pytest
import torch
from hosts import build
from torch import nn
from torch.nn import functional as F
from written_out import explicit_cosine, logits_of

from selfcontrast import CosineHost, InputError, SelfContrastiveAuxiliary


def test_several_queries_an_episode_get_their_own_maps() -> None:
    small = build("panet")
    supports, fore, back, queries = small.arguments
    small.arguments = supports, fore, back, [*queries, torch.randn(2, 3, 32, 32)]
    small.mask = torch.cat([small.mask, small.mask.flip(1)])
    attachment = small.attach()
    small.step(attachment)
    attachment.auxiliary.eval()
    assert attachment.contrast is not None
    expected = explicit_cosine(small, attachment.contrast.prototype_map)
    torch.testing.assert_close(logits_of(attachment.contrast)[0], expected, rtol=1e-4, atol=1e-5)


def test_a_mask_of_fewer_images_than_the_forward_is_refused() -> None:
    small = build("panet")
    attachment = small.attach()
    with pytest.raises(InputError), attachment.episode(small.mask[:1]):
        small()


@pytest.mark.parametrize("silent", [True, False])
def test_the_alignment_branch_may_come_and_go(silent: bool) -> None:
    """It is skipped where the query's prediction holds no foreground: no fixed count of calls finds the query."""
    small = build("panet")
    attachment = small.attach()
    with torch.no_grad():
        # A prediction of nothing but background, or of much foreground.
        small.arguments[1][0][0].mul_(0 if silent else 1)
    seen: list[int] = []
    small.model.align = watched(small.model.align, seen)
    small.step(attachment)
    attachment.auxiliary.eval()
    assert attachment.contrast is not None
    expected = explicit_cosine(small, attachment.contrast.prototype_map)
    assert len(seen) == 4
    torch.testing.assert_close(logits_of(attachment.contrast)[0], expected, rtol=1e-4, atol=1e-5)


def watched(function: object, seen: list[int]) -> object:
    def call(*args: object) -> object:
        seen.append(1)
        return function(*args)

    return call


class Direct(nn.Module):
    """The smallest cosine host; `way` is how it changes its features on their way."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.encoder, self.way = nn.Conv2d(3, 4, 4, 4), way

    def forward(self, query: torch.Tensor, support: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        fore, back = self.encoder(support).mean((2, 3), keepdim=True), self.encoder(support)[:, :, :1, :1]
        features = self.encoder(query)
        if self.way == "copied":
            features = features * 2
        if self.way == "keywords":
            return torch.stack([F.cosine_similarity(x1=features, x2=one, dim=1, eps=1e-6) for one in (back, fore)], 1)
        if self.way == "by hand":
            return torch.stack([(F.normalize(features) * F.normalize(one)).sum(1) for one in (back, fore)], 1)
        return torch.stack([F.cosine_similarity(features, one) for one in (back, fore)], 1)


BATCH = torch.randn(2, 3, 16, 16), torch.randn(2, 3, 16, 16), torch.zeros(2, 16, 16, dtype=torch.long)


def test_the_scores_are_the_foreground_prototype_then_the_map() -> None:
    model = Direct("encoder")
    host = CosineHost("encoder#2", "encoder#2", 1, scale=3.0, mask="mask")
    attachment = SelfContrastiveAuxiliary().attach(model, host)
    model(*BATCH)
    features, fore = model.encoder(BATCH[0]), model.encoder(BATCH[1]).mean((2, 3), keepdim=True)
    assert attachment.contrast is not None
    expected = [F.cosine_similarity(features, one) for one in (fore, attachment.contrast.prototype_map)]
    torch.testing.assert_close(attachment.contrast.logits, 3 * torch.stack(expected, 1))


@pytest.mark.parametrize("way", ["copied", "by hand"])
def test_a_comparison_that_cannot_be_heard_is_an_error(way: str) -> None:
    model = Direct(way)
    attachment = SelfContrastiveAuxiliary().attach(model, CosineHost("encoder#2", "encoder#2", 1, mask="mask"))
    with pytest.raises(InputError, match=r"host\.foreground: expected a cosine_similarity of each of the 2 query"):
        model(*BATCH)
    assert attachment.contrast is None


def test_the_wrong_call_or_place_is_an_error() -> None:
    for call, foreground in (("encoder#0", 1), ("encoder#2", 2), ("encoder#3", 1)):
        model = Direct("")
        SelfContrastiveAuxiliary().attach(model, CosineHost(call, call, foreground, mask="mask"))
        with pytest.raises(InputError, match=r"host"):
            model(*BATCH)


def test_similarities_given_by_keyword_are_heard() -> None:
    model = Direct("keywords")
    attachment = SelfContrastiveAuxiliary().attach(model, CosineHost("encoder#2", "encoder#2", 1, mask="mask"))
    model(*BATCH)
    assert attachment.contrast is not None

"""`check` finds what is wrong with an attachment, and leaves everything as it was."""

import random

import numpy as np
import pytest
import torch
from hosts import Small, build
from torch import Tensor, nn

from selfcontrast import Attachment, Entry, Exit, Host, InputError, SelfContrastiveAuxiliary
from selfcontrast.attach.verify import CheckReport, random_numbers_kept


def checked(small: Small, attachment: Attachment) -> CheckReport:
    if attachment.host.mask is not None:
        return attachment.check(*small.arguments, **small.keywords)
    with attachment.episode(small.mask):
        return attachment.check(*small.arguments, **small.keywords)


@pytest.mark.parametrize("name", ["pfenet", "rpmms", "ppnet"])
def test_model_and_random_numbers_are_as_before(name: str) -> None:
    small = build(name)
    small()
    attachment = small.attach()
    state = {key: value.clone() for key, value in small.model.state_dict().items()}
    draws = torch.get_rng_state(), np.random.get_state()[1].tolist()
    checked(small, attachment)
    torch.testing.assert_close(small.model.state_dict(), state, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), draws[0])
    assert np.random.get_state()[1].tolist() == draws[1]
    assert attachment.contrast is None and small.model.training and attachment.auxiliary.training
    assert all(one.grad is None for one in small.model.parameters())
    assert all("forward" not in vars(module) for module in small.model.modules())
    with pytest.raises(InputError, match="blend"):
        attachment.blend(torch.tensor(0.5))


def test_every_source_of_random_numbers_goes_on_where_it_was() -> None:
    # Python's own cannot be looked at around a whole check, for the shape checks of these tests draw from it.
    def draw() -> tuple[float, float, float]:
        return torch.rand(()).item(), float(np.random.rand()), random.random()

    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    expected = draw()
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    with random_numbers_kept():
        draw()
    assert draw() == expected


def test_the_report_has_a_line_a_claim() -> None:
    small = build("hpa")
    text = str(checked(small, small.attach())).splitlines()
    assert len(text) == 5 and all(line.startswith("ok") for line in text)
    assert "outputs and losses" in text[0] and "running statistics" in text[1] and "second comparison" in text[2]


def test_eval_mode_is_refused() -> None:
    small = build("hpa")
    attachment = small.attach()
    small.model.eval()
    with pytest.raises(InputError, match=r"training mode.*call model\.train\(\)"):
        checked(small, attachment)
    small.model.train()
    attachment.auxiliary.weight = 0
    with pytest.raises(InputError, match="auxiliary: expected training mode and a weight above 0"):
        checked(small, attachment)


def test_an_error_in_the_host_leaves_the_auxiliary_in_training() -> None:
    small = build("hpa")
    attachment = small.attach()
    small.model.cls.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        checked(small, attachment)
    assert attachment.auxiliary.training
    assert all("forward" not in vars(module) for module in small.model.modules())


class Leaky(nn.Module):
    """Its result depends on the rows of the whole batch behind the entry, so that a fold changes it."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.merge, self.head = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(16, 8, 1), nn.Conv2d(8, 2, 1)

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        features, prototype = self.encoder(query), self.encoder(support).mean((2, 3), keepdim=True)
        merged = self.merge(torch.cat([features, prototype.expand_as(features)], 1))
        return self.head(merged - merged.mean(0, keepdim=True))


class Unlearned(Leaky):
    """A comparison that no gradient reaches."""

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        features, prototype = self.encoder(query), self.encoder(support).mean((2, 3), keepdim=True)
        return self.head(self.merge(torch.cat([features, prototype.expand_as(features)], 1)).detach())


BATCH = torch.randn(2, 3, 16, 16), torch.randn(2, 3, 16, 16), torch.zeros(2, 16, 16, dtype=torch.long)
HOST = Host("encoder", "encoder", (Entry("merge"),), (Exit("head"),), mask="mask")


@pytest.mark.parametrize(
    ("model", "line"),
    [
        (Leaky, r"FAIL the host's outputs and losses are unchanged: relative difference"),
        (Leaky, r"FAIL the pass equals an explicit second comparison"),
        (Unlearned, r"FAIL L2's gradient reaches the comparison: .*tensors not reached"),
        (Unlearned, r"FAIL and, through the prototypes, the features"),
    ],
)
def test_what_does_not_hold_fails_with_its_line(model: type[nn.Module], line: str) -> None:
    attachment = SelfContrastiveAuxiliary().attach(model(), HOST)
    with pytest.raises(InputError, match=line):
        attachment.check(*BATCH)

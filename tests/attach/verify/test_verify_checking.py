"""A whole check: nine lines in their order, a model that is as it was, and every small host through it."""

import numpy as np
import pytest
import torch
from followers import MASK, QUERY, SUPPORT, Base, attached
from hosts import Small, build

from selfcontrast import Attachment, InputError
from selfcontrast.attach.verify import CheckReport

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental")
CLAIMS = [
    "the host's outputs and losses are unchanged",
    "attributes and running statistics are those of one plain step",
    "the pass equals an explicit second comparison",
    "L2's gradient reaches the comparison",
    "and, through the prototypes, the features",
    "L2's gradient equals that of the second comparison",
    "features and high_level follow the same images",
    "what the pass exchanges follows the other images",
    "and the logits of the pass follow these no more",
]


def checked(small: Small, attachment: Attachment) -> CheckReport:
    if attachment.host.mask is not None:
        return attachment.check(*small.arguments, **small.keywords)
    with attachment.episode(small.mask):
        return attachment.check(*small.arguments, **small.keywords)


def test_the_report_has_a_line_a_claim() -> None:
    report = checked(build("hpa"), build("hpa").attach())
    assert [finding.claim for finding in report] == CLAIMS and all(finding.holds for finding in report)


@pytest.mark.parametrize("name", ["asgnet_aspp", "sccan", "fwb"])
def test_what_is_made_of_query_and_support_is_left_open_and_passes(name: str) -> None:
    small = build(name)
    report = checked(small, small.attach())
    unproven = [finding for finding in report if not finding.holds]
    assert unproven and all(finding.holds is None for finding in unproven)


def test_a_batch_without_background_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"mask: expected background, .*, got a batch of none; take a batch that shows"
    ):
        attached(Base()).check(QUERY, SUPPORT, torch.ones(2, 32, 32, dtype=torch.long))


@pytest.mark.parametrize("name", ["pfenet", "rpmms", "ppnet"])
def test_model_and_random_numbers_are_as_before(name: str) -> None:
    small = build(name)
    small()
    attachment = small.attach(generator=torch.Generator().manual_seed(3))
    state = {key: value.clone() for key, value in small.model.state_dict().items()}
    draws = torch.get_rng_state(), np.random.get_state()[1].tolist(), attachment.auxiliary.generator.get_state()
    buffers = [id(one) for one in small.model.buffers()]
    checked(small, attachment)
    torch.testing.assert_close(small.model.state_dict(), state, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), draws[0])
    assert np.random.get_state()[1].tolist() == draws[1]
    assert torch.equal(attachment.auxiliary.generator.get_state(), draws[2])
    assert [id(one) for one in small.model.buffers()] == buffers
    assert attachment.contrast is None and small.model.training and attachment.auxiliary.training
    assert all(module.training for module in small.model.modules())
    assert all(one.grad is None for one in small.model.parameters())
    assert all("forward" not in vars(module) for module in small.model.modules())
    with pytest.raises(InputError, match="blend"):
        attachment.blend(torch.tensor(0.5))


def test_an_error_in_the_host_leaves_the_auxiliary_in_training() -> None:
    small = build("hpa")
    attachment = small.attach()
    small.model.cls.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        checked(small, attachment)
    assert attachment.auxiliary.training
    assert all("forward" not in vars(module) for module in small.model.modules())


@pytest.mark.parametrize("kind", [torch.bfloat16])
def test_half_precision_passes(kind: torch.dtype) -> None:
    attachment = attached(Base())
    with torch.autocast("cpu", kind):
        report = attachment.check(QUERY, SUPPORT, MASK)
    assert all(finding.holds for finding in report), str(report)

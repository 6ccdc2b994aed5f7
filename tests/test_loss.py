"""The self-contrastive pass's target and loss."""

import pytest
import torch
import torch.nn.functional as F

from selfcontrast import InputError
from selfcontrast.loss import contrast_loss, contrast_target, cross_entropy, resize_logits

IGNORE = 255


def test_the_target_is_the_complement_where_a_prototype_is_compared() -> None:
    mask = torch.tensor([[[0, 1, IGNORE, 0]]])
    held = torch.tensor([[[0, 0, 0, 1]]])
    target = contrast_target(mask, mask == IGNORE, held, torch.tensor([[True, False]]))
    # The last pixel's own region has no prototype: there is nothing to judge it by.
    assert target.tolist() == [[[1, 0, IGNORE, IGNORE]]]


def test_without_any_prototype_nothing_is_judged() -> None:
    mask = torch.ones(1, 2, 2, dtype=torch.long)
    held, exists = torch.zeros(1, 2, 2, dtype=torch.long), torch.tensor([[False]])
    assert (contrast_target(mask, mask == IGNORE, held, exists) == IGNORE).all()


def test_cross_entropy_is_the_mean_over_labelled_pixels() -> None:
    logits, target = torch.randn(2, 2, 3, 3), torch.randint(0, 2, (2, 3, 3))
    target[0, 0] = IGNORE
    chosen = logits.log_softmax(1).gather(1, target.clamp(max=1)[:, None])[:, 0]
    torch.testing.assert_close(cross_entropy(logits, target), -chosen[target != IGNORE].mean())


@pytest.mark.parametrize("corners", [True, False])
def test_logits_are_resized_as_the_host_does(corners: bool) -> None:
    logits, target = torch.randn(1, 2, 3, 3), torch.zeros(1, 7, 5, dtype=torch.long)
    expected = F.interpolate(logits, (7, 5), mode="bilinear", align_corners=corners)
    assert torch.equal(resize_logits(logits, target, corners), expected)
    assert resize_logits(logits, target[:, :3, :3]) is logits


def test_a_batch_without_a_judged_pixel_costs_nothing_and_keeps_its_graph() -> None:
    logits = torch.randn(1, 2, 2, 2, requires_grad=True)
    loss = contrast_loss(logits, torch.full((1, 2, 2), IGNORE), cross_entropy)
    loss.backward()
    assert loss == 0 and logits.grad is not None and not logits.grad.any()


def test_a_batch_without_a_judged_pixel_is_all_background_to_a_criterion_of_the_hosts() -> None:
    def criterion(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        # The foreground weighs nothing, so that a mean over foreground alone were 0 / 0.
        return F.cross_entropy(logits, target, weight=torch.tensor([1.0, 0.0]), ignore_index=IGNORE)

    assert contrast_loss(torch.randn(1, 2, 2, 2), torch.full((1, 2, 2), IGNORE), criterion) == 0


def test_half_precision_logits_are_judged_in_single() -> None:
    seen = []

    def criterion(logits: tuple[torch.Tensor, ...], target: torch.Tensor) -> torch.Tensor:
        seen.extend(one.dtype for one in logits)
        return logits[0].sum() + logits[1].sum()

    logits = (torch.ones(1, 2, 1, 1, dtype=torch.bfloat16), torch.ones(1, 2, 1, 1, dtype=torch.float64))
    contrast_loss(logits, torch.zeros(1, 1, 1, dtype=torch.long), criterion)
    assert seen == [torch.float32, torch.float64]


def test_several_logits_need_the_hosts_own_loss() -> None:
    several = (torch.zeros(1, 2, 1, 1),) * 2
    with pytest.raises(InputError, match="criterion: expected the host's own loss"):
        cross_entropy(several, torch.zeros(1, 1, 1, dtype=torch.long))
    with pytest.raises(InputError, match="criterion: expected a scalar loss"):
        contrast_loss(several[0], torch.zeros(1, 1, 1, dtype=torch.long), lambda logits, target: logits)

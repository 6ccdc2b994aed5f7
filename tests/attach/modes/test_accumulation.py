"""Gradient accumulation: each forward is blended, gradients add up, and no pass is lost in silence."""

import pytest
import torch
from small_modes import assert_alike, attach, blended, build, episode, every_mechanism, gradients

from selfcontrast import InputError


@every_mechanism
@pytest.mark.parametrize("at_once", [False, True], ids=["backward after each", "one backward of the sum"])
def test_two_forwards_add_up(mechanism: str, at_once: bool) -> None:
    expected: dict[str, torch.Tensor] = {}
    generator = torch.Generator().manual_seed(0)
    for seed in (0, 1):
        model = build(mechanism)
        attachment = attach(model, mechanism)
        attachment.auxiliary.generator = generator
        blended(model, attachment, episode(seed)).backward()
        expected = {name: one + expected.get(name, 0) for name, one in gradients(model).items()}
    model = build(mechanism)
    attachment = attach(model, mechanism)
    losses = []
    for seed in (0, 1):
        losses.append(blended(model, attachment, episode(seed)))
        if not at_once:
            losses.pop().backward()
    if at_once:
        torch.stack(losses).sum().backward()
    assert_alike(gradients(model), expected)


@every_mechanism
def test_a_pass_that_would_be_lost_is_told_of(mechanism: str) -> None:
    model = build(mechanism)
    attachment = attach(model, mechanism)
    first = model(*episode(0))
    with pytest.warns(UserWarning, match=r"the previous training forward was never blended: its L2 is dropped"):
        second = model(*episode(1))
    attachment.blend((first + second).float().mean())
    with pytest.raises(InputError, match=r"blend: expected one training forward .* none since the last blend"):
        attachment.blend(first.float().mean())

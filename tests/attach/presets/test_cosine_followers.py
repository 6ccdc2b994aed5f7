"""What IFA, Q-Net, RPT and ALPNet ask of a pass beyond what every host does."""

import copy

import numpy as np
import pytest
import torch
from hosts import build
from torch import Tensor
from written_out import logits_of, seeded, written_out


@pytest.mark.parametrize("name", ["qnet", "rpt"])
def test_the_threshold_learns_from_the_pass(name: str) -> None:
    small = build(name)
    attachment = small.attach(weight=1.0)
    main_loss = small.main_loss(small.step(attachment))
    # With weight 1 nothing of the main loss is left.
    attachment.blend(main_loss).backward()
    gradient = small.model.encoder.reduce1d.weight.grad
    assert gradient is not None and gradient.abs().sum() > 0


def test_both_scales_of_q_net_learn_from_the_pass() -> None:
    small = build("qnet")
    attachment = small.attach(weight=1.0)
    attachment.blend(small.main_loss(small.step(attachment))).backward()
    for reduction in (small.model.encoder.reduce1, small.model.encoder.reduce2):
        assert reduction.weight.grad is not None and reduction.weight.grad.abs().sum() > 0


def test_an_object_smaller_than_a_cell_is_compared_by_its_mean() -> None:
    small = build("alpnet").still()
    small_object = torch.zeros_like(small.arguments[1][0][0])
    small_object[:, 9:14, 9:14] = 1
    small.arguments[1][0][0] = small_object
    small.arguments[2][0][0] = 1 - small_object
    assert small.model.cls_unit.local(torch.rand(2, 8, 8, 8), small_object)[0].numel() == 0
    attachment = small.attach()
    seeded(small, attachment)
    torch.testing.assert_close(logits_of(attachment.contrast), written_out(small, attachment), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["panet", "ppnet", "qnet", "alpnet"])
def test_the_pass_runs_no_loss_on_the_support(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small = build(name)
    calls: list[None] = []
    plain = small.model.align

    def counted(*arguments: object) -> Tensor:
        calls.append(None)
        return plain(*arguments)

    monkeypatch.setattr(small.model, "align", counted)
    small()
    alone = len(calls)
    small.step(small.attach())
    assert alone > 0 and len(calls) == 2 * alone


def test_the_parts_that_rpt_draws_are_those_of_the_host_alone() -> None:
    small = build("rpt")
    twin = copy.deepcopy(small.model)
    attachment = small.attach()
    for _ in range(2):
        small.step(attachment)
        twin(*small.arguments, **small.keywords)
    np.testing.assert_array_equal(small.model.fg_sampler.random(3), twin.fg_sampler.random(3))

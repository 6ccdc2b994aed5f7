"""The log of an attached model, for each way into a host: figures by slow loops, and no graph that stays."""

import pytest
import torch
from common.operation_recorder import HOST_READS, Recorder
from graph_watch import GraphWatch
from hosts import Small, build
from slow_log import slow_log
from torch import Tensor
from written_out import logits_of

from selfcontrast import Attachment, InputError

# Fold with one exit and with five, replay with one and with three, cosine with aligned corners and without.
KINDS = ("hpa", "pfenet", "pmms", "sgone", "rpmms", "mlc", "panet", "ssp")


def step(small: Small, attachment: Attachment) -> Tensor:
    return attachment.blend(small.main_loss(small.step(attachment)))


@pytest.mark.parametrize("name", KINDS)
def test_the_log_is_what_slow_loops_find(name: str) -> None:
    small = build(name)
    attachment = small.attach(num_prototypes=2, weight=0.3)
    main_loss = small.main_loss(small.step(attachment))
    logits = logits_of(attachment.contrast)
    complement = torch.where(small.mask == 255, 255, 1 - small.mask)
    losses = main_loss.item(), small.whole_loss(logits, complement).item()
    attachment.blend(main_loss)
    assert attachment.contrast is not None
    expected = slow_log(losses, 0.3, logits, attachment.contrast.labels, small.mask, 2, attachment.host.align_corners)
    log = attachment.log()
    assert list(log) == list(expected)
    # Where two classes tie, float32 and float64 may choose apart.
    assert abs(log.pop("agreement") - expected.pop("agreement")) < 0.005
    assert log == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_exits_count_alike() -> None:
    small = build("pfenet")
    attachment = small.attach()
    step(small, attachment)
    assert len(logits_of(attachment.contrast)) == 5


def test_before_a_blend_there_is_nothing_to_tell() -> None:
    small = build("hpa")
    attachment = small.attach()
    small.step(attachment)
    with pytest.raises(InputError, match="log: expected a blended training step before it, got none"):
        attachment.log()


def test_weight_0_eval_and_a_check_leave_what_they_should() -> None:
    small = build("hpa")
    attachment = small.attach(weight=0)
    loss = step(small, attachment)
    assert attachment.log() == pytest.approx({"main_loss": loss.item(), "blended_loss": loss.item()})
    attachment.auxiliary.weight = 0.5
    step(small, attachment)
    log = attachment.log()
    assert len(log) == 9
    attachment.check(*small.arguments, **small.keywords)
    assert attachment.log() == log
    small.model.eval()
    attachment.blend(torch.tensor(7.0))
    assert attachment.log() == log


def test_two_models_of_one_auxiliary_tell_of_their_own_steps() -> None:
    one, other = build("hpa"), build("mlc")
    first = one.attach()
    second = first.auxiliary.attach(other.model, other.host)
    step(one, first)
    log = first.log()
    step(other, second)
    assert first.log() == log != second.log()


@pytest.mark.parametrize("backward", [True, False])
@pytest.mark.parametrize("name", ["hpa", "rpmms", "mlc"])
def test_after_the_blend_nothing_holds_the_graph(name: str, backward: bool) -> None:
    small, watch = build(name), GraphWatch()
    attachment = small.attach()
    deep = attachment.host.features.partition("#")[0].partition("[")[0]
    nodes = [watch]

    def enter(_module: object, _inputs: object, output: Tensor) -> Tensor | None:
        return nodes.pop().watched(output) if nodes and isinstance(output, Tensor) else None

    handle = small.model.get_submodule(deep).register_forward_hook(enter)
    loss = step(small, attachment)
    handle.remove()
    assert not nodes and watch.alive
    if backward:
        loss.backward()
    del loss
    assert not watch.alive
    assert len(attachment.log()) == 9 and attachment.contrast is not None
    assert not any(one.requires_grad for one in logits_of(attachment.contrast))


@pytest.mark.parametrize("name", ["hpa", "mlc"])
def test_a_blend_reads_no_value(values_cost: None, name: str) -> None:
    small = build(name)
    attachment = small.attach()
    main_loss = small.main_loss(small.step(attachment))
    with Recorder() as recorder:
        attachment.blend(main_loss)
    assert "_local_scalar_dense" in HOST_READS
    assert recorder.operations.total() > 0 and recorder.reads == []

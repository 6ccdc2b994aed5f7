"""The log of a model one owns: its figures, what it costs a step, and what it keeps."""

import copy
import math
import pickle

import pytest
import torch
from common.operation_recorder import Recorder
from graph_watch import GraphWatch
from slow_log import slow_log
from torch import Tensor

from selfcontrast import InputError, SelfContrastiveAuxiliary
from selfcontrast.blended_step import keep, log_of

MAIN = torch.tensor(0.7)


def linear(features: Tensor, prototype_map: Tensor) -> Tensor:
    return torch.stack([(features * prototype_map).sum(1), (features - prototype_map).square().sum(1)], 1)


def episodes(batch: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Features, high-level features, and masks with all three values in each image."""
    mask = torch.zeros(batch, 16, 16, dtype=torch.long)
    mask[:, 4:9, 4:11] = 1
    mask[:, 13:, :3] = 255
    return torch.randn(batch, 4, 8, 8), torch.randn(batch, 6, 8, 8), mask


@pytest.mark.parametrize("count", [1, 3, 4])
@pytest.mark.parametrize("partition", ["kmeans", "pyramid"])
def test_the_log_is_what_slow_loops_find(partition: str, count: int) -> None:
    if partition == "pyramid" and count == 3:
        count = 9
    features, high_level, mask = episodes()
    auxiliary = SelfContrastiveAuxiliary(count, weight=0.3, partition=partition)
    contrast = auxiliary.contrast(features, high_level, mask, linear)
    loss = auxiliary.blend(MAIN, contrast)
    l2 = (loss - 0.7 * MAIN) / 0.3
    assert isinstance(contrast.logits, Tensor)
    expected = slow_log((0.7, l2.item()), 0.3, [contrast.logits], contrast.labels, mask, count)
    assert list(auxiliary.log()) == list(expected)
    assert auxiliary.log() == pytest.approx(expected, abs=1e-5)
    assert all(type(value) is float for value in auxiliary.log().values())


def test_a_region_without_a_pixel_is_told_and_its_pixels_are_not_judged() -> None:
    features, high_level, mask = episodes(batch=2)
    # The pyramid's first quarter is foreground, but for one cell whose unlabelled pixel keeps it out of every region.
    mask[:, :8, :8] = 1
    mask[:, 0, 0], mask[:, 1, 1] = 255, 0
    auxiliary = SelfContrastiveAuxiliary(4, partition="pyramid")
    contrast = auxiliary.contrast(features, high_level, mask, linear)
    auxiliary.blend(MAIN, contrast)
    log = auxiliary.log()
    assert not contrast.regions[:, 0].any()
    assert (log["empty_regions"], log["region_4"]) == (0.25, 0.0)
    assert log["judged"] == pytest.approx(((mask != 255).float().mean() - 3 / 256).item())
    assert isinstance(contrast.logits, Tensor)
    expected = slow_log((0.7, log["contrast_loss"]), 0.5, [contrast.logits], contrast.labels, mask, 4)
    assert log == pytest.approx(expected, abs=1e-5)


def test_of_several_logits_the_agreement_is_the_mean() -> None:
    features, high_level, mask = episodes()
    several = torch.randn(3, 2, 8, 8), torch.randn(3, 2, 5, 5)
    auxiliary, found = SelfContrastiveAuxiliary(), []
    for logits in (several, several[0], several[1]):
        auxiliary(MAIN, features, high_level, mask, lambda *_, own=logits: own, lambda *_: MAIN)
        found.append(auxiliary.log()["agreement"])
    assert found[0] == pytest.approx((found[1] + found[2]) / 2)
    assert found[1] != found[2]


def test_a_batch_without_a_label_agrees_with_nothing() -> None:
    features, high_level, mask = episodes()
    auxiliary = SelfContrastiveAuxiliary()
    auxiliary(MAIN, features, high_level, torch.full_like(mask, 255), linear)
    log = auxiliary.log()
    assert math.isnan(log.pop("agreement"))
    assert log == pytest.approx(
        {"main_loss": 0.7, "contrast_loss": 0, "blended_loss": 0.35, "judged": 0, "empty_regions": 1}
        | {f"region_{place}": 0 for place in (1, 2, 3)}
    )


def test_before_the_first_training_step_there_is_nothing_to_tell() -> None:
    auxiliary = SelfContrastiveAuxiliary()
    match = r"log: expected a blended training step before it, got none; call it after"
    with pytest.raises(InputError, match=match):
        auxiliary.log()
    auxiliary.eval()(MAIN, *episodes(), linear)
    with pytest.raises(InputError, match=match):
        auxiliary.log()


def test_with_weight_0_there_are_the_two_losses_and_eval_keeps_the_last_step() -> None:
    auxiliary = SelfContrastiveAuxiliary(weight=0)
    auxiliary(MAIN, *episodes(), linear)
    assert auxiliary.log() == pytest.approx({"main_loss": 0.7, "blended_loss": 0.7})
    auxiliary.weight = 0.5
    auxiliary(MAIN, *episodes(), linear)
    log = auxiliary.log()
    assert len(log) == 9
    auxiliary.eval()(torch.tensor(5.0), *episodes(), linear)
    assert auxiliary.log() == log


def test_accumulated_steps_tell_of_the_last_one() -> None:
    auxiliary = SelfContrastiveAuxiliary()
    total = sum(auxiliary(torch.tensor(float(step)), *episodes(), linear) for step in range(3))
    assert isinstance(total, Tensor)
    assert auxiliary.log()["main_loss"] == 2


def test_a_step_keeps_without_computing_and_a_log_reads_once() -> None:
    auxiliary = SelfContrastiveAuxiliary()
    features, high_level, mask = episodes()
    contrast = auxiliary.contrast(features.requires_grad_(), high_level, mask, linear)
    with Recorder() as recorder:
        step = keep(MAIN, MAIN, MAIN, contrast)
    assert recorder.operations.total() == 0 and recorder.reads == []
    with Recorder() as recorder:
        assert len(log_of(step)) == 9
    # The whole of it is one list, which a tensor on a processor gives without an operation.
    assert recorder.operations.total() > 0 and recorder.reads == []


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_logits_of_any_precision(dtype: torch.dtype) -> None:
    features, high_level, mask = episodes()
    logits = torch.randn(3, 2, 8, 8).to(dtype)
    agreements = []
    for own in (logits, logits.float()):
        auxiliary = SelfContrastiveAuxiliary()
        with torch.autocast("cpu", torch.bfloat16):
            auxiliary(MAIN, features, high_level, mask, lambda *_, own=own: own)
            agreements.append(auxiliary.log()["agreement"])
    assert agreements[0] == agreements[1]


@pytest.mark.parametrize("backward", [True, False])
def test_what_is_kept_holds_no_graph(backward: bool) -> None:
    auxiliary, watch = SelfContrastiveAuxiliary(), GraphWatch()
    features, high_level, mask = episodes()
    loss = auxiliary(MAIN, watch.watched(features.requires_grad_()), high_level, mask, linear)
    assert watch.alive
    if backward:
        loss.backward()
    del loss
    assert not watch.alive
    assert len(auxiliary.log()) == 9


def test_copies_and_pickles_start_without_a_log() -> None:
    auxiliary = SelfContrastiveAuxiliary(weight=0.3)
    auxiliary(MAIN, *episodes(), linear)
    for twin in (copy.deepcopy(auxiliary), pickle.loads(pickle.dumps(auxiliary))):
        assert twin.weight == 0.3
        with pytest.raises(InputError, match="log: expected a blended training step"):
            twin.log()
    assert len(auxiliary.log()) == 9

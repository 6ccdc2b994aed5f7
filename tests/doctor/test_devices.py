"""The doctor's check of a device: it passes here, and tells what goes wrong instead of raising it."""

import pytest
import torch
from torch import Tensor

from selfcontrast import Attachment, SelfContrastiveAuxiliary
from selfcontrast.doctor.devices import Small, describe, devices, examine, train_once

CPU = torch.device("cpu")


def test_every_device_of_this_machine_passes() -> None:
    found = devices()
    assert found[0] == CPU and len(found) == 1 + torch.accelerator.device_count()
    for device in found:
        checkup = examine(device)
        assert checkup.error is None and checkup.device == str(device)
        assert " s" in checkup.description


def test_an_accelerator_that_is_no_cuda_has_the_name_of_its_backend() -> None:
    assert describe(torch.device("xpu")) == "torch's xpu backend"


def test_the_check_makes_three_claims_and_all_hold() -> None:
    claims = train_once(CPU)
    assert len(claims) == 3 and all(claims.values())


def test_a_wrong_blend_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    log = SelfContrastiveAuxiliary.log, Attachment.log
    monkeypatch.setattr(Attachment, "log", lambda own: log[1](own) | {"blended_loss": 9.0})
    assert "the blended loss" in str(examine(CPU).error)


def test_a_gradient_that_is_lost_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    forward = Small.forward

    def without_gradient(own: Small, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        own.encoder.requires_grad_(False)
        return forward(own, query, support, mask)

    monkeypatch.setattr(Small, "forward", without_gradient)
    assert examine(CPU).error == "the gradient reaches every parameter"


def test_a_hook_that_stays_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Attachment, "detach", lambda own: None)
    assert examine(CPU).error == "detach leaves no hook"


def test_what_is_raised_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("CUDA error: no kernel image\nmore\nlines")

    monkeypatch.setattr(Small, "to", fails)
    assert examine(CPU).error == "RuntimeError: CUDA error: no kernel image"

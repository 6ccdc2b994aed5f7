"""What IPMT and AENet ask of a pass beyond what every host does."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from hosts import build

from selfcontrast import SelfContrastiveAuxiliary
from selfcontrast.attach.presets import PRESETS

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental")


def test_ipmts_transformer_looks_where_the_pass_itself_predicts() -> None:
    small = build("ipmt").still()
    margins = list[Any]()
    handle = small.model.ini_cls.register_forward_hook(
        lambda _, __, output: margins.append(output[:, 1] - output[:, 0])
    )
    small()
    handle.remove()
    with torch.no_grad():
        # Untrained it predicts one class everywhere.
        small.model.ini_cls[-1].bias[1] -= margins[0].median()
    attachment, first, looked = small.attach(), list[Any](), list[Any]()
    small.model.ini_cls.register_forward_hook(lambda _, __, output: first.append(output.argmax(1)))
    small.model.transformer.register_forward_pre_hook(lambda _, arguments: looked.append(arguments[4]))
    small.step(attachment)
    assert len(looked) == 2 and all(torch.equal(one, other) for one, other in zip(first, looked, strict=True))
    assert not torch.equal(*looked)


def test_ipmt_has_no_fold() -> None:
    small = build("ipmt")
    SelfContrastiveAuxiliary().attach(small.model, replace(PRESETS["ipmt"], mechanism="fold"))
    with pytest.raises(IndexError) as error:
        small()
    assert "selfcontrast was attached" in error.value.__notes__[0]


def test_what_judges_beside_the_prediction_sees_the_hosts_rows_alone() -> None:
    small = build("aenet_sccan")
    attachment, rows = small.attach(), list[int]()
    small.model.criterion_bce.register_forward_hook(lambda _, arguments, __: rows.append(len(arguments[0])))
    small.step(attachment)
    assert rows == [2]
    attachment.detach()
    SelfContrastiveAuxiliary().attach(small.model, replace(PRESETS["aenet_sccan"], cut=()))
    with pytest.raises(ValueError, match="must be the same as input size"):
        small()


def test_a_step_draws_what_the_host_alone_would_draw() -> None:
    outputs = []
    for attached in (False, True):
        torch.manual_seed(0)
        small = build("aenet_cyctr")
        attachment = small.attach() if attached else None
        torch.manual_seed(1)
        outputs.append(small() if attachment is None else small.step(attachment))
    for one, other in zip(*outputs, strict=True):
        assert torch.equal(one, other)

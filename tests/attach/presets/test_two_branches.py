"""What DCP, R2Net and NTRENet ask of a pass beyond what every host does."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from hosts import build
from torch import Tensor, nn

from selfcontrast import InputError, SelfContrastiveAuxiliary
from selfcontrast.attach.presets import PRESETS

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental")
C = 8


def inputs_of(module: nn.Module) -> list[Tensor]:
    """What a module is given from now on."""
    seen: list[Tensor] = []
    module.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].detach().clone()))
    return seen


@pytest.mark.parametrize("name", ["dcp", "r2net"])
def test_the_foregrounds_prototype_stands_where_the_backgrounds_did(name: str) -> None:
    small = build(name)
    attachment = small.attach()
    foreground, background = inputs_of(small.model.init_merge[0]), inputs_of(small.model.init_merge_bg[0])
    small.step(attachment)
    (own, passed), (own_other, passed_other) = foreground, background
    assert attachment.contrast is not None
    assert torch.equal(passed[:, C : 2 * C], attachment.contrast.prototype_map)
    assert torch.equal(passed_other[:, C : 2 * C], own[:, C : 2 * C])
    assert not torch.equal(own_other[:, C : 2 * C], own[:, C : 2 * C])


@pytest.mark.parametrize("prior", ["neutral", "complement"])
def test_similarities_with_parts_of_either_follow_the_option_for_priors(prior: str) -> None:
    small = build("dcp").still()
    attachment = small.attach(prior=prior)
    foreground, background = inputs_of(small.model.init_merge[0]), inputs_of(small.model.init_merge_bg[0])
    small.step(attachment)
    for (own, passed), several in ((foreground, 4), (background, 3)):
        assert own[:, 2 * C :].shape[1] == several
        expected = torch.full_like(own, 0.5) if prior == "neutral" else 1 - own
        torch.testing.assert_close(passed[:, 2 * C :], expected[:, 2 * C :])


def test_the_logits_are_what_the_criterion_is_given() -> None:
    small = build("dcp")
    attachment = small.attach()
    given = inputs_of(small.model.criterion)
    small.step(attachment)
    assert attachment.contrast is not None and isinstance(attachment.contrast.logits, Tensor)
    # The first two are the host's own, of the comparison and of the guess; so are the last two of the second forward.
    assert len(given) == 4 and torch.equal(attachment.contrast.logits, given[2])


def test_a_background_entry_asks_for_a_second_forward() -> None:
    with pytest.raises(InputError, match=r"host.mechanism: expected replay, .* got fold"):
        SelfContrastiveAuxiliary().attach(build("dcp").model, replace(PRESETS["dcp"], mechanism="fold"))


def test_a_queue_among_the_arguments_is_filled_once_a_step() -> None:
    queues: list[dict[int, Any]] = []
    for attached in (False, True):
        torch.manual_seed(0)
        small = build("ntrenet").still()
        attachment = small.attach() if attached else None
        for _ in range(2):
            out = small() if attachment is None else small.step(attachment)
            if attachment is not None:
                attachment.blend(small.main_loss(out))
        queues.append(small.keywords["prototype_neg_dict"])
    torch.testing.assert_close(*queues, rtol=0, atol=0)
    assert {name: len(rows) for name, rows in queues[1].items()} == {0: 2, 1: 2}

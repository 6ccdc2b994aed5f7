"""torch.utils.checkpoint in the host: the gradients of one that keeps everything, or a refusal by name."""

import pytest
import torch
from small_modes import assert_alike, attach, blended, build, episode, every_mechanism, gradients

from selfcontrast import InputError

COMPARES = {"fold": ["body", "comparison"], "replay": [], "exchange": []}
REFUSED = {"fold": [], "replay": ["body", "comparison"], "exchange": ["comparison"]}
REENTRANT = {"fold": ["body"], "replay": [], "exchange": []}


def step(
    mechanism: str, saved: str, reentrant: bool = False
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Gradients, and running statistics."""
    model = build(mechanism, saved, reentrant)
    blended(model, attach(model, mechanism), episode()).backward()
    return gradients(model), {name: one.clone().float() for name, one in model.named_buffers()}


@every_mechanism
def test_kept_checkpoints_give_the_gradients_of_none_or_are_refused(mechanism: str) -> None:
    expected, statistics = step(mechanism, "")
    for saved in ("encoder", *COMPARES[mechanism]):
        found, counted = step(mechanism, saved)
        assert_alike(found, expected)
        assert counted.keys() == statistics.keys()
    for saved in REFUSED[mechanism]:
        with pytest.raises(InputError, match=r"^host.* outside torch\.utils\.checkpoint.*leave .* out of checkpoint"):
            step(mechanism, saved)


@every_mechanism
def test_reentrant_checkpoints_give_the_gradients_of_none_or_are_refused(mechanism: str) -> None:
    expected, _ = step(mechanism, "")
    for saved in REENTRANT[mechanism]:
        assert_alike(step(mechanism, saved, reentrant=True)[0], expected)
    for saved in {"encoder", "comparison", *REFUSED[mechanism]} - set(REENTRANT[mechanism]):
        with pytest.raises(InputError, match=r"^host.* outside torch\.utils\.checkpoint"):
            step(mechanism, saved, reentrant=True)

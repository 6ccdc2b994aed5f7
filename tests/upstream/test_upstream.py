"""The published models run here as their training scripts run them: without this, what a preset claims is hearsay."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import BUILDERS, build
from patches import on_cpu
from published import Published

HINT = "set SELFCONTRAST_UPSTREAM=DIR, see tests/upstream/README.md"


@pytest.fixture(scope="module", params=BUILDERS)
def published(request: pytest.FixtureRequest) -> Iterator[Published]:
    """One model after the other, each built once."""
    checkouts = os.environ.get("SELFCONTRAST_UPSTREAM")
    if checkouts is None:
        pytest.skip(HINT)
    folder, _ = BUILDERS[request.param]
    if not (Path(checkouts) / folder).is_dir():
        pytest.skip(f"{checkouts} holds no folder {folder}, see tests/upstream/README.md")
    with on_cpu():
        yield build(request.param, Path(checkouts))


def test_a_published_training_step_trains(published: Published) -> None:
    np.random.seed(0)
    loss = published.main_loss(published.model(*published.arguments, **published.keywords))
    loss.backward()
    gradients = [weight.grad for weight in published.model.parameters() if weight.grad is not None]
    assert loss.dim() == 0 and torch.isfinite(loss)
    assert gradients and all(torch.isfinite(gradient).all() for gradient in gradients)
    assert any(gradient.abs().max() > 0 for gradient in gradients)

"""Under `torch.use_deterministic_algorithms` everything runs, and a step gives the very same gradients again."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hosts import BUILDERS, build
from torch import Tensor

from selfcontrast import SelfContrastiveAuxiliary

pytestmark = pytest.mark.filterwarnings("ignore:.* is experimental")

OPTIONS: list[dict[str, Any]] = [
    {},
    {"seeding": "k-means++"},
    {"seeding": "random"},
    {"partition": "pyramid", "num_prototypes": 4},
]


@pytest.fixture(autouse=True)
def only_deterministic() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    # It also fills what is allocated and not yet written, so nothing may be read from there.
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)


def seed(value: int) -> None:
    """Some hosts draw from numpy or Python."""
    torch.manual_seed(value)
    np.random.seed(value)
    random.seed(value)


@pytest.mark.parametrize("name", BUILDERS)
def test_an_attached_step_gives_the_very_gradients_again(name: str) -> None:
    def gradients() -> list[Tensor]:
        seed(0)
        small = build(name)
        attachment = small.attach()
        seed(1)
        attachment.blend(small.main_loss(small.step(attachment))).backward()
        return [value.grad for value in small.model.parameters() if value.grad is not None]

    one, other = gradients(), gradients()
    assert len(one) > 0 and all(torch.equal(*pair) for pair in zip(one, other, strict=True))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_task_gives_the_very_loss_and_gradient_again(options: dict[str, Any], layout: torch.memory_format) -> None:
    def compare(features: Tensor, prototype_map: Tensor) -> Tensor:
        return torch.stack([(features * prototype_map).sum(1), (features - prototype_map).square().sum(1)], 1)

    def step() -> tuple[Tensor, Tensor]:
        seed(0)
        features = torch.randn(2, 8, 12, 10).to(memory_format=layout).requires_grad_()
        high_level = torch.randn(2, 6, 7, 9).to(memory_format=layout)
        mask = torch.tensor([0, 1, 255])[torch.randint(3, (2, 30, 25))]
        loss = SelfContrastiveAuxiliary(**options)(torch.tensor(0.5), features, high_level, mask, compare)
        loss.backward()
        assert features.grad is not None
        return loss.detach(), features.grad

    one, other = step(), step()
    assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))
    assert one[1].any()

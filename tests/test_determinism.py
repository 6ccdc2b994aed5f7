"""Under `torch.use_deterministic_algorithms` everything runs, and a step gives the very same gradients again."""

from collections.abc import Iterator

import pytest
import torch
from hosts import build


@pytest.fixture(autouse=True)
def only_deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("name", ["pfenet", "crnet", "panet"])
def test_an_attached_step_gives_the_very_gradients_again(name: str) -> None:
    def gradients() -> list[torch.Tensor]:
        torch.manual_seed(0)
        small = build(name)
        attachment = small.attach()
        torch.manual_seed(1)
        attachment.blend(small.main_loss(small.step(attachment))).backward()
        return [value.grad for value in small.model.parameters() if value.grad is not None]

    one, other = gradients(), gradients()
    assert len(one) > 0 and all(torch.equal(*pair) for pair in zip(one, other, strict=True))

"""A check asks for training mode, of the model and of the task."""

import pytest
from followers import Base, attached, checked
from hosts import build

from selfcontrast import InputError


def test_eval_mode_is_refused() -> None:
    small = build("hpa")
    attachment = small.attach()
    small.model.eval()
    with pytest.raises(InputError, match=r"training mode.*call model\.train\(\)"):
        attachment.check(*small.arguments, **small.keywords)
    small.model.train()
    attachment.auxiliary.weight = 0
    with pytest.raises(InputError, match="auxiliary: expected training mode and a weight above 0"):
        attachment.check(*small.arguments, **small.keywords)


def test_training_mode_is_taken() -> None:
    assert checked(Base()) and attached(Base()).active

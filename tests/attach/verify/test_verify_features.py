"""Frozen features need not learn; detached ones should, and whether the host or the plug-in detaches them is said."""

import pytest
import torch
from followers import MASK, Base, attached, checked, line
from torch import Tensor, nn

from selfcontrast import InputError, SelfContrastiveAuxiliary
from selfcontrast.contrast import Prepared

CLAIM = "and, through the prototypes, the features"


class WithoutGradient(Base):
    """A trainable encoder whose features the host computes without a gradient."""

    def both(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return super().both(query, support)


class Detached(Base):
    """A trainable encoder in a module that detaches what it gives."""

    def __init__(self) -> None:
        super().__init__()
        convolution = self.encoder

        class Encoder(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layers = nn.Sequential(nn.Identity(), convolution)

            def forward(self, image: Tensor) -> Tensor:
                return self.layers(image).detach()

        self.encoder = Encoder()


class Unlearned(Base):
    """L2 reaches nothing in front of the head."""

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        return self.head(self.merge(torch.cat(self.both(query, support), 1)).detach())


def test_features_that_learn_are_reached() -> None:
    found = line(checked(Base()), CLAIM)
    assert found.holds and found.figure.startswith("norm ")


def test_features_that_are_not_reached_are_found() -> None:
    with pytest.raises(InputError, match=rf"FAIL {CLAIM}: norm 0.00e\+00, 1 of 1 tensors not reached"):
        checked(Unlearned())


def test_frozen_features_need_not_learn() -> None:
    model = Base()
    model.encoder.requires_grad_(False)
    assert line(checked(model), CLAIM) == (CLAIM, True, "frozen: nothing to learn there")


@pytest.mark.parametrize(
    ("model", "maker"), [(WithoutGradient, "encoder.weight"), (Detached, "encoder.layers.1.weight")]
)
def test_features_that_the_host_detaches_are_named_and_unproven(model: type[Base], maker: str) -> None:
    found = line(checked(model()), CLAIM)
    assert found.holds is None
    assert (
        "the host itself computes encoder#0 without a gradient" in found.figure and f"although {maker}," in found.figure
    )


def test_features_that_the_plug_in_detaches_are_its_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = SelfContrastiveAuxiliary.prepare

    def detached(self: SelfContrastiveAuxiliary, features: Tensor, *others: Tensor) -> Prepared:
        return prepare(self, features.detach(), *others)

    monkeypatch.setattr(SelfContrastiveAuxiliary, "prepare", detached)
    with pytest.raises(InputError, match=rf"FAIL {CLAIM}: encoder#0 learns in the host alone"):
        checked(Base())


def test_parameters_are_as_before_when_noise_was_tried_on_them() -> None:
    model = WithoutGradient()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    versions = [one._version for one in model.parameters()]
    attachment = attached(model)
    attachment.check(*(torch.rand(2, 3, 32, 32) for _ in range(2)), MASK)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert versions == [one._version for one in model.parameters()]

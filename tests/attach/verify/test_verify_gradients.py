"""What L2 teaches: reached or not, and the same as in the second comparison."""

import pytest
import torch
from followers import MASK, QUERY, SUPPORT, Base, Checkpointed, attached, checked, host, judged, line
from torch import Tensor, nn

from selfcontrast import InputError
from selfcontrast.attach.mechanisms.fold import Fold
from selfcontrast.attach.verify.gradients import Gradients, same_gradient

REACHED, EQUAL = "L2's gradient reaches the comparison", "L2's gradient equals that of the second comparison"


class Unlearned(Base):
    """A comparison that no gradient reaches."""

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        return self.head(self.merge(torch.cat(self.both(query, support), 1)).detach())


class Lossy(torch.autograd.Function):
    """Passes a tensor on, and the gradient of its first half alone: the pass's half is lost."""

    @staticmethod
    def forward(context: object, tensor: Tensor) -> Tensor:
        return tensor.clone()

    @staticmethod
    def backward(context: object, gradient: Tensor) -> Tensor:
        if len(gradient) <= 2:
            return gradient
        return torch.cat([gradient[:2], 0.5 * gradient[2:]])


class Losing(Base):
    """In a doubled batch half of the gradient is lost between entry and exit, and the logits are right."""

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        return self.head(Lossy.apply(self.merge(torch.cat(self.both(query, support), 1))))


def test_a_comparison_that_learns_nothing_is_found() -> None:
    with pytest.raises(InputError, match=rf"FAIL {REACHED}: norm .*, 2 of 4 tensors not reached"):
        checked(Unlearned())


def test_a_gradient_that_is_off_is_found_with_the_parameter() -> None:
    with pytest.raises(InputError) as it:
        checked(Losing())
    text = str(it.value)
    assert text.count("FAIL") == 1
    assert f"FAIL {EQUAL}: relative difference 4.8e-01 at most, in encoder.weight" in text


@pytest.mark.parametrize("mechanism", ["fold", "replay"])
def test_a_right_gradient_is_that_of_the_second_comparison(mechanism: str) -> None:
    assert line(checked(Base(), host(mechanism=mechanism)), EQUAL).holds


def test_a_pass_whose_map_lost_its_graph_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    entered = Fold._enter
    monkeypatch.setattr(Fold, "_enter", lambda self, name, entry, merged: entered(self, name, entry, merged.detach()))
    with pytest.raises(InputError, match=rf"FAIL {EQUAL}: relative difference .* in encoder"):
        checked(Base())


def test_gradients_that_were_there_stay_and_no_optimizer_steps_meanwhile() -> None:
    model = Base()
    attachment = attached(model)
    steps: list[Tensor] = []
    model.head.weight.register_post_accumulate_grad_hook(steps.append)
    model.merge.weight.grad = torch.ones_like(model.merge.weight)
    kept = model.merge.weight.grad
    attachment.check(QUERY, SUPPORT, MASK)
    assert model.merge.weight.grad is kept and torch.equal(kept, torch.ones_like(kept))
    assert model.head.weight.grad is None and steps == []
    judged(model(QUERY, SUPPORT, MASK), MASK).backward()
    assert len(steps) == 1


def test_the_input_gets_no_gradient() -> None:
    query = QUERY.clone().requires_grad_()
    attached(Checkpointed(True)).check(query, SUPPORT, MASK)
    assert query.grad is None


def test_a_gradient_that_is_all_rounding_is_measured_by_its_module() -> None:
    class Normalised(Base):
        """The bias in front of a normalisation by the batch gets no gradient but rounding."""

        def __init__(self) -> None:
            super().__init__()
            self.merge = nn.Sequential(nn.Conv2d(16, 8, 1), nn.BatchNorm2d(8))

    assert line(checked(Normalised()), EQUAL).holds
    weight, bias = torch.ones(4), torch.zeros(4)
    explicit = {"a.weight": weight, "a.bias": bias, "b.weight": bias}
    rounded = explicit | {"a.bias": bias + 1e-6, "b.weight": bias + 1e-12}
    assert same_gradient(Gradients(rounded, explicit, None)).holds
    assert same_gradient(Gradients(explicit | {"a.bias": bias + 1}, explicit, None)).holds is False
    assert same_gradient(Gradients(explicit | {"b.weight": bias + 1}, explicit, None)).holds is False


def test_where_nothing_learns_nothing_is_proven() -> None:
    zero = {"a.weight": torch.zeros(1)}
    assert same_gradient(Gradients(zero, zero, None)).holds is None

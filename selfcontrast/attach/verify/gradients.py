"""What L2 teaches: its gradient reaches what it should, and is that of an explicit second comparison."""

from collections import OrderedDict
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from selfcontrast.attach.host import Call, Host, matching
from selfcontrast.attach.mechanisms.undisturbed import undisturbed
from selfcontrast.attach.verify.attached import Attached
from selfcontrast.attach.verify.report import Finding, rounding
from selfcontrast.loss import contrast_loss

# Gradients are long sums whose order a doubled batch changes; a wrong one is off by tenths at least.
TOLERANCE = 1e-2
# A gradient that is this much smaller than the largest is all rounding.
NOTHING = 1e-7
# Hooks that act as soon as a gradient has arrived, as those of an optimizer that steps in backward.
_STEPS = "_post_accumulate_grad_hooks"


class Gradients(NamedTuple):
    """Of each trainable parameter the gradient of the pass's L2, and that of the second comparison's.

    Attributes:
        passed, explicit: by the parameter's name; zeros where none arrived.
        prototypes: that of the pass at the prototypes; None where they carry no graph.
    """

    passed: dict[str, Tensor]
    explicit: dict[str, Tensor]
    prototypes: Tensor | None


def gradients_of(attachment: Attached, explicit: tuple[Tensor, ...]) -> Gradients:
    """Both gradients; parameters, their gradients and the model's state are as before, afterwards."""
    model, contrast = attachment.model, attachment.contrast
    assert contrast is not None
    ignore_index = attachment.auxiliary.ignore_index

    def learnt(logits: Any) -> dict[str, Tensor]:
        loss = contrast_loss(logits, contrast.target, attachment.host_loss, ignore_index)
        return _backward(model, loss)

    # Backward counts once more what torch.utils.checkpoint computes again, in the host alone too.
    with undisturbed(model):
        if contrast.prototypes.requires_grad:
            contrast.prototypes.retain_grad()
        passed = learnt(contrast.logits)
        prototypes = contrast.prototypes.grad if contrast.prototypes.requires_grad else None
        if contrast.prototypes.requires_grad and prototypes is None:
            prototypes = torch.zeros_like(contrast.prototypes)
        return Gradients(passed, learnt(explicit[0] if len(explicit) == 1 else explicit), prototypes)


def _backward(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """The gradient of a loss for each trainable parameter, by its name."""
    named = trainable(model)
    with _own_gradients(named.values()):
        if loss.requires_grad:
            # `torch.autograd.grad` would not pass reentrant checkpoints.
            loss.backward(retain_graph=True)  # pyright: ignore[reportUnknownMemberType]
        return {name: torch.zeros_like(one) if one.grad is None else one.grad for name, one in named.items()}


@contextmanager
def _own_gradients(parameters: Iterable[nn.Parameter]) -> Generator[None]:
    """A context in which these parameters have no gradient yet, and no optimizer steps as soon as one arrives."""
    kept = [(one, one.grad, getattr(one, _STEPS)) for one in parameters]
    for one, _, hooks in kept:
        one.grad = None
        if hooks is not None:
            setattr(one, _STEPS, OrderedDict[int, Any]())
    try:
        yield
    finally:
        for one, gradient, hooks in kept:
            one.grad = gradient
            if hooks is not None:
                setattr(one, _STEPS, hooks)


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that training would change, by name."""
    named = cast(Iterable[tuple[str, nn.Parameter]], model.named_parameters())
    return {name: one for name, one in named if one.requires_grad}


def reaches_comparison(attachment: Attached, gradients: Gradients) -> list[Finding]:
    """The claim that the modules where the comparison starts and ends learn from L2; where there are such modules."""
    model, host = attachment.model, attachment.host
    if not isinstance(host, Host):
        return []
    calls = [entry.call for entry in host.entries]
    calls += [exit.call for exit in host.exits if exit.weight > 0 and exit.argument is None]
    modules = [module for call in calls for module in matching(model, Call.parse(call).module).values()]
    learned = {id(parameter) for module in modules for parameter in module.parameters()}
    names = [name for name, parameter in trainable(model).items() if id(parameter) in learned]
    return [reached("L2's gradient reaches the comparison", [gradients.passed[name] for name in names])]


def reached(claim: str, gradients: list[Tensor]) -> Finding:
    """Whether every one of these gradients is more than zero."""
    norms = [_norm(gradient) for gradient in gradients]
    missing = norms.count(0.0)
    figure = f"norm {max(norms, default=0.0):.2e}" + (
        f", {missing} of {len(norms)} tensors not reached" if missing else ""
    )
    return Finding(claim, bool(norms) and not missing, figure)


def same_gradient(gradients: Gradients) -> Finding:
    """The claim that the pass teaches each parameter what the second comparison teaches it.

    A difference counts as a share of the gradient of the parameter's whole module: that of a bias in front of a
    normalisation is nothing but rounding.
    """
    claim = "L2's gradient equals that of the second comparison"
    sizes: dict[str, float] = {}
    for name, gradient in gradients.explicit.items():
        sizes[_module(name)] = (sizes.get(_module(name), 0.0) ** 2 + _norm(gradient) ** 2) ** 0.5
    largest = max(sizes.values(), default=0.0)
    if largest == 0.0 and not any(map(_norm, gradients.passed.values())):
        return Finding(claim, None, "neither of them reaches a parameter")
    gaps = {
        name: _norm(gradients.passed[name] - gradient) / max(sizes[_module(name)], NOTHING * largest, 1e-30)
        for name, gradient in gradients.explicit.items()
    }
    worst = max(gaps, key=lambda name: gaps[name])
    if gaps[worst] == 0.0:
        return Finding(claim, True, f"bit-equal in {len(gaps)} parameters")
    allowed = max(TOLERANCE, 4 * rounding(list(gradients.explicit.values())))
    return Finding(claim, gaps[worst] <= allowed, f"relative difference {gaps[worst]:.1e} at most, in {worst}")


def _norm(gradient: Tensor) -> float:
    return float(gradient.detach().float().square().sum()) ** 0.5


def _module(parameter: str) -> str:
    return parameter.rpartition(".")[0]

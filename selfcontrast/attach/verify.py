"""Proof that an attachment enters the right place: the host computes what it did, and learns what it should."""

import random
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd  # pyright: ignore[reportPrivateUsage]

from selfcontrast.attach.host import Call, CosineHost, Host, matching
from selfcontrast.attach.mechanisms.cosine import swapped_forward
from selfcontrast.attach.mechanisms.memory import replaced_forwards
from selfcontrast.attach.mechanisms.query_features import QueryFeatures, pick_item
from selfcontrast.attach.mechanisms.replay import second_forward
from selfcontrast.attach.nested_tensors import tensors_in
from selfcontrast.auxiliary import SelfContrastiveAuxiliary
from selfcontrast.contrast import SelfContrast
from selfcontrast.errors import InputError, call_theirs, require
from selfcontrast.loss import resize_logits

# A doubled batch may choose other kernels, whose sums round differently.
TOLERANCE = 1e-4
ALONE = "this came from the model's own forward, before the task was entered: look at the batch that check was given"


@runtime_checkable
class Attached(Protocol):
    """What a check needs of an `Attachment`."""

    auxiliary: SelfContrastiveAuxiliary
    model: nn.Module
    host: Host | CosineHost
    contrast: SelfContrast | None
    query: QueryFeatures | None

    @property
    def active(self) -> bool: ...

    def blend(self, main_loss: Tensor) -> Tensor: ...


class Finding(NamedTuple):
    """One claim about an attachment, whether it holds, and the figure."""

    claim: str
    holds: bool
    figure: str

    def __str__(self) -> str:
        return f"{'ok  ' if self.holds else 'FAIL'} {self.claim}: {self.figure}"


class CheckReport(tuple[Finding, ...]):
    """All findings of a check; printed, a line each."""

    def __str__(self) -> str:
        return "\n".join(map(str, self))


def check_modes(attachment: Attached) -> None:
    """Refuse to check a model that is not in training mode, or a task that is switched off."""
    require(
        attachment.model.training,
        "model",
        "training mode, as in its training script",
        "eval mode",
        "call model.train()",
    )
    fix = "call auxiliary.train(), and set auxiliary.weight above 0"
    require(attachment.active, "auxiliary", "training mode and a weight above 0", "it without one of them", fix)


def check_attachment(attachment: Attached, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> CheckReport:
    """Run one training forward without and with the task, and compare; see `Attachment.check`."""
    model = attachment.model
    queries: list[QueryFeatures] = []

    def attached_forward() -> Any:
        output = model(*arguments, **keywords)
        assert attachment.contrast is not None and attachment.query is not None
        queries.append(attachment.query)
        # Backward counts once more what torch.utils.checkpoint computes again, in the host alone too.
        buffers = [buffer.clone() for buffer in model.buffers()]
        # Here, for afterwards the buffers that the graph needs are put back.
        gradients = _gradients(attachment, attachment.contrast)
        return output, buffers, gradients

    with without_dropout(model), random_numbers_kept():
        with torch.no_grad():
            # Without gradients an attachment makes no pass.
            alone = partial(model, *arguments, **keywords)
            plain, plain_buffers = seeded(model, lambda: call_theirs(alone, (), lambda: ALONE))
        (output, buffers, gradients), _ = seeded(model, attached_forward)
        findings = [
            _same("the host's outputs and losses are unchanged", plain, output),
            _same("running statistics are those of one plain step", plain_buffers, buffers),
        ]
        findings += _second_comparison(attachment, queries[-1], arguments, keywords)
    findings += gradients
    report = CheckReport(findings)
    if not all(finding.holds for finding in report):
        raise InputError(f"host: expected an attachment that passes its check, got\n{report}\nmend the Host(...)")
    return report


def _second_comparison(
    attachment: Attached, attachment_query: QueryFeatures, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> list[Finding]:
    """Compare the pass's logits with a whole second forward; for a cosine host only if it returns such logits."""
    model, auxiliary, host, contrast = attachment.model, attachment.auxiliary, attachment.host, attachment.contrast
    assert contrast is not None
    claim, prototype_map, logits = (
        "the pass equals an explicit second comparison",
        contrast.prototype_map,
        contrast.logits,
    )
    if isinstance(host, Host):
        again, _ = seeded(
            model,
            lambda: [one.logits for one in second_forward(model, host, attachment_query, arguments, keywords)],
        )
        return [_same(claim, again, logits)]
    if host.output is None:
        return []
    query = QueryFeatures(auxiliary, contrast.target)
    outputs, _ = seeded(model, lambda: swapped_forward(model, host, query, prototype_map, arguments, keywords))
    output = pick_item(outputs, Call.parse(host.output), "output")
    assert isinstance(logits, Tensor)
    return [_same(claim, output, resize_logits(logits, output[:, 0], host.align_corners))]


def seeded(model: nn.Module, forward: Callable[[], Any]) -> tuple[Any, list[Tensor]]:
    """What a forward from a fixed seed returns, and its buffers after it; the model's own buffers are put back."""
    before = [buffer.clone() for buffer in model.buffers()]
    torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
    np.random.seed(0)
    random.seed(0)
    outputs = forward()
    after = [buffer.clone() for buffer in model.buffers()]
    with torch.no_grad():
        for buffer, old in zip(model.buffers(), before, strict=True):
            buffer.copy_(old)
    return outputs, after


def _same(claim: str, expected: Any, got: Any) -> Finding:
    """Whether two structures hold the same tensors to rounding; integers, such as predictions, may flip at ties."""
    ours, theirs = tensors_in(expected), tensors_in(got)
    if [one.shape for one in ours] != [one.shape for one in theirs]:
        return Finding(claim, False, f"shapes {[tuple(o.shape) for o in ours]} and {[tuple(o.shape) for o in theirs]}")
    largest = max((_difference(one, other) for one, other in zip(ours, theirs, strict=True)), default=0.0)
    bitwise = all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))
    return Finding(claim, largest <= TOLERANCE, "bit-equal" if bitwise else f"relative difference {largest:.1e}")


def _difference(expected: Tensor, got: Tensor) -> float:
    if expected.numel() == 0:
        return 0.0
    if not expected.is_floating_point():
        # A thousandth of all pixels may lie on a tie.
        return TOLERANCE * 1000 * float((expected != got).float().mean())
    # MPS has no float64.
    ours, theirs = (one.detach().cpu().double() for one in (expected, got))
    return float((ours - theirs).abs().max() / ours.abs().max().clamp(min=1e-12))


def _gradients(attachment: Attached, contrast: SelfContrast) -> list[Finding]:
    model, host, findings = attachment.model, attachment.host, list[Finding]()
    loss = attachment.blend(torch.zeros((), device=contrast.target.device))
    if isinstance(host, Host):
        calls = [*(entry.call for entry in host.entries), *(exit.call for exit in host.exits if exit.weight > 0)]
        modules = [module for call in calls for module in matching(model, Call.parse(call).module).values()]
        learned = [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]
        findings.append(_reached("L2's gradient reaches the comparison", loss, learned))
    if contrast.prototypes.requires_grad:
        findings.append(_reached("and, through the prototypes, the features", loss, [contrast.prototypes]))
    else:
        findings.append(Finding("and, through the prototypes, the features", True, "frozen: nothing to learn there"))
    return findings


def _reached(claim: str, loss: Tensor, tensors: Sequence[Tensor]) -> Finding:
    # A zero stands for a gradient that does not exist.
    gradients = torch.autograd.grad(loss, tensors, retain_graph=True, materialize_grads=True) if tensors else ()
    norms = [float(gradient.square().sum()) ** 0.5 for gradient in gradients]
    missing = norms.count(0.0)
    figure = f"norm {max(norms, default=0.0):.2e}" + (
        f", {missing} of {len(tensors)} tensors not reached" if missing else ""
    )
    return Finding(claim, bool(norms) and not missing, figure)


@contextmanager
def random_numbers_kept() -> Generator[None]:
    """A context that may draw random numbers: afterwards every source continues where it was before."""
    of_numpy, of_python = np.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng():  # pyright: ignore[reportUnknownMemberType]
            yield
    finally:
        np.random.set_state(of_numpy)
        random.setstate(of_python)


@contextmanager
def without_dropout(model: nn.Module) -> Generator[None]:
    """A context in which dropout layers pass on a copy of their input, so that two forwards can be compared.

    A copy, as in training: in eval mode they pass the tensor itself on, which the host may then change in place.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, _DropoutNd) and layer.training]
    with replaced_forwards(dict.fromkeys(layers, torch.clone)):
        yield

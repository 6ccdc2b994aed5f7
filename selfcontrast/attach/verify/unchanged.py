"""The host is unharmed: with the task attached a step gives the results, and leaves the traces, that it has alone."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from selfcontrast.attach.verify.forwards import Batch, Trace, Traces, traced, traces_of
from selfcontrast.attach.verify.report import Finding, alike
from selfcontrast.errors import call_theirs, require

ALONE = "this came from the model's own forward, before the task was entered: look at the batch that check was given"


class Plain(NamedTuple):
    """What the host returns alone, the traces that it leaves, and the names of those that differ from call to call."""

    outputs: Any
    traces: Traces
    restless: frozenset[str]


def plain_forwards(model: nn.Module, batch: Batch) -> Plain:
    """Two forwards of the host alone, which must give the same.

    Raises:
        InputError: where they do not, with the names of what a forward changes.
    """
    before = traces_of(model)
    with torch.no_grad():
        # Without gradients an attachment makes no pass.
        outputs, traces = traced(model, lambda: call_theirs(lambda: batch.call(model), (), lambda: ALONE))
        left = differing(before, traces_of(model))
        again, others = traced(model, lambda: batch.call(model))
    same = alike("", outputs, again)
    changed = ", ".join(f"{name} ({how})" for name, how in list((left or differing(before, traces)).items())[:3])
    require(
        same.holds is not False,
        "model",
        "the same results from two forwards on one batch and from one seed",
        f"others; the host itself gives other results from call to call: {same.figure}"
        + (f", and a forward changes {changed}" if changed else ""),
        "this is not the attachment's doing, and nothing can be compared so; keep what a forward changes in buffers or "
        "plain attributes of modules, which check puts back, and draw from torch's, numpy's or Python's own generators",
    )
    return Plain(outputs, traces, frozenset(differing(traces, others)))


def unchanged(plain: Plain, outputs: Any, traces: Traces) -> list[Finding]:
    """The claims that outputs and traces of a forward with the task are those of one without."""
    claim = "attributes and running statistics are those of one plain step"
    strangers = differing(plain.traces, traces)
    changed = {name: figure for name, figure in strangers.items() if name not in plain.restless}
    worst = "; ".join(f"{name}: {figure}" for name, figure in list(changed.items())[:3])
    more = f"; and {len(changed) - 3} more" if len(changed) > 3 else ""
    exact = all(_equal(value, traces[name]) for name, value in plain.traces.items() if name in traces)
    figure = (worst + more) or ("bit-equal" if exact else "equal to rounding")
    return [
        alike("the host's outputs and losses are unchanged", plain.outputs, outputs),
        Finding(claim, not changed, figure),
    ]


def differing(one: Traces, other: Traces) -> dict[str, str]:
    """The traces in which two models differ, and how."""
    found: dict[str, str] = {}
    for name in dict.fromkeys([*one, *other]):
        if name not in one or name not in other:
            found[name] = "only after one of the two forwards"
        else:
            how = _how(one[name], other[name])
            found |= {name: how} if how else {}
    return found


def _how(one: Trace, other: Trace) -> str:
    """In what two traces differ; nothing if they are alike."""
    if type(one) is not type(other):
        return f"{_shown(one)} and {_shown(other)}"
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        same = alike("", one, other)
        return "" if same.holds else same.figure
    if isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return f"{len(one)} and {len(other)} items"
        return next((how for how in map(_how, one, other) if how), "")
    if isinstance(one, dict) and isinstance(other, dict):
        return next((f"{name}: {how}" for name, how in differing(one, other).items()), "")
    return "" if one == other or one != one else f"{_shown(one)} and {_shown(other)}"


def _equal(one: Trace, other: Trace) -> bool:
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and torch.equal(one, other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return True


def _shown(value: Trace) -> str:
    text = type(value).__name__ if isinstance(value, (Tensor, list, dict)) else repr(value)
    return text if len(text) < 40 else f"{text[:37]}..."

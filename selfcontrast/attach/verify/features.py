"""Whether the features learn from L2 through the prototypes: frozen features need not, detached ones should."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from selfcontrast.attach.hooks import Hooks
from selfcontrast.attach.mechanisms.query_features import QueryFeatures
from selfcontrast.attach.verify.attached import Attached
from selfcontrast.attach.verify.forwards import Batch, seeded
from selfcontrast.attach.verify.gradients import Gradients, reached, trainable
from selfcontrast.attach.verify.report import TOLERANCE, Finding, difference

CLAIM = "and, through the prototypes, the features"


def features_learn(attachment: Attached, gradients: Gradients, batch: Batch) -> Finding:
    """The claim that L2 reaches the features, or that no trainable parameter makes them."""
    if gradients.prototypes is not None:
        return reached(CLAIM, [gradients.prototypes])
    maker = _maker(attachment, batch)
    if maker is None:
        return Finding(CLAIM, True, "frozen: nothing to learn there")
    model = attachment.model
    alone = _features(attachment, lambda: batch.call(model.forward))
    learning = [name for name, one in alone.items() if one.requires_grad]
    if learning:
        return Finding(
            CLAIM, False, f"{learning[0]} learns in the host alone, and nothing of it through the prototypes"
        )
    names = ", ".join(alone)
    return Finding(
        CLAIM,
        None,
        f"the host itself computes {names} without a gradient, under no_grad or detached, although {maker}, which is "
        "trainable, makes it",
    )


def _features(attachment: Attached, forward: Callable[[], Any]) -> dict[str, Tensor]:
    """The features of a forward, by the call that gives them."""
    contrast, hooks = attachment.contrast, Hooks(attachment.model)
    assert contrast is not None
    query = QueryFeatures(attachment.auxiliary, contrast.target, attachment.host)
    query.watch(hooks)
    try:
        seeded(attachment.model, forward)
    finally:
        hooks.remove()
    return query.features


def _maker(attachment: Attached, batch: Batch) -> str | None:
    """A trainable parameter that the features follow, if there is one."""
    model = attachment.model

    def with_noise(names: Sequence[str]) -> dict[str, Tensor]:
        with torch.no_grad():
            parameters = _noisy(attachment, names)
            return _features(attachment, lambda: torch.func.functional_call(model, parameters, *batch.fresh()))

    before = with_noise(())

    def follow(names: Sequence[str]) -> bool:
        after = with_noise(names)
        return any(difference(one, after[name]) > TOLERANCE for name, one in before.items())

    names = list(trainable(model))
    if not names or not follow(names):
        return None
    while len(names) > 1:
        half = names[: len(names) // 2]
        names = half if follow(half) else names[len(names) // 2 :]
    return names[0]


def _noisy(attachment: Attached, names: Sequence[str]) -> dict[str, Tensor]:
    named, generator = trainable(attachment.model), torch.Generator().manual_seed(0)
    noise = {name: torch.randn(named[name].shape, generator=generator).to(named[name]) for name in names}
    return {name: named[name].detach() + (named[name].detach().abs().mean() + 0.1) * one for name, one in noise.items()}

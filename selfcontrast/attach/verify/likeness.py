"""The foreground's place of a cosine host is the foreground's: who is more like the prototype there is class 1."""

import torch
from torch import Tensor

from selfcontrast.attach.following import fixed_statistics
from selfcontrast.attach.host import CosineHost
from selfcontrast.attach.mechanisms.exchange import Exchange
from selfcontrast.attach.mechanisms.query_features import QueryFeatures
from selfcontrast.attach.verify.attached import Attached
from selfcontrast.attach.verify.forwards import Batch, seeded
from selfcontrast.attach.verify.report import Verdict


class _Alike(QueryFeatures):
    """A query whose map is the features themselves, or their opposite: as like them, and as unlike, as can be."""

    sign = 1.0

    def map_of(self, features_call: str | None = None) -> Tensor:
        return self.sign * self.features[features_call or self.feature_calls[0]]


def class_of_likeness(attachment: Attached, batch: Batch) -> Verdict:
    """Whether likeness at the foreground's place makes the foreground more probable in the host's own output."""
    model, host, contrast = attachment.model, attachment.host, attachment.contrast
    assert contrast is not None
    if not isinstance(host, CosineHost) or host.output is None:
        return True, ""
    query = _Alike(attachment.auxiliary, contrast.target, host)
    exchange = Exchange(model, host, query)

    def surplus(sign: float) -> float:
        """How much class 1 is ahead of class 0."""
        query.sign = sign
        arguments, keywords = batch.fresh()
        (exit,), _ = seeded(model, lambda: exchange.finish(list(arguments), keywords))
        return float((exit.logits[:, 1] - exit.logits[:, 0]).mean())

    arguments, keywords = batch.fresh()
    with fixed_statistics(model), torch.no_grad():
        exchange.open(list(arguments), keywords)
        try:
            seeded(model, lambda: model.forward(*arguments, **keywords))
            like, unlike = surplus(1.0), surplus(-1.0)
        finally:
            exchange.close()
    if like > unlike:
        return True, ""
    place = f"the similarity at place {host.foreground}"
    if like == unlike:
        return None, f"class 1 of the output does not follow {place}"
    return False, f"the higher {place}, the less probable is class 1: is this the background's place?"

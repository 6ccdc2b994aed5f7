"""The foreground's place of a cosine host is the foreground's: who is more like the prototype there is class 1."""

import torch
from torch import Tensor

from selfcontrast.attach.following import fixed_statistics
from selfcontrast.attach.host import CosineHost
from selfcontrast.attach.mechanisms.exchange import Exchange
from selfcontrast.attach.mechanisms.query_features import QueryFeatures
from selfcontrast.attach.verify.attached import Attached
from selfcontrast.attach.verify.forwards import Batch
from selfcontrast.attach.verify.report import Verdict
from selfcontrast.attach.verify.second_comparison import listened


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

    def surplus(sign: float) -> float:
        """How much class 1 is ahead of class 0."""
        query.sign = sign
        logits = exchanged().logits
        return float((logits[:, 1] - logits[:, 0]).mean())

    with fixed_statistics(model), torch.no_grad(), listened(model, Exchange(model, host, query), batch) as exchanged:
        like, unlike = surplus(1.0), surplus(-1.0)
    if like > unlike:
        return True, ""
    place = f"the similarity at place {host.foreground}"
    if like == unlike:
        return None, f"class 1 of the output does not follow {place}"
    return False, f"the higher {place}, the less probable is class 1: is this the background's place?"

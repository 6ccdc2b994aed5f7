"""What a check needs of an `Attachment`, and how the model must stand for one."""

from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from selfcontrast.attach.host import CosineHost, Host
from selfcontrast.attach.mechanisms.query_features import QueryFeatures
from selfcontrast.auxiliary import SelfContrastiveAuxiliary
from selfcontrast.contrast import SelfContrast
from selfcontrast.errors import require
from selfcontrast.loss import Logits


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

    def host_loss(self, logits: Logits, target: Tensor) -> Tensor: ...


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

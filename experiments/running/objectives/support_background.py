"""The paper's Table 4: background from the support in place of the query's."""

from typing import Any

from model.pfenet import PFENet
from torch import Tensor
from training.episode_loss import Batch, EpisodeLoss, Losses

from selfcontrast import SelfContrastiveAuxiliary


class SupportBackground(EpisodeLoss):
    """The one background prototype is pooled from the support, from the very features that the host pools.

    Hooks take them where the host makes them: computed once more, they would have another dropout.
    """

    def __init__(self, model: PFENet, auxiliary: SelfContrastiveAuxiliary) -> None:
        super().__init__(model, auxiliary)
        # While a step runs: the support's mask, then its features too.
        self._masks: Tensor | None = None
        self._features: Tensor | None = None
        model.down_supp.register_forward_hook(self._keep)
        auxiliary.register_forward_pre_hook(self._hand_over, with_kwargs=True)

    def forward(self, batch: Batch) -> Losses:
        # Training is 1-shot.
        self._masks = batch["support_masks"][:, 0].long()
        losses = super().forward(batch)
        self._masks = self._features = None
        return losses

    def _keep(self, _module: object, _inputs: object, features: Tensor) -> None:
        if self._masks is not None:
            self._features = features

    def _hand_over(
        self, _module: object, positional: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return positional, named | {"support": (self._features, self._masks)}

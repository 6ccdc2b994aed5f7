"""What a step minimises: the example's own loss, those of the controls, of the paper's Table 4 and of a probe."""

from collections.abc import Callable
from functools import partial
from typing import Any

from model.pfenet import PFENet
from recipe import Recipe
from torch import Tensor
from training.episode_loss import Batch, EpisodeLoss, Losses

from running.oracle import Oracle
from running.small_hosts import CosineLoss
from selfcontrast import SelfContrastiveAuxiliary


class Unhalved(EpisodeLoss):
    """L1 + λ/(1 − λ) L2, so L1 + L2 at λ = 0.5: the main task keeps the weight that it has without the other one."""

    def forward(self, batch: Batch) -> Losses:
        losses = super().forward(batch)
        return losses._replace(blended=losses.blended / (1 - self.auxiliary.weight))


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


Objective = Callable[[PFENet, SelfContrastiveAuxiliary], EpisodeLoss]
OBJECTIVES: dict[str, Objective] = {
    "blended": EpisodeLoss,
    "unhalved": Unhalved,
    "support_background": SupportBackground,
    "cosine": CosineLoss,
}
# Those that also ask which episodes they see.
OF_A_RECIPE: dict[str, Callable[[Recipe, PFENet, SelfContrastiveAuxiliary], EpisodeLoss]] = {"oracle": Oracle}
# The last commit that has experiments/variants.py, and the variants: none won, and the studies keep their rows.
LAST_WITH_VARIANTS = "f215a3b"
DELETED = (
    "a negative for each pixel",
    "every negative",
    "background clusters",
    "count by separation",
    "soft assignment",
    "pulled prior",
    # The first one written a second time, which draws other numbers. That code is in no commit.
    "negatives=pixel",
)


def check_objective(name: str) -> None:
    """
    Raises:
        ValueError: the objective is a variant's that was deleted.
    """
    if name in DELETED:
        raise ValueError(
            f"objective: expected one of {', '.join([*OBJECTIVES, *OF_A_RECIPE])}, got {name!r}, which did not win and "
            f"was deleted; the variants' code is in commit {LAST_WITH_VARIANTS}"
        )


def objective_of(name: str, recipe: Recipe) -> Objective:
    """What a cell of that objective minimises; `check_objective` knows the names that are gone."""
    return partial(OF_A_RECIPE[name], recipe) if name in OF_A_RECIPE else OBJECTIVES[name]

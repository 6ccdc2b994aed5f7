"""Which objective a name means: the example's own loss, controls, a probe, and the arms of issue "5 of 7"."""

from collections.abc import Callable
from functools import partial

from grid.study import WRONG_SUPPORTS
from model.pfenet import PFENet
from recipe import Recipe
from training.episode_loss import EpisodeLoss

from running.draws import WrongSupports
from running.objectives.alignment import Alignment
from running.objectives.balanced_pairs import BalancedPairs
from running.objectives.latent_prototype import LatentPrototype
from running.objectives.oracle import Oracle
from running.objectives.prototype_encoder import PrototypeEncoder
from running.objectives.pseudo_episode import PseudoEpisode
from running.objectives.support_background import SupportBackground
from running.objectives.unhalved import Unhalved
from running.small_hosts import CosineLoss
from selfcontrast import SelfContrastiveAuxiliary

Objective = Callable[[PFENet, SelfContrastiveAuxiliary], EpisodeLoss]
OBJECTIVES: dict[str, Objective] = {
    "blended": EpisodeLoss,
    "unhalved": Unhalved,
    "support_background": SupportBackground,
    "cosine": CosineLoss,
    "prototype encoder": PrototypeEncoder,
    "pseudo-episode": PseudoEpisode,
    "balanced pairs": BalancedPairs,
    "latent prototype": LatentPrototype,
    "alignment": Alignment,
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
    objective = partial(OF_A_RECIPE[name], recipe) if name in OF_A_RECIPE else OBJECTIVES[name]
    if getattr(recipe, "further_draw", None) != WRONG_SUPPORTS:
        return objective

    def with_wrong_supports(model: PFENet, auxiliary: SelfContrastiveAuxiliary) -> EpisodeLoss:
        task = objective(model, auxiliary)
        task.register_forward_pre_hook(WrongSupports(recipe))
        return task

    return with_wrong_supports

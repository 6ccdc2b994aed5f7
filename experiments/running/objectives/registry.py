"""Which objective a name means: the example's own loss, controls, a probe and the pseudo-episode."""

from collections.abc import Callable
from functools import partial

from grid.study import WRONG_SUPPORTS
from model.pfenet import PFENet
from recipe import Recipe
from training.episode_loss import EpisodeLoss

from running.draws import WrongSupports
from running.objectives.oracle import Oracle
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
    "pseudo-episode": PseudoEpisode,
}
# Those that also ask which episodes they see.
OF_A_RECIPE: dict[str, Callable[[Recipe, PFENet, SelfContrastiveAuxiliary], EpisodeLoss]] = {"oracle": Oracle}
# None of these won. The studies keep their rows; where their code is stands beside the name.
DELETED = {
    "a negative for each pixel": "in commit f215a3b",
    "every negative": "in commit f215a3b",
    "background clusters": "in commit f215a3b",
    "count by separation": "in commit f215a3b",
    "soft assignment": "in commit f215a3b",
    "pulled prior": "in commit f215a3b",
    # The first one written a second time, which draws other numbers.
    "negatives=pixel": "in no commit",
    "prototype encoder": "in commit 5598935",
    "balanced pairs": "in commit 5598935",
    "latent prototype": "in commit 5598935",
    "alignment": "in commit 5598935",
}


def check_objective(name: str) -> None:
    """
    Raises:
        ValueError: the objective was deleted.
    """
    if name in DELETED:
        raise ValueError(
            f"objective: expected one of {', '.join([*OBJECTIVES, *OF_A_RECIPE])}, got {name!r}, which did not win and "
            f"was deleted; its code is {DELETED[name]}"
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

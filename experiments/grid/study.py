"""What every cell has in common, and how a study's arms become cells."""

from typing import Any, NamedTuple

from grid.cell import Cell, Settings

# The one recipe of all studies but `schedule`, which set `steps`, `batch` and `learning_rate` before any other study
# ran. Whoever changes them now has looked at novel classes.
RECIPE: Settings = {
    "split": "sequential",
    "novel": "keep",
    "min_pixels": 840,
    "hidden": 0.0,
    "backbone": "efficientnet_lite0",
    "backbone_weights": "imagenet",
    "channels": 64,
    "scales": [14, 7, 4],
    "live_statistics": False,
    "weight": 0.5,
    "num_prototypes": 3,
    "partition": "kmeans",
    "prior": "neutral",
    "size": 224,
    "draw": "class",
    "batch": 4,
    "micro_batch": None,
    "steps": 800,
    "epochs": None,
    "optimizer": "adamw",
    "learning_rate": 0.001,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "precision": "32-true",
    "select": "last",
    "protocol": "ours",
    "evaluation_seed": 1000,
    "cache_features": True,
}
# What `draw` may name beside the recipe's own, see running/draws.py.
TWO_CLASSES = "class, every second query with another base class in sight"
WRONG_SUPPORTS = "class, every tenth episode with a support of another class"
DRAWS = (TWO_CLASSES, WRONG_SUPPORTS)
# Where the baseline uses its support: what the study `regime` chose by its rule.
REGIME: Settings = {"steps": 8 * RECIPE["steps"]}
# Defaults of the library, which a recipe does not name. Where one changes, cells with the task are other cells.
TASK: Settings = {"iterations": 10, "ignore_index": 255, "seeding": "farthest-first", "engine": "torch"}
# On the processors that computed the cells, the default "auto" takes "torch"; a GPU's labels differ by rounding alone.
KNOWN_AS = {"auto": "torch"}
# The settings of a `Recipe` that a cell leaves out: where files lie, how often they are written, and what is looked at
# while training; shot and count of the evaluation stand in the cell itself. Every cell has four folds and no class held
# out by name, and a damaged file ends it.
NO_PART_OF_THE_RESULT = {
    *("benchmark", "data", "features", "out", "resume", "tensorboard", "baseline", "workers", "checkpoint_every"),
    *("select_every", "select_episodes", "evaluation_memory", "shot", "episodes"),
    *("folds", "novel_classes", "skip_damaged"),
}
EPISODES = {"1": 1000, "5": 500}
# Of cells that only ablations need.
ONE_SHOT = {"episodes": {"1": 1000}}
FOLDS = (0, 1, 2, 3)

BASELINE: Settings = {"weight": 0.0}
SCNET: Settings = {}
MAIN = (BASELINE, SCNET)


class Dose(NamedTuple):
    """What a study gives more and less of.

    Attributes:
        unit: in words.
        given: compared arm → how many units.
    """

    unit: str
    given: dict[str, float]


class Study(NamedTuple):
    """A question and the arms that answer it.

    Attributes:
        arms: what each changes: settings of the recipe, or of the cell: data, host, objective, classes, episodes.
        compared: arm → the arm that its difference is taken from, of the same fold and seed.
        dose: where the question is how the gain changes with it.
        chosen_on: the folds that choose among the arms, where one is to be kept if the other folds confirm it.
    """

    question: str
    arms: dict[str, dict[str, Any]]
    compared: dict[str, str]
    seeds: tuple[int, ...] = (0, 1)
    dose: Dose | None = None
    chosen_on: tuple[int, ...] = ()

    def cells(self) -> dict[tuple[str, int, int], Cell]:
        """By (arm, fold, seed); all arms and folds of a seed come first, so that a part of a study is of use."""
        return {
            (arm, fold, seed): cell(fold, seed, **changes)
            for seed in self.seeds
            for fold in FOLDS
            for arm, changes in self.arms.items()
        }


def cell(
    fold: int,
    seed: int,
    data: str = "photographs",
    host: str = "PFENet",
    objective: str = "blended",
    classes: str = "novel",
    episodes: dict[str, int] = EPISODES,
    **changes: Any,
) -> Cell:
    """A cell that departs from `RECIPE` in `changes`.

    Raises:
        ValueError: a setting that the recipe does not have.
    """
    unknown = sorted(changes.keys() - RECIPE.keys())
    if unknown:
        raise ValueError(f"changes: expected settings that RECIPE names, got {', '.join(unknown)}; mend the grid")
    recipe = RECIPE | changes | {"fold": fold, "seed": seed}
    return Cell(data, host, objective, recipe, TASK if recipe["weight"] else {}, classes, dict(episodes))

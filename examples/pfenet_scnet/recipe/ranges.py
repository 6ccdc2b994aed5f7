"""The range of every number in a recipe, and the names that an option takes."""

from typing import Any

from model.backbones import check_backbone
from runtime.options import Range, check_choice

from selfcontrast.auxiliary import PARTITIONS, PRIORS

COUNT, PLACE, SHARE, POSITIVE = Range(1), Range(0), Range(0, 1), Range(0, above=True)
RANGES = {
    "fold": PLACE,
    "folds": Range(2),
    "shot": COUNT,
    "min_pixels": COUNT,
    "hidden": Range(0, 0.5),
    "channels": COUNT,
    "weight": SHARE,
    "num_prototypes": COUNT,
    # Smaller than the stride of a backbone's last layer, a picture has no features.
    "size": Range(32),
    "batch": COUNT,
    "micro_batch": COUNT,
    "steps": COUNT,
    "epochs": COUNT,
    "learning_rate": POSITIVE,
    "momentum": SHARE,
    "weight_decay": PLACE,
    "select_every": COUNT,
    "select_episodes": COUNT,
    "episodes": COUNT,
    "evaluation_memory": POSITIVE,
    "seed": PLACE,
    "evaluation_seed": PLACE,
    "workers": PLACE,
    "checkpoint_every": COUNT,
}
CHOICES = {"partition": PARTITIONS, "prior": PRIORS}


def check_values(recipe: Any) -> None:
    """Refuse a recipe with a number outside its range or an unknown name.

    Raises:
        ValueError: names the option, what it takes, and what it got.
    """
    for name, allowed in RANGES.items():
        allowed.check(name, getattr(recipe, name))
    for name, choices in CHOICES.items():
        check_choice(name, getattr(recipe, name), choices)
    check_backbone(recipe.backbone)
    if not recipe.scales:
        raise ValueError("scales: expected at least one side of a grid, got none; change --scales, as in [14,7,4]")
    for scale in recipe.scales:
        COUNT.check("scales", scale)

"""What comparison.json holds: both scores of every seed, their differences, and the intervals."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from data.image_list import ImageList
from recipe import Recipe
from run_folder.contradictions import MACHINE

from comparison.carrying_out import Arm
from comparison.intervals import Interval, over_pictures, over_seeds

MEASURES = {"miou": "mIoU", "fb_iou": "FB-IoU"}


class Compared(NamedTuple):
    """The pair of one seed; `pictures` is how far each measure's difference hangs on the query pictures."""

    seed: int
    baseline: Arm
    scnet: Arm
    pictures: dict[str, Interval]

    def difference(self, measure: str) -> float:
        """SCNet minus baseline, in points."""
        return getattr(self.scnet.evaluation.scores, measure) - getattr(self.baseline.evaluation.scores, measure)


def compared(seed: int, baseline: Arm, scnet: Arm) -> Compared:
    """The pair with its intervals over query pictures."""
    intervals = over_pictures(baseline.evaluation, scnet.evaluation)
    return Compared(seed, baseline, scnet, dict(zip(MEASURES, intervals, strict=True)))


def differences(pairs: Sequence[Compared]) -> dict[str, Interval]:
    """Measure → mean difference over the seeds."""
    return {measure: over_seeds([pair.difference(measure) for pair in pairs]) for measure in MEASURES}


def summary(
    pairs: Sequence[Compared], images: ImageList, worth: Sequence[str], versions: dict[str, str]
) -> dict[str, Any]:
    """The content of comparison.json."""
    first = pairs[0].baseline
    return {
        "worth": list(worth),
        "difference": {measure: one._asdict() for measure, one in differences(pairs).items()},
        "seeds": [_of_a_seed(pair, images) for pair in pairs],
        "every_pixel_foreground_miou": first.evaluation.chance,
        "episodes": first.evaluation.episodes,
        "episodes_digest": first.evaluation.digest,
        "held_out": first.recipe.held_out_words,
        "recipe": part_of_the_result(pairs[0].scnet.recipe),
        "environment": versions,
    }


def part_of_the_result(recipe: Recipe) -> dict[str, Any]:
    """The options of a recipe that a result depends on, without the seed."""
    values = {one.name: getattr(recipe, one.name) for one in fields(recipe)}
    kept = {name: value for name, value in values.items() if name not in MACHINE | {"seed"}}
    return kept | {"scales": list(recipe.scales)}


def _of_a_seed(pair: Compared, images: ImageList) -> dict[str, Any]:
    arms = {"baseline": pair.baseline, "scnet": pair.scnet}
    return {
        "seed": pair.seed,
        "training_episodes_digest": pair.baseline.result["training_episodes_digest"],
        "difference": {measure: pair.difference(measure) for measure in MEASURES},
        "over_query_pictures": {measure: one._asdict() for measure, one in pair.pictures.items()},
        **{name: _of_an_arm(arm, images) for name, arm in arms.items()},
    }


def _of_an_arm(arm: Arm, images: ImageList) -> dict[str, Any]:
    scores = arm.evaluation.scores
    return {
        "run": arm.recipe.out,
        "training_seconds": arm.result["training_seconds"],
        "miou": scores.miou,
        "fb_iou": scores.fb_iou,
        "class_iou": {images.class_names[c - 1]: iou for c, iou in scores.class_iou.items()},
    }

"""Report an evaluation: the printed table, and the content of a result file."""

from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

from data.image_list import ImageList
from evaluation.metrics import Evaluation
from recipe import Recipe

from reporting import paper
from reporting.reliance import reliance_line, reliance_of
from reporting.threshold_free import at_chosen_offset, chosen_line, over_offsets, recall_line


def report(
    recipe: Recipe,
    evaluations: Sequence[Evaluation],
    images: ImageList,
    origin: str | None = None,
    base: Evaluation | None = None,
) -> dict[str, Any]:
    """Print the per-class table over all seeds, and return the scores, as means over the seeds.

    `origin` says where the weights come from, if not from a run of this recipe. `base`, of base classes, chooses an
    offset. The spread is the sample standard deviation over the seeds; None for a single seed.
    """
    found = scores_of(recipe, evaluations, images, origin)
    if base is not None:
        found["at_chosen_offset"] = at_chosen_offset(found["over_offsets"], base)
    print(f"\n{'class':>20}   IoU %")
    for c in _classes(evaluations):
        iou, spread = _class_iou(evaluations, c)
        print(f"{images.class_names[c - 1]:>20}   {'no pixel seen' if iou is None else _percent(iou, spread)}")
    everywhere = f"(every pixel foreground: {found['every_pixel_foreground_miou']:.1f})"
    print(f"{'mIoU':>20}   {_percent(found['miou'], found['miou_spread'])}   {everywhere}")
    print(f"{'FB-IoU':>20}   {_percent(found['fb_iou'], found['fb_iou_spread'])}")
    if found["support_reliance"]:
        print(f"{'support reliance':>20}   {reliance_line(found['support_reliance'])}")
    if found["over_offsets"]:
        print(f"{'base objects called':>20}   {recall_line(found['over_offsets']['base_called_at_recall'])}")
    if base is not None:
        print(f"{'mIoU, chosen offset':>20}   {chosen_line(found['at_chosen_offset'])}")
    print(_setting(recipe, evaluations, found["weights"]))
    return found


def scores_of(
    recipe: Recipe, evaluations: Sequence[Evaluation], images: ImageList, origin: str | None = None
) -> dict[str, Any]:
    """The scores of an evaluation and all that makes them comparable with others, as `report` returns them."""
    miou, fb_iou = (_over([getattr(e.scores, name) for e in evaluations]) for name in ("miou", "fb_iou"))
    return {
        "weights": origin or _training(recipe),
        "miou": miou[0],
        "fb_iou": fb_iou[0],
        "class_iou": {images.class_names[c - 1]: _class_iou(evaluations, c)[0] for c in _classes(evaluations)},
        "every_pixel_foreground_miou": mean(e.chance for e in evaluations),
        "support_reliance": reliance_of(evaluations),
        "over_offsets": over_offsets(evaluations),
        "episodes": evaluations[0].episodes,
        "episodes_digest": "-".join(e.digest for e in evaluations),
        "data": recipe.data,
        "held_out": recipe.held_out,
        "split": recipe.split,
        "size": recipe.size,
        "shot": recipe.shot,
        "protocol": recipe.protocol,
        "seeds": {e.seed: {"miou": e.scores.miou, "fb_iou": e.scores.fb_iou} for e in evaluations},
        "miou_spread": miou[1],
        "fb_iou_spread": fb_iou[1],
    }


def run_result(recipe: Recipe, scores: dict[str, Any], training: dict[str, Any]) -> dict[str, Any]:
    """The content of a run's result.json but for the versions; the paper's cell, where there is one, is printed too.

    Args:
        scores: as `scores_of` or `report` gives them.
        training: the record of the training.
    """
    result = scores | training
    result |= {name: getattr(recipe, name) for name in ("steps", "weight", "seed", "batch", "select")}
    if recipe.benchmark:
        comparison = paper.compare(recipe, scores["miou"], len(recipe.listed_images().items))
        paper.say(recipe, scores["miou"], comparison)
        result["paper"] = comparison._asdict()
    return result


def _classes(evaluations: Sequence[Evaluation]) -> list[int]:
    return list(evaluations[0].scores.class_iou)


def _class_iou(evaluations: Sequence[Evaluation], c: int) -> tuple[float | None, float | None]:
    return _over([e.scores.class_iou[c] for e in evaluations])


def _over(values: list[float | None]) -> tuple[float | None, float | None]:
    """Mean and spread of the values that are not None."""
    found = [value for value in values if value is not None]
    return (mean(found) if found else None), (stdev(found) if len(found) > 1 else None)


def _percent(value: float, spread: float | None) -> str:
    return f"{value:5.1f}" if spread is None else f"{value:5.1f} ± {spread:.1f}"


def _training(recipe: Recipe) -> str:
    task = "PFENet baseline" if recipe.weight == 0 else f"PFENet + SCNet, weight {recipe.weight:g}"
    return f"{task}, novel={recipe.novel}, checkpoint selected by {recipe.select}"


def _setting(recipe: Recipe, evaluations: Sequence[Evaluation], origin: str) -> str:
    """Everything a reader must know to compare these scores with others."""
    seeds = ", ".join(f"seed {e.seed}: {e.episodes} episodes {e.digest}" for e in evaluations)
    words = f"{origin}: {recipe.held_out_words}, {recipe.shot}-shot, protocol {recipe.protocol}, {seeds}."
    return words if recipe.benchmark else f"{words}\nScores on this data are not comparable with published tables."

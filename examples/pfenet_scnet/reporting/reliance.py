"""Support reliance, in a line of the table and in a result file."""

from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

from evaluation.metrics import Evaluation


def reliance_of(evaluations: Sequence[Evaluation]) -> dict[str, float | None] | None:
    """Means over the seeds, in points of mIoU; None where it was not measured.

    `over_other_class` and `over_empty` are the mIoU less `other_class_miou` and `empty_miou`. The spread is the sample
    standard deviation over the seeds; None for a single seed. Without another class its fields are None.
    """
    if any(e.reliance is None for e in evaluations):
        return None
    found: dict[str, float | None] = {}
    for name in ("other_class", "empty"):
        others = [getattr(e.reliance, name) for e in evaluations]
        differences = [] if None in others else [e.scores.miou - v for e, v in zip(evaluations, others, strict=True)]
        found[f"over_{name}"] = mean(differences) if differences else None
        found[f"over_{name}_spread"] = stdev(differences) if len(differences) > 1 else None
        found[f"{name}_miou"] = mean(others) if differences else None
    return found


def reliance_line(found: dict[str, Any]) -> str:
    """What `reliance_of` found, in words.

    >>> reliance_line({"over_other_class": 1.24, "over_other_class_spread": None, "other_class_miou": 36.5,
    ...  "over_empty": 20.0, "over_empty_spread": None, "empty_miou": 17.74})
    '  1.2   (mIoU 36.5 with supports of another class, 17.7 with empty supports)'
    """
    empty = f"{found['empty_miou']:.1f} with empty supports"
    if found["over_other_class"] is None:
        return f"none: there is no other class to take supports from   (mIoU {empty})"
    spread = found["over_other_class_spread"]
    points = f"{found['over_other_class']:5.1f}" + ("" if spread is None else f" ± {spread:.1f}")
    return f"{points}   (mIoU {found['other_class_miou']:.1f} with supports of another class, {empty})"

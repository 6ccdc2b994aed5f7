"""Scores that a threshold cannot buy, in a result file and in lines of the table."""

from collections.abc import Sequence
from statistics import mean
from typing import Any

from evaluation.margin_counts import OFFSETS, RECALLS, best_offset
from evaluation.metrics import Evaluation
from evaluation.support_reliance import OTHER_CLASS, OWN


def over_offsets(evaluations: Sequence[Evaluation]) -> dict[str, Any] | None:
    """Means over the seeds: the curves over `OFFSETS`, and what of base objects is called foreground at equal recall.

    `support_reliance` is None where the supports of another class were not tried or do not exist. None in the place of
    everything where the margins were not counted.
    """
    own = [one.curves.get(OWN) for one in evaluations]
    if not all(own):
        return None
    others = [one.curves.get(OTHER_CLASS) for one in evaluations]
    miou = _means([one["miou"] for one in own])
    reliance = _differences(miou, _means([one["miou"] for one in others])) if all(others) else None
    at_recall = {str(recall): [one["base_called_at_recall"][str(recall)] for one in own] for recall in RECALLS}
    return {
        "offset": list(OFFSETS),
        "miou": miou,
        "fb_iou": _means([one["fb_iou"] for one in own]),
        "support_reliance": reliance,
        "base_called_at_recall": {
            recall: None if None in values else mean(values) for recall, values in at_recall.items()
        },
    }


def at_chosen_offset(found: dict[str, Any], base: Evaluation) -> dict[str, Any]:
    """The scores of `over_offsets` at the offset that is best on base classes.

    Args:
        found: what `over_offsets` returned.
        base: an evaluation of base classes on held-out images that show no novel object.
    """
    offset = best_offset(base.curves[OWN]["miou"])
    place = OFFSETS.index(offset)
    return {
        "offset": offset,
        "miou": found["miou"][place],
        "fb_iou": found["fb_iou"][place],
        "support_reliance": found["support_reliance"][place] if found["support_reliance"] else None,
        "base_miou": base.curves[OWN]["miou"][place],
        "base_episodes": base.episodes,
        "base_episodes_digest": base.digest,
    }


def recall_line(at_recall: dict[str, float | None]) -> str:
    """What of the base objects is called foreground at equal recall, in words.

    >>> recall_line({"50": 22.04, "60": 31.8, "70": None})
    '22.0, 31.8, – % where 50, 60, 70 % of the targets are found'
    """
    values = ", ".join("–" if value is None else f"{value:.1f}" for value in at_recall.values())
    return f"{values} % where {', '.join(at_recall)} % of the targets are found"


def chosen_line(chosen: dict[str, Any]) -> str:
    """What `at_chosen_offset` found, in words.

    >>> chosen_line({"offset": -0.5, "miou": 47.28, "support_reliance": 0.31, "base_miou": 49.3})
    ' 47.3   (offset −0.5, best on base classes with 49.3; support reliance there 0.3)'
    """
    reliance = chosen["support_reliance"]
    there = "" if reliance is None else f"; support reliance there {_signed(reliance, 1)}"
    offset = _signed(chosen["offset"])
    return f"{chosen['miou']:5.1f}   (offset {offset}, best on base classes with {chosen['base_miou']:.1f}{there})"


def _signed(value: float, digits: int | None = None) -> str:
    return (f"{value:g}" if digits is None else f"{value:.{digits}f}").replace("-", "−")


def _means(curves: Sequence[Sequence[float]]) -> list[float]:
    return [mean(values) for values in zip(*curves, strict=True)]


def _differences(curve: Sequence[float], other: Sequence[float]) -> list[float]:
    return [one - its for one, its in zip(curve, other, strict=True)]

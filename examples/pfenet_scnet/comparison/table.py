"""The table of a comparison: baseline, SCNet and their difference, by class and as a whole."""

from collections.abc import Sequence
from statistics import mean

from data.image_list import ImageList

from comparison.summary import MEASURES, Compared, differences


def table(pairs: Sequence[Compared], images: ImageList) -> str:
    """Scores in percent, means over the seeds."""
    over = f", means of {len(pairs)} seeds" if len(pairs) > 1 else ""
    lines = [f"{f'IoU %{over}':>26}   baseline    SCNet   difference"]
    for c in pairs[0].baseline.evaluation.scores.class_iou:
        found = [[arm.evaluation.scores.class_iou[c] for arm in (pair.baseline, pair.scnet)] for pair in pairs]
        seen = [(one, two) for one, two in found if one is not None and two is not None]
        lines.append(_row(images.class_names[c - 1], seen))
    for measure, name in MEASURES.items():
        scores = [
            tuple(getattr(arm.evaluation.scores, measure) for arm in (pair.baseline, pair.scnet)) for pair in pairs
        ]
        interval = differences(pairs)[measure]
        span = "" if interval.low is None else f"   (95 %: {interval.low:+.1f} to {interval.high:+.1f})"
        lines.append(_row(name, scores) + span)
    chance = mean(pair.baseline.evaluation.chance for pair in pairs)
    return "\n".join([*lines, f"{'every pixel foreground':>26}   {chance:8.1f}   (mIoU)"])


def _row(name: str, scores: Sequence[tuple[float, float]]) -> str:
    if not scores:
        return f"{name:>26}   no pixel seen"
    baseline, scnet = (mean(column) for column in zip(*scores, strict=True))
    return f"{name:>26}   {baseline:8.1f} {scnet:8.1f}   {scnet - baseline:+10.1f}"

"""What a difference is worth, in sentences: how far it hangs on the pictures, and how far on the seed."""

from collections.abc import Sequence
from typing import Any

from comparison.intervals import Interval
from comparison.summary import MEASURES, Compared, differences

FIVE = "--seeds 0 1 2 3 4"
NOTHING_LEARNT = (
    "Both models score below one that calls every pixel foreground, so neither has learnt to find a new class yet and "
    "their difference says nothing: train longer with --steps."
)
VERDICTS = {
    1: "with this recipe SCNet gains",
    -1: "with this recipe SCNet loses",
    0: "with this recipe no difference shows",
}


def worth(pairs: Sequence[Compared], measured: dict[str, Any] | None) -> list[str]:
    """The sentences under the table.

    Args:
        measured: the committed comparison of many seeds by this very recipe, where there is one.
    """
    learnt = [] if _learnt(pairs) else [NOTHING_LEARNT]
    if len(pairs) > 1:
        return [*_of_many_seeds(pairs), *learnt]
    return [_difference(pairs[0]), _pictures(pairs[0]), _seed(pairs[0], measured), *learnt]


def _learnt(pairs: Sequence[Compared]) -> bool:
    """Whether any model does better than to call every pixel foreground."""
    evaluations = [arm.evaluation for pair in pairs for arm in (pair.baseline, pair.scnet)]
    return any(one.scores.miou > one.chance for one in evaluations)


def heading(pair: Compared) -> str:
    """Both scores of a pair, over the sheet of its episodes."""
    arms = {"baseline": pair.baseline.evaluation, "SCNet": pair.scnet.evaluation}
    scores = [f"{name}: mIoU {one.scores.miou:.1f}, FB-IoU {one.scores.fb_iou:.1f}" for name, one in arms.items()]
    episodes = pair.baseline.evaluation.episodes
    return (
        f"{'      '.join(scores)}      {episodes} episodes of classes that neither was trained on\n"
        f"One pair of runs, seed {pair.seed}: with another seed the difference may be another, and of the other sign."
    )


def _difference(pair: Compared) -> str:
    scores = pair.baseline.evaluation.scores, pair.scnet.evaluation.scores
    parts = [
        f"{name} {_above(pair.difference(measure))} the baseline's "
        f"({getattr(scores[1], measure):.1f} against {getattr(scores[0], measure):.1f})"
        for measure, name in MEASURES.items()
    ]
    return f"On the same {pair.baseline.evaluation.episodes} episodes SCNet's {parts[0]}, its {parts[1]}."


def _pictures(pair: Compared) -> str:
    interval = pair.pictures["miou"]
    if interval.low is None:
        return (
            f"Pictures: with {interval.count} query pictures, some class has only one, which is too few to say how far "
            "the difference hangs on them."
        )
    end = (
        "so these pictures cannot tell the two models apart"
        if interval.verdict == 0
        else "so the choice of pictures alone does not explain it"
    )
    return (
        f"Pictures: in 95 % of random draws from the {interval.count} query pictures the difference in mIoU lies from "
        f"{_span(interval)}, {end}."
    )


def _seed(pair: Compared, measured: dict[str, Any] | None) -> str:
    start = "Training: that interval leaves out that another seed trains other weights."
    if measured is None:
        return (
            f"{start} One seed proves nothing, and what this recipe gives over seeds is not known here: add {FIVE} to "
            "the same command for five pairs of runs, their mean and its interval."
        )
    miou, fb_iou = (Interval(**measured["difference"][measure]) for measure in MEASURES)
    return (
        f"{start} One seed proves nothing; over {miou.count} seeds this very recipe gave {miou.mean:+.1f} in mIoU "
        f"(95 % interval {_span(miou)}) and {fb_iou.mean:+.1f} in FB-IoU ({_span(fb_iou)}): {_verdict(miou, fb_iou)}. "
        "docs/evidence.md says on which data it gains and on which it does not."
    )


def _of_many_seeds(pairs: Sequence[Compared]) -> list[str]:
    miou, fb_iou = differences(pairs).values()
    won = sum(pair.difference("miou") > 0 for pair in pairs)
    return [
        f"Over {miou.count} seeds SCNet's mIoU {_above(miou.mean)} the baseline's (95 % interval {_span(miou)}, "
        f"Student's t; it won {won} of {miou.count} pairs), its FB-IoU {_above(fb_iou.mean)} ({_span(fb_iou)}): "
        f"{_verdict(miou, fb_iou)}.",
        "The interval covers what the seed decides: first weights, training episodes and draws. It does not cover "
        "other data, other classes to hold out or other evaluation episodes, which all pairs share.",
    ]


def _verdict(miou: Interval, fb_iou: Interval) -> str:
    if miou.verdict == fb_iou.verdict or fb_iou.verdict == 0:
        return VERDICTS[miou.verdict]
    return f"{VERDICTS[miou.verdict]} in mIoU, and in FB-IoU {VERDICTS[fb_iou.verdict].partition('recipe ')[2]}"


def _above(difference: float) -> str:
    """A difference in words.

    >>> _above(-2.04)
    'is 2.0 points below'
    """
    if round(abs(difference), 1) == 0:
        return "equals"
    return f"is {abs(difference):.1f} points {'above' if difference > 0 else 'below'}"


def _span(interval: Interval) -> str:
    return f"{interval.low:+.1f} to {interval.high:+.1f}"
